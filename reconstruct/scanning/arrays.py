"""Arrays in NumPy's own format, by their headers: objects are pickles, and shapes may be declared of any size."""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reconstruct.artifact import Finding
from reconstruct.limits import Limits
from reconstruct.readers.raw_hdf5 import numbers

_HEAD = 16_384
_RAISE = "if you trust the file, raise the limit: --limit expansion_ratio=…"


def of_header(head: bytes, held: int, where: str, limits: Limits) -> Iterator[Finding]:
    """What is wrong with an array that starts with `head` and takes `held` bytes (NumPy, lib/_format_impl.py)."""
    try:
        if head[:6] != b"\x93NUMPY":
            raise ValueError("no array")
        width = 2 if head[6] == 1 else 4
        size = int.from_bytes(head[8 : 8 + width], "little")
        if size > 10_000 or 8 + width + size > len(head):
            raise ValueError("a header of this size")
        found = ast.literal_eval(head[8 + width : 8 + width + size].decode("latin-1").strip())
        text, shape = str(found["descr"]), tuple(int(n) for n in found["shape"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError, IndexError) as error:
        yield Finding("E_NPY_CORRUPT", "error", where, f"it is no array of NumPy: {str(error)[:100]}", "get it again")
        return
    if "O" in text:
        message = "the array holds Python objects, which NumPy keeps as a pickle: opening it runs code"
        yield Finding("F_PICKLE", "error", where, message, "ask for arrays of numbers")
        return
    try:
        width = np.dtype(found["descr"]).itemsize
    except (TypeError, ValueError):
        width = 1
    declared = numbers(shape) * width
    if limits.too_much(declared, held):
        message = f"the array declares {declared} bytes, and the file holds {held} bytes of it"
        yield Finding("F_RESOURCE", "error", where, message, _RAISE)


def of_archive(archive: zipfile.ZipFile, limits: Limits) -> Iterator[Finding]:
    """What is wrong with the arrays in an archive; of each, only the header is unpacked."""
    for info in archive.infolist():
        if not info.filename.endswith(".npy") or info.flag_bits & 1:
            continue
        try:
            with archive.open(info) as member:
                head = member.read(_HEAD)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
            yield Finding("E_ZIP_CORRUPT", "error", info.filename, f"it cannot be unpacked: {error}", "get it again")
            continue
        yield from of_header(head, info.compress_size, info.filename, limits)


def of_file(path: Path, limits: Limits) -> Iterator[Finding]:
    """What is wrong with an `.npy` file."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    yield from of_header(head, path.stat().st_size, "", limits)
