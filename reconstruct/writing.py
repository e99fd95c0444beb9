"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reconstruct.errors import ReadError


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path`, making its folder. Raises `ReadError` where that is not possible."""
    target = Path(path)
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=target.parent, prefix=f".{target.name}-", delete=False
        ) as file:
            temporary = file.name
            file.write(text)
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ReadError(f"{target} cannot be written: {error.strerror or error}", path=str(target)) from error


def write_json(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write `document` to `path` as JSON."""
    write_text(path, json.dumps(document, indent=1, default=str) + "\n")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
