"""Regression tests for saved models: what they computed, recorded, and whether they still do."""

from __future__ import annotations

from reconstruct.goldens.checking import Check, check
from reconstruct.goldens.recording import record
from reconstruct.goldens.verifying import Agreement, verify

__all__ = ["Agreement", "Check", "check", "record", "verify"]
