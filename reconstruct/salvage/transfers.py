"""What programs that take a file for text do to all of it: line ends changed, bytes taken for characters and encoded.

The signatures of HDF5 and PNG were chosen to show this (HDF5 File Format Specification 3.0, II.A). Where each byte can
be had back, it is.
"""

from __future__ import annotations

from reconstruct.errors import ReadError
from reconstruct.readers.raw_hdf5 import SIGNATURE, Bytes, Source
from reconstruct.readers.sniff import TAKEN_FOR_TEXT

_SAMPLE = 1 << 16
_FEW = 3  # line ends that may have come about by chance
_HINT = "transfer the original once more, in binary mode"


def undone(source: Source, path: str) -> tuple[Source, str] | None:
    """The bytes as they were before, and what was done to them; None where nothing shows that anything was.

    Raises `ReadError` where the bytes cannot be had back.
    """
    head = source.read(0, min(_SAMPLE, source.size))
    if head.startswith(SIGNATURE) or not head.startswith((*TAKEN_FOR_TEXT, b"PK")):
        return None
    if not head.startswith(b"\x89HDF") and not _has_changed_lines(head) and _text(head) is None:
        return None
    data = source.read(0, source.size)
    if head.startswith(b"\x89HDF\n\x1a\n"):  # where else one was removed, nothing says: what follows is displaced
        return Bytes(SIGNATURE + data[7:]), "carriage returns before line ends were removed, as in a transfer of text"
    if _has_changed_lines(data):  # each that was there before has two now
        what = "a carriage return was put before each line end, as in a transfer of text"
        return Bytes(data.replace(b"\r\n", b"\n")), what
    text = _text(data)
    if text is None or text.isascii():
        return None
    if "\ufffd" in text:
        message = (
            f"{path} was taken for text, and bytes that stand for no character were replaced: none can be had back"
        )
        raise ReadError(message, path=path, hint=_HINT, code="E_HDF5_CORRUPT")
    made = b"".join(_byte(character) for character in text)
    return Bytes(made), "its bytes were taken for characters of text and written as UTF-8"


def _has_changed_lines(data: bytes) -> bool:
    return _FEW < data.count(b"\n") == data.count(b"\r\n")


def _text(data: bytes) -> str | None:
    """The text that the bytes are in UTF-8, but for a character that the end cuts in two; None where they are none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return data[: error.start].decode("utf-8") if error.start >= len(data) - 3 else None


def _byte(character: str) -> bytes:
    """The byte that a character was taken for: in Latin 1, or in Windows 1252 where that has another."""
    return character.encode("latin-1") if ord(character) < 256 else character.encode("cp1252", "replace")
