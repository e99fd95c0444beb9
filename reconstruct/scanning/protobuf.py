"""Protocol buffers on the wire, without their definitions: fields by number, as bytes and whole numbers.

The encoding is that of the Protocol Buffers documentation, "Encoding": tags, varints, lengths, fixed widths, groups.
"""

from __future__ import annotations

from collections.abc import Iterator

Field = tuple[int, int, int, int]  # number, wire type, and where the value starts and ends (or the value, for varints)


class ProtoError(ValueError):
    """The bytes are no protocol buffer."""


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field of one message, the values of lengths and fixed widths as bytes."""
    at, end = 0, len(data)
    while at < end:
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not number or number > 1 << 29:
            raise ProtoError(f"a field has the number {number}")
        if kind == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ProtoError(f"a field has the wire type {kind}")
        if at + size > end:
            raise ProtoError("a field ends after its message")
        yield number, data[at : at + size]
        at += size


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of variable length at `at`, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtoError("a number is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
