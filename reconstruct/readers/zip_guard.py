"""Zip archives of strangers: what their directory says, compared with what they hold, before a member is unpacked."""

from __future__ import annotations

import itertools
import re
import stat
import struct
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from reconstruct.artifact import Finding
from reconstruct.limits import DEFAULT, Limits

_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_RAISE = "Keras writes no such archive; if you trust it, raise the limit: --limit {}=…"
_EDITED = "Keras writes no such archive; it was edited, or made by another program"


def members_declared(file: BinaryIO) -> int | None:
    """How many members the end of the archive declares; None where it has no end (zip specification, 4.3.16)."""
    size = file.seek(0, 2)
    start = max(0, size - 65_557 - 20)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        return None
    (count,) = struct.unpack_from("<H", tail, at + 10)
    (length,) = struct.unpack_from("<I", tail, at + 12)
    locator = tail.rfind(b"PK\x06\x07", 0, at)
    if locator >= 0 and len(tail) - locator >= 16:
        (where,) = struct.unpack_from("<Q", tail, locator + 8)
        if where < size:
            file.seek(where)
            record = file.read(40)
            if record[:4] == b"PK\x06\x06" and len(record) == 40:
                count = max(count, struct.unpack_from("<Q", record, 32)[0])
    return max(count, length // 10_000_000)


def check_count(path: Path, limits: Limits = DEFAULT) -> Finding | None:
    """What is wrong with the number of members, which has to be known before the directory is read."""
    with path.open("rb") as file:
        count = members_declared(file)
    if count is None or count <= limits.zip_members:
        return None
    message = f"the archive has {count} members, more than the limit zip_members={limits.zip_members}"
    return Finding("E_ZIP_COUNT", "error", "", message, _RAISE.format("zip_members"))


def check(path: Path, infos: Sequence[zipfile.ZipInfo], limits: Limits = DEFAULT) -> Iterator[Finding]:
    """What is wrong with the members of an archive. Nothing is unpacked."""
    names: dict[str, str] = {}
    for info in infos:
        name = info.filename
        folded = name.casefold()
        if names.get(folded) == name:
            yield Finding("E_ZIP_DUPLICATE", "error", name, "the archive has this member twice", _EDITED)
        elif folded in names:
            message = f"the archive also has {names[folded]!r}, which is the same name where case does not count"
            yield Finding("W_ZIP_CASE", "warning", name, message, _EDITED)
        names.setdefault(folded, name)
        yield from _of_member(info, limits)
    total = sum(i.file_size for i in infos)
    held = sum(i.compress_size for i in infos)
    if limits.too_much(total, held):
        message = f"the members unpack to {total} bytes, {total // max(1, held)} times what the archive holds"
        yield Finding("E_ZIP_TOTAL", "error", "", message, _RAISE.format("expansion_ratio"))
    with path.open("rb") as file:
        yield from _local(file, infos)


def _of_member(info: zipfile.ZipInfo, limits: Limits) -> Iterator[Finding]:
    name = info.orig_filename if hasattr(info, "orig_filename") else info.filename
    parts = re.split(r"[/\\]", name)
    if ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or "\0" in name:
        yield Finding("E_ZIP_PATH", "error", name, "the name of the member leads out of the archive", _EDITED)
    if stat.S_ISLNK(info.external_attr >> 16):
        yield Finding("E_ZIP_SYMLINK", "error", name, "the member is a symbolic link", _EDITED)
    if info.flag_bits & 1:
        hint = "unpack it with its password and give what was in it"
        yield Finding("E_ZIP_ENCRYPTED", "error", name, "the member is encrypted", hint)
    if info.compress_type not in _METHODS:
        message = f"the member is compressed by method {info.compress_type}; Keras knows stored and deflated"
        yield Finding("E_ZIP_METHOD", "error", name, message, _EDITED)
    if limits.too_much(info.file_size, info.compress_size):
        times = info.file_size // max(1, info.compress_size)
        message = f"the member unpacks to {info.file_size} bytes, {times} times what it takes in the archive"
        yield Finding("E_ZIP_BOMB", "error", name, message, _RAISE.format("expansion_ratio"))


def _local(file: BinaryIO, infos: Sequence[zipfile.ZipInfo]) -> Iterator[Finding]:
    """Where the header before a member's data contradicts the directory, and where members share bytes."""
    size = file.seek(0, 2)
    extents: list[tuple[int, int, str]] = []
    for info in infos:
        file.seek(info.header_offset)
        header = file.read(30)
        problem = None
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            problem = "there is no member where the directory says"
        else:
            flags, method = struct.unpack_from("<HH", header, 6)
            packed, unpacked, name_size, extra_size = struct.unpack_from("<IIHH", header, 18)
            name, extra = file.read(name_size), file.read(extra_size)
            packed, unpacked = sizes(packed, unpacked, extra)
            start = info.header_offset + 30 + name_size + extra_size
            extents.append((info.header_offset, start + info.compress_size, info.filename))
            encoding = "utf-8" if flags & 0x800 else "cp437"
            if name.decode(encoding, "replace").replace("\\", "/") != info.orig_filename.replace("\\", "/"):
                problem = "the member has another name than in the directory"
            elif method != info.compress_type:
                problem = "the member is compressed otherwise than the directory says"
            elif not flags & 8 and (packed, unpacked) != (info.compress_size, info.file_size):
                problem = f"the member says {unpacked} bytes, the directory {info.file_size}"
            elif start + info.compress_size > size:
                problem = "the member ends after the archive"
            elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
                problem = "the member is not compressed, and yet has two sizes"
        if problem:
            yield Finding("E_ZIP_INCONSISTENT", "error", info.filename, problem, _EDITED)
    extents.sort()
    for (_, end, first), (start, _, second) in itertools.pairwise(extents):
        if start < end:
            message = f"the member shares bytes of the archive with {first!r}"
            yield Finding("E_ZIP_INCONSISTENT", "error", second, message, _EDITED)


def sizes(packed: int, unpacked: int, extra: bytes) -> tuple[int, int]:
    """The sizes with those of the zip64 field in place of 0xffffffff (zip specification, 4.5.3)."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            values = [struct.unpack_from("<Q", extra, at + 4 + 8 * i)[0] for i in range(length // 8)]
            if unpacked == 0xFFFFFFFF and values:
                unpacked = values.pop(0)
            if packed == 0xFFFFFFFF and values:
                packed = values.pop(0)
        at += 4 + length
    return packed, unpacked
