"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reconstruct.errors import ReadError


def scratch_folder(target: Path) -> Path:
    """A new folder beside `target` for what may take its place."""
    return Path(tempfile.mkdtemp(prefix=_prefix(target, os.getpid()), dir=target.parent))


def clear(target: str | os.PathLike[str], pid: int | None) -> None:
    """Remove what a process that was killed left beside `target`."""
    if pid is None:
        return
    with contextlib.suppress(OSError):
        for left in list(Path(target).parent.iterdir()):
            if left.name.startswith(_prefix(Path(target), pid)):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _prefix(target: Path, pid: int) -> str:
    return f".{target.name}-{pid}-"


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place if nothing is raised; else it is gone.

    Makes the folder. Raises `ReadError` where the file cannot be written.
    """
    target = Path(path)
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            dir=target.parent, prefix=_prefix(target, os.getpid()), suffix=target.suffix
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError) or isinstance(error, ReadError):
            raise
        raise ReadError(f"{target} cannot be written: {error.strerror or error}", path=str(target)) from error


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path`, making its folder. Raises `ReadError` where that is not possible."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write `document` to `path` as JSON."""
    write_text(path, json_text(document) + "\n")


def json_text(document: Mapping[str, Any]) -> str:
    """The document as JSON that any parser reads: NaN and infinity, for which it has no number, are null.

    >>> print(json_text({"largest": float("inf")}))
    {
     "largest": null
    }
    """
    return json.dumps(_finite(document), indent=1, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
