"""Where in the user's code an error happened: file, line and what stands there."""

from __future__ import annotations

import traceback
from pathlib import Path

from reconstruct.objects.source.extract import MARK, origin

_TEXTS: dict[str, str] = {}


def remember(path: str, text: str) -> None:
    """Note that a file of the user's is run, so that errors in it can be told from others."""
    _TEXTS[path] = text


def place_of(error: BaseException | None) -> str:
    """`layers.py:12: return K.foo(x)`, for the innermost line of the user's code that an error passed; '' for none."""
    while error is not None:
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            text = _TEXTS.get(frame.filename)
            if text is not None and frame.lineno:
                return _place(frame.filename, text, frame.lineno)
        if isinstance(error, SyntaxError) and error.filename in _TEXTS and error.lineno:
            return _place(str(error.filename), _TEXTS[str(error.filename)], error.lineno)
        error = error.__cause__ or error.__context__
    return ""


def _place(path: str, text: str, line: int) -> str:
    lines = text.split("\n")
    stands = lines[line - 1].strip() if line <= len(lines) else ""
    where = (origin(text, line) if MARK in text else "") or f"{Path(path).name}:{line}"
    return f"{where}: {stands}"
