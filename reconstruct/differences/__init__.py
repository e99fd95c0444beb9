"""What changed between two saved models, told from the files alone: no framework is imported."""

from __future__ import annotations

import os

from reconstruct.artifact import Artifact
from reconstruct.differences.compare import Difference, compare
from reconstruct.differences.view import View, view
from reconstruct.readers import read


def diff(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> Difference:
    """The difference between the models in two files of any Keras, `a` being the one before.

    Files by the same earlier Keras are compared as they are written. Others are brought to the form of Keras 3 first:
    between an old file and its migration only `rules` stand, and `entries` is empty. Raises what `readers.read` raises.

    >>> diff("old.h5", "new.keras").entries          # doctest: +SKIP
    ()
    """
    artifacts = [read(str(a)), read(str(b))]
    earlier = all(artifact.writer.major < 3 for artifact in artifacts)
    alike = earlier and _form(artifacts[0]) == _form(artifacts[1])
    views = [view(artifact, raw=alike) for artifact in artifacts]
    return compare(*views)


def _form(artifact: Artifact) -> tuple[object, ...]:
    """What decides how configs and weights of an artifact look."""
    writer = artifact.writer
    return (*writer.version, writer.backend, writer.is_tf_keras)


def view_of(path: str | os.PathLike[str]) -> View:
    """The model in a file as it is written. Raises what `readers.read` raises."""
    return view(read(str(path)), raw=True)
