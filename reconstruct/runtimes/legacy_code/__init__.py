"""Code written for Keras 1 and 2, run on Keras 3.

`execute` runs a Python file of the user's in a module whose imports of Keras and TensorFlow, by any path that these
ever had, answer as they did then: what was removed or changed stands in for itself, all else is today's.
"""

from __future__ import annotations

import builtins
import contextlib
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconstruct.artifact import Writer
from reconstruct.objects.source import places
from reconstruct.objects.source.extract import WRITTEN_FOR
from reconstruct.runtimes import old_paths

_OF_KERAS_3 = re.compile(
    r"keras\.(?:ops|random|saving|tree|distribution)\b"
    r"|from\s+keras\s+import\s+[^\n]*\b(?:ops|random|saving|tree)\b"
    r"|from\s+keras\.(?:ops|random|saving)\b"
)
_OLD = re.compile(r"\b(?:keras|tf_keras|tensorflow)\b")


WRITER: list[tuple[int, int, int]] = [(2, 15, 0)]  # the version of Keras whose meaning code has where it changed
_SAID = re.compile(rf"^{WRITTEN_FOR} = \((\d+), (\d+), (\d+)\)$", re.MULTILINE)


def written_by(writer: Writer) -> None:
    """Say which Keras wrote the model that the code belongs to: some functions and defaults changed their meaning.

    `tf.keras` of TensorFlow 2.0 calls itself 2.2.4-tf and had those of later releases already.
    """
    WRITER[0] = max(writer.version, (2, 4, 0)) if writer.is_tf_keras else writer.version


@contextlib.contextmanager
def meant_for(version: tuple[int, int, int] | None) -> Iterator[None]:
    """Code that runs in here has the meaning it had in this version, whatever was recovered meanwhile."""
    before = WRITER[0]
    WRITER[0] = version or before
    try:
        yield
    finally:
        WRITER[0] = before


def wanted_for(text: str) -> bool:
    """Whether a file is code for an earlier Keras, or may be: it uses Keras, and nothing that only Keras 3 has."""
    return bool(_OLD.search(text)) and not _OF_KERAS_3.search(text)


def execute(path: Path, name: str, text: str | None = None) -> types.ModuleType:
    """Run a file as the module `name`, which stays in `sys.modules`. Raises what the code raises."""
    from reconstruct.runtimes.legacy_code import layer, modules

    text = path.read_text("utf-8") if text is None else text
    places.remember(str(path), text)
    code = old_paths.compiled(text, path)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    importer = modules.Importer(path.parent)
    module.__dict__["__builtins__"] = {
        **vars(builtins),
        **_PYTHON_2,
        "print": _print,
        "__import__": importer,
        "__build_class__": layer.build_class,
        **old_paths.helpers(_shape),
    }
    sys.modules[name] = module
    said = _SAID.search(text)  # of a module that was written beside a recovered model
    try:
        with meant_for((int(said[1]), int(said[2]), int(said[3])) if said else None):
            exec(code, module.__dict__)  # noqa: S102  # the user named this file for that
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _print(*values: Any, file: Any = None, **options: Any) -> None:
    """Standard output is for results."""
    print(*values, file=file or sys.stderr, **options)


_PYTHON_2 = {"xrange": range, "unicode": str, "basestring": str, "long": int, "unichr": chr}


def _shape(tensor: Any) -> Any:
    from reconstruct.runtimes.legacy_code import backend

    return backend.int_shape(tensor)
