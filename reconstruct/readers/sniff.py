"""What kind of file this is, by its first bytes; what is no model is named, with what to do about it."""

from __future__ import annotations

import re
import stat
import zipfile
from pathlib import Path

from reconstruct.errors import ReadError

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What becomes of the signature where a program takes a file for text: line ends changed; bytes taken for characters of
# Latin 1, of Windows 1252 or of none, and written as UTF-8
TAKEN_FOR_TEXT = (b"\x89HDF", b"\xc2\x89HDF", b"\xe2\x80\xb0HDF", b"\xef\xbf\xbdHDF")
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"
_GET_AGAIN = "get the file again from where it came from"


def sniff(path: Path) -> str:
    """`"hdf5"`, `"zip"`, `"json"` or `"directory"`; raises `ReadError` for all else."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise _no_file(path) from None
    except OSError as error:
        raise ReadError(f"{path} cannot be opened: {error.strerror}", path=str(path)) from error
    if stat.S_ISDIR(mode):
        return _sniff_directory(path)
    if not stat.S_ISREG(mode):
        hint = "give a file or a directory"
        raise ReadError(f"{path} is not a regular file", path=str(path), hint=hint, code="E_NOT_REGULAR")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if not head:
                raise ReadError(f"{path} is empty (0 bytes)", path=str(path), hint=_GET_AGAIN, code="E_EMPTY")
            if head.startswith(HDF5_SIGNATURE) or (_has_user_block(file) and not is_archive(path)):
                return "hdf5"
    except PermissionError as error:
        hint = "change its permissions, or run as a user who may read it"
        raise ReadError(f"{path} cannot be opened: permission denied", path=str(path), hint=hint) from error
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    text = head.lstrip(_BEFORE_TEXT)
    if text.startswith(b"{"):
        return "json"
    what, hint = _name_it(head)
    code = "F_PICKLE" if "pickle" in what else "E_NOT_A_MODEL"
    raise ReadError(f"{path} is no Keras model: it is {what}", path=str(path), hint=hint, code=code)


def is_archive(path: Path) -> bool:
    """Whether a file is a `.keras` archive although HDF5 finds its signature in it: the weights in an archive may begin
    at just the place where a user block of HDF5 would end. Keras decides by the suffix, too (saving/saving_api.py)."""
    if path.suffix != ".keras":
        return False
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" and zipfile.is_zipfile(file)


def _no_file(path: Path) -> ReadError:
    """There is no such file; a URL is named as one, and nothing is opened for it."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        message = f"{path} is the address of a file elsewhere; nothing is fetched here"
        return ReadError(message, path=str(path), hint="download it and give the file", code="E_REMOTE")
    return ReadError(f"there is no file {path}", path=str(path), hint="check the path", code="E_NO_FILE")


def _sniff_directory(path: Path) -> str:
    if (path / "config.json").is_file() and not (path / "config.json").is_symlink():
        return "directory"
    if (path / "saved_model.pb").exists() or (path / "saved_model.pbtxt").exists():
        raise ReadError(
            f"{path} is a TensorFlow SavedModel: it holds a graph of operations, not a Keras architecture",
            path=str(path),
            hint="if an .h5 or .keras file of the same model exists, use that; keras.layers.TFSMLayer can run this one",
        )
    raise ReadError(
        f"{path} is a directory without config.json, not a model",
        path=str(path),
        hint="name the files in it, or use `migrate`, which converts all of a directory",
        code="E_NO_CONFIG",
    )


def _has_user_block(file) -> bool:  # type: ignore[no-untyped-def]
    """HDF5 allows the signature at 512, 1024, 2048, … bytes (HDF5 file format specification 3.0, II.A)."""
    offset = 512
    while offset <= 1 << 20:
        file.seek(offset)
        found = file.read(8)
        if found == HDF5_SIGNATURE:
            return True
        if len(found) < 8:
            return False
        offset *= 2
    return False


def _name_it(head: bytes) -> tuple[str, str]:
    if not any(head):
        return "filled with zeros, so the download or the disk failed", _GET_AGAIN
    if head.startswith(TAKEN_FOR_TEXT):
        hint = "transfer it once more, in binary mode; reconstruct salvage undoes what can be undone"
        return "an HDF5 file that a program took for text, and changed", hint
    return disguise(head) or ("of no kind that Keras writes", "Keras writes HDF5 (.h5), zip (.keras) and JSON")


def disguise(head: bytes) -> tuple[str, str] | None:
    """What a file that starts with these bytes is instead of a model, and what to do; None where they do not say."""
    text = head.lstrip(_BEFORE_TEXT)
    lower = text[:512].lower()
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file itself", "run `git lfs pull` in the repository it came from"
    if lower.startswith((b"<!doctype html", b"<html", b"<head")) or b"<html" in lower:
        return "an HTML page, saved in place of the file", "download the raw file, not the page that shows it"
    if lower.startswith(b"<"):
        return "an XML document", _GET_AGAIN
    if head.startswith(b"\x1f\x8b"):
        return "a gzip archive", "unpack it first (`gunzip` or `tar xzf`)"
    if head[257:262] == b"ustar":
        return "a tar archive", "unpack it first (`tar xf`)"
    if head.startswith((b"iUhERg0KGgo", b"UEsDBB")):  # the signatures of HDF5 and zip
        return "text in base64 of a model", "decode it first (`base64 -d`)"
    if head.startswith(b"\x93NUMPY"):
        return "a NumPy array", "give the file that Keras saved"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "a Python pickle", "pickles execute code when they are opened; ask for an .h5 or .keras file"
    if head.startswith((b"TFL3", b"\x1c\x00\x00\x00TFL3")) or head[4:8] == b"TFL3":
        return "a TensorFlow Lite model", "it has no Keras architecture; use the file that it was converted from"
    if head.startswith(b"[") or text.startswith(b"["):
        return "a JSON list", "a Keras config is a JSON object"
    return None
