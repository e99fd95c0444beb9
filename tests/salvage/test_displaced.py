"""Files of which parts stand in another place, and files that a program took for text."""

from __future__ import annotations

import base64
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reconstruct import readers
from reconstruct.errors import ReadError
from reconstruct.readers.raw_hdf5 import Bytes
from reconstruct.salvage import displaced, signatures
from tests.salvage.damage import FILES, arrays
from tests.salvage.test_salvage import HDF5, KERAS, nothing_false, salvaged

MODEL = "keras-2.2.4/chunked_names.h5"


def skipped(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + data[at + count :]


def twice(data: bytes, at: int, count: int) -> bytes:
    return data[: at + count] + data[at:]


def put_in(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + b"\xa5" * count + data[at:]


def turned(data: bytes, at: int, count: int) -> bytes:
    return data[at:] + data[:at]


def moved(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + data[at + 9000 :] + data[at : at + 9000]


@pytest.mark.parametrize("damage", [skipped, twice, put_in, turned, moved])
@pytest.mark.parametrize("count", [1, 512, 1460])
@pytest.mark.parametrize("name", [HDF5[0], HDF5[1], HDF5[6]])
def test_what_is_displaced_is_read_where_it_is(
    tmp_path: Path, name: str, count: int, damage: Callable[[bytes, int, int], bytes]
) -> None:
    data = (FILES / name).read_bytes()
    whole = arrays(data)
    found, got = salvaged(tmp_path, damage(data, len(data) // 2, count))
    nothing_false(got, whole)
    assert "displaced" in {f.code for f in found.findings}
    assert found.status == "partial"
    assert len(got) >= 0.6 * len(whole)


def test_where_a_part_is_there_twice_nothing_is_lost(tmp_path: Path) -> None:
    data = (FILES / MODEL).read_bytes()
    found, got = salvaged(tmp_path, twice(data, 20_000, 4096))
    assert (found.lost, got.keys()) == ((), arrays(data).keys())
    displacement = next(f for f in found.findings if f.code == "displaced")
    assert "by 4096" in displacement.message


@pytest.mark.parametrize("name", [*HDF5, *KERAS])
def test_in_a_whole_file_nothing_is_displaced(name: str) -> None:
    data = (FILES / name).read_bytes()
    for each in (data, data[: len(data) // 2], data + b"\n", b"HTTP/1.1 200 OK\r\n\r\n" + data, data + data):
        source = Bytes(each)
        start = next(signatures.of_hdf5(source), 0)
        assert displaced.realigned(source, start, displaced.structures(source, start)) is None


@pytest.mark.parametrize("name", [MODEL, KERAS[0]])
def test_what_was_taken_for_text_is_had_back(tmp_path: Path, name: str) -> None:
    data = (FILES / name).read_bytes()
    for changed in (data.replace(b"\n", b"\r\n"), data.decode("latin-1").encode("utf-8")):
        found, got = salvaged(tmp_path, changed)
        assert (found.lost, got.keys()) == ((), arrays(data).keys())
        nothing_false(got, arrays(data))
        assert "taken_for_text" in {f.code for f in found.findings}


def test_of_removed_carriage_returns_nothing_false_comes(tmp_path: Path) -> None:
    data = (FILES / MODEL).read_bytes()
    at = len(data) // 2
    changed = (data[:at] + b"\r\n" + data[at + 2 :]).replace(b"\r\n", b"\n")
    _, got = salvaged(tmp_path, changed)
    nothing_false(got, arrays(data))
    assert len(got) > len(arrays(data)) / 2


def archive(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model.h5", data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "says", "hint"),
    [
        (lambda data: data.decode("utf-8", "replace").encode(), "taken for text", "binary mode"),
        (lambda data: data.decode("cp1252", "replace").encode(), "taken for text", "binary mode"),
        (base64.encodebytes, "base64", "base64 -d"),
        (archive, r"zip archive.*model\.h5", "unpack"),
    ],
)
def test_what_cannot_be_had_back_is_named(
    tmp_path: Path, change: Callable[[bytes], bytes], says: str, hint: str
) -> None:
    with pytest.raises(ReadError, match=says) as caught:
        salvaged(tmp_path, change((FILES / MODEL).read_bytes()))
    assert hint in caught.value.hint


def test_a_tar_archive_of_one_model_is_that_model(tmp_path: Path) -> None:
    data = (FILES / MODEL).read_bytes()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        member = tarfile.TarInfo("model.h5")
        member.size = len(data)
        file.addfile(member, io.BytesIO(data))
    found, got = salvaged(tmp_path, buffer.getvalue())
    assert (found.status, got.keys()) == ("complete", arrays(data).keys())


def test_readers_say_what_was_done_to_a_file(tmp_path: Path) -> None:
    data = (FILES / MODEL).read_bytes()
    (tmp_path / "text.h5").write_bytes(data.replace(b"\n", b"\r\n"))
    with pytest.raises(ReadError, match="took for text") as caught:
        readers.read(tmp_path / "text.h5")
    assert "salvage" in caught.value.hint


@pytest.mark.parametrize("name", [HDF5[0], HDF5[1], HDF5[6]])
def test_what_stands_in_place_of_lost_bytes_is_not_taken_for_values(tmp_path: Path, name: str) -> None:
    """Room that a download reserved and never filled, and an older file, over which the new one was not written out."""
    data = (FILES / name).read_bytes()
    older = (FILES / "keras-bert-0.89.0/bert.h5").read_bytes()
    whole, half = arrays(data), len(data) // 2
    for changed in (data[:half] + bytes(half), data[:half] + older[half:]):
        found, got = salvaged(tmp_path, changed)
        nothing_false(got, whole)
        assert "overwritten" in {f.code for f in found.findings}
    kept, _ = salvaged(tmp_path, data[:half])
    zeros, _ = salvaged(tmp_path, data[:half] + bytes(half))
    assert zeros.intact >= kept.intact - 1
