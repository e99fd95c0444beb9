"""The user's own source tree: the definitions of classes and functions that a saved model names, by parsing alone."""

from __future__ import annotations

from reconstruct.objects.source.candidates import Candidate, Source, Wanted
from reconstruct.objects.source.extract import Extraction, Piece, origin

__all__ = ["Candidate", "Extraction", "Piece", "Source", "Wanted", "origin"]
