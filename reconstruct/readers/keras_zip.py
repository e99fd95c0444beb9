"""`.keras` files and the same thing unpacked: config.json, metadata.json and model.weights.h5."""

from __future__ import annotations

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from reconstruct.artifact import Artifact, Finding, Group, Layer, Tensor, Training, Writer
from reconstruct.errors import ConfigError, ReadError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import json_guard, lost, object_weights, parse, vocabularies, zip_guard
from reconstruct.readers.config_json import decoded
from reconstruct.readers.h5 import H5Source

WEIGHTS = "model.weights.h5"
_GET_AGAIN = "get the file again, or take out of it what it still holds: reconstruct salvage"


def open_zip(path: Path, limits: Limits = DEFAULT) -> zipfile.ZipFile:
    """The archive. Raises `ReadError` where it is damaged or has more members than the limit allows."""
    problem = zip_guard.check_count(path, limits)
    if problem is not None:
        raise ReadError(f"{path}: {problem.message}", path=str(path), hint=problem.hint, code=problem.code)
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, OSError) as error:
        message = f"{path} is a damaged zip archive: {error}"
        raise ReadError(message, path=str(path), hint=_GET_AGAIN, code="E_ZIP_CORRUPT") from error


def read(path: Path, limits: Limits = DEFAULT) -> Artifact:
    """The model in a `.keras` zip of Keras 2.12 or newer."""
    with open_zip(path, limits) as archive:
        names = archive.namelist()
        if "config.json" not in names and WEIGHTS not in names:
            raise ReadError(
                f"{path} is a zip archive without config.json, so no .keras file",
                path=str(path),
                hint="if it holds model files, unpack it and give those",
                code="E_NO_CONFIG",
            )
        wanted = [info for info in archive.infolist() if _is_wanted(info.filename)]
        for problem in zip_guard.check(path, wanted, limits):
            if problem.severity == "error":
                where = f"{path}/{problem.path}"
                raise ReadError(f"{where}: {problem.message}", path=where, hint=problem.hint, code=problem.code)
        metadata = member_json(archive, "metadata.json", path, limits)
        weights = None
        if WEIGHTS in names:
            member = Member(path, archive.getinfo(WEIGHTS))
            weights = H5Source(member, f"{path}/{WEIGHTS}", lambda: _check_sum(path), limits)
        found = parse.usable(lambda: member_json(archive, "config.json", path, limits))
        return _artifact(path, "keras-zip", found, metadata, weights, lambda name: _text(archive, name, path, limits))


def _is_wanted(name: str) -> bool:
    vocabulary = name.startswith(f"{vocabularies.FOLDER}/") and name.endswith(f"/{vocabularies.NAME}")
    return name in ("config.json", "metadata.json", WEIGHTS) or vocabulary


def _text(archive: zipfile.ZipFile, name: str, path: Path, limits: Limits) -> str | None:
    data = _member(archive, name, path, limits)
    return None if data is None else data.decode("utf8", "replace")


def _check_sum(path: Path) -> None:
    """Raises `ReadError` where the weights are not those that were written; reads all of them once."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as member:
            while member.read(1 << 20):
                pass
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ReadError(
            f"{path} is damaged: the checksum of {WEIGHTS} does not match its bytes",
            path=str(path),
            hint="get the file again; what it holds now is not what was saved",
            code="E_ZIP_CORRUPT",
        ) from error


def read_directory(path: Path, limits: Limits = DEFAULT) -> Artifact:
    """The model in a directory with the members of a `.keras` file."""
    members = {}
    for name in ("config.json", "metadata.json", WEIGHTS):
        member = path / name
        if member.is_symlink():
            message = f"{member} is a symbolic link, which is not followed"
            raise ReadError(message, path=str(member), code="E_SYMLINK")
        if member.is_file():
            members[name] = member
    metadata = decoded(members["metadata.json"], limits)[0] if "metadata.json" in members else None
    file = members.get(WEIGHTS)
    weights = None if file is None else H5Source(file, str(file), limits=limits)
    found = parse.usable(lambda: decoded(members["config.json"], limits)[0])
    assets = {
        file.relative_to(path).as_posix(): file
        for file in (path / vocabularies.FOLDER).rglob(vocabularies.NAME)
        if file.resolve() == path.resolve() / file.relative_to(path)  # and not by a link out of the directory
    }

    def text(name: str) -> str | None:
        if name not in assets:
            return None
        _check_size(assets[name].stat().st_size, name, path, limits)
        return assets[name].read_text("utf8", "replace")

    return _artifact(path, "keras-dir", found, metadata, weights, text)


def _artifact(
    path: Path,
    container: str,
    found: tuple[Any, Layer | None, ConfigError | None],
    metadata: Any,
    weights: H5Source | None,
    text: vocabularies.Read,
) -> Artifact:
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    writer = Writer(version or "3.0.0", "tensorflow" if str(version).startswith("2.") else None)
    config, model, unusable = found
    tensors: tuple[Tensor, ...] = ()
    optimizer: tuple[Tensor, ...] = ()
    groups: tuple[Group, ...] = ()
    findings: list[Finding] = []
    if weights is not None:
        tree = object_weights.tree(weights, weights.root)
        tensors = tuple(object_weights.tensors(tree))
        optimizer = object_weights.optimizer_tensors(tree)
        findings = lost.findings(weights, weights.root)
    if unusable is not None or (tensors and parse.is_empty(model)):
        findings.append(parse.left_aside(unusable, tensors))
        model = None
        groups = () if weights is None else object_weights.groups(weights, weights.root)
    elif model is not None and weights is not None:
        model, left = object_weights.attach(model, tree)
        findings += left
    if model is not None:
        model = vocabularies.attach(model, text)
    compiled = config.get("compile_config") if isinstance(config, Mapping) else None
    training = Training(compiled, optimizer) if isinstance(compiled, dict) else None
    return Artifact(str(path), container, writer, model, writer, tensors, training, tuple(findings), groups=groups)


def member_json(archive: zipfile.ZipFile, name: str, path: Path, limits: Limits = DEFAULT) -> Any:
    """The JSON value of a member, None where there is none. Raises `ReadError` or `ConfigError`."""
    return decoded_member(archive, name, path, limits)[0]


def decoded_member(
    archive: zipfile.ZipFile, name: str, path: Path, limits: Limits = DEFAULT
) -> tuple[Any, list[Finding]]:
    """The JSON value of a member, None where there is none, and what is odd about its text."""
    data = _member(archive, name, path, limits)
    return (None, []) if data is None else json_guard.decode(data, f"{path}: {name}", limits)


def _member(archive: zipfile.ZipFile, name: str, path: Path, limits: Limits) -> bytes | None:
    """The bytes of a member that is read as a whole, None where there is none."""
    try:
        size = archive.getinfo(name).file_size
    except KeyError:
        return None
    _check_size(size, name, path, limits)
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        message = f"{path}: {name} cannot be read: {error}"
        raise ReadError(message, path=str(path), hint=_GET_AGAIN, code="E_ZIP_CORRUPT") from error


def _check_size(size: int, name: str, path: Path, limits: Limits) -> None:
    if size > limits.json_bytes:
        message = f"{path}: {name} has {size} bytes, more than any config (limit json_bytes={limits.json_bytes})"
        raise ReadError(message, path=str(path), hint="raise it: --limit json_bytes=…", code="E_ZIP_BOMB")


def _unpacked(path: Path, info: zipfile.ZipInfo) -> BinaryIO:
    """Raises `ReadError` where the member cannot be unpacked, or has no room on the disk."""
    where = f"{path}/{info.filename}"
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if info.file_size > free:
        raise ReadError(
            f"{where} unpacks to {info.file_size} bytes, and {free} are free in {tempfile.gettempdir()}",
            path=str(path),
            hint="make room, or set TMPDIR to a folder with more",
            code="F_RESOURCE",
        )
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  (the archive's member keeps it)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as member:
            shutil.copyfileobj(member, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        file.close()
        raise ReadError(
            f"{where} cannot be unpacked: {error}", path=str(path), hint=_GET_AGAIN, code="E_ZIP_CORRUPT"
        ) from error
    return file


class Member(io.RawIOBase):
    """A member of a zip as a file that can be read anywhere.

    Keras stores members uncompressed, so reading goes straight to the archive and the file may be of any size;
    a member that somebody compressed is unpacked into a temporary file, which is gone when it is closed.
    """

    def __init__(self, path: Path, info: zipfile.ZipInfo) -> None:
        super().__init__()
        self._file: BinaryIO
        if info.compress_type == zipfile.ZIP_STORED:
            self._file = path.open("rb")
            self._file.seek(info.header_offset)
            header = self._file.read(30)
            # The local header may have another extra field than the directory (zip specification, 4.3.7).
            name, extra = (int.from_bytes(header[i : i + 2], "little") for i in (26, 28))
            self._start, self._size = info.header_offset + 30 + name + extra, info.file_size
        else:
            self._file = _unpacked(path, info)
            self._start, self._size = 0, info.file_size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._at))
        self._file.seek(self._start + self._at)
        data = self._file.read(count)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
