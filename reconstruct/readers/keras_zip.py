"""`.keras` files and the same thing unpacked: config.json, metadata.json and model.weights.h5."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

from reconstruct.artifact import Artifact, Finding, Tensor, Training, Writer
from reconstruct.errors import ConfigError, ReadError
from reconstruct.readers import object_weights, parse
from reconstruct.readers.h5 import H5Source, decode_json

WEIGHTS = "model.weights.h5"
_GET_AGAIN = "get the file again; a download or copy that stopped early looks like this"
_JSON_LIMIT = 256 << 20  # the largest configs known have some 10 MB


def read(path: Path) -> Artifact:
    """The model in a `.keras` zip of Keras 2.12 or newer."""
    try:
        archive = zipfile.ZipFile(path)
        names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise ReadError(
            f"{path} is a damaged zip archive: {error}",
            path=str(path),
            hint=_GET_AGAIN,
        ) from error
    with archive:
        if "config.json" not in names:
            raise ReadError(
                f"{path} is a zip archive without config.json, so no .keras file",
                path=str(path),
                hint="if it holds model files, unpack it and give those",
            )
        config, metadata = (_member_json(archive, name, path) for name in ("config.json", "metadata.json"))
        weights = None
        if WEIGHTS in names:
            member = _Member(path, archive.getinfo(WEIGHTS))
            weights = H5Source(member, f"{path}/{WEIGHTS}", lambda: _check_sum(path))
    return _artifact(path, "keras-zip", config, metadata, weights)


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
        ) from error


def read_directory(path: Path) -> Artifact:
    """The model in a directory with the members of a `.keras` file."""
    members = {}
    for name in ("config.json", "metadata.json", WEIGHTS):
        member = path / name
        if member.is_symlink():
            raise ReadError(f"{member} is a symbolic link, which is not followed", path=str(member))
        if member.is_file():
            members[name] = member
    texts = {n: decode_json(m.read_text("utf-8"), str(m)) for n, m in members.items() if n.endswith(".json")}
    weights = H5Source(members[WEIGHTS], str(members[WEIGHTS])) if WEIGHTS in members else None
    return _artifact(path, "keras-dir", texts["config.json"], texts.get("metadata.json"), weights)


def _artifact(path: Path, container: str, config: Any, metadata: Any, weights: H5Source | None) -> Artifact:
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    writer = Writer(version or "3.0.0", "tensorflow" if str(version).startswith("2.") else None)
    model = parse.parse_model(config)
    tensors: tuple[Tensor, ...] = ()
    optimizer: tuple[Tensor, ...] = ()
    findings: list[Finding] = []
    if weights is not None:
        tree = object_weights.tree(weights, weights.root)
        model, findings = object_weights.attach(model, tree)
        tensors = tuple(object_weights.tensors(tree))
        optimizer = object_weights.optimizer_tensors(tree)
    compiled = config.get("compile_config")
    training = Training(compiled, optimizer) if isinstance(compiled, dict) else None
    return Artifact(str(path), container, writer, model, writer, tensors, training, tuple(findings))


def _member_json(archive: zipfile.ZipFile, name: str, path: Path) -> Any:
    try:
        size = archive.getinfo(name).file_size
        if size > _JSON_LIMIT:
            raise ReadError(f"{path}: {name} has {size} bytes, more than any config", path=str(path))
        data = archive.read(name)
    except KeyError:
        return None
    except ReadError:
        raise
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ReadError(f"{path}: {name} cannot be read: {error}", path=str(path), hint=_GET_AGAIN) from error
    try:
        return decode_json(data.decode("utf-8"), f"{path}: {name}")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {name} is not UTF-8 text", path=str(path)) from error


def _unpacked(path: Path, info: zipfile.ZipInfo) -> BinaryIO:
    """Raises `ReadError` where the member cannot be unpacked, or has no room on the disk."""
    where = f"{path}/{info.filename}"
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if info.file_size > free:
        raise ReadError(
            f"{where} unpacks to {info.file_size} bytes, and {free} are free in {tempfile.gettempdir()}",
            path=str(path),
            hint="make room, or set TMPDIR to a folder with more",
        )
    file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  (the archive's member keeps it)
    try:
        with zipfile.ZipFile(path) as archive, archive.open(info) as member:
            shutil.copyfileobj(member, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        file.close()
        raise ReadError(f"{where} cannot be unpacked: {error}", path=str(path), hint=_GET_AGAIN) from error
    return file


class _Member(io.RawIOBase):
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
