"""What may be wrong is lost or said: nothing damaged is complete, nothing whole is refused, nothing takes for ever."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

import reconstruct
from reconstruct.readers.raw_hdf5 import Bytes
from reconstruct.salvage import signatures
from tests.salvage.damage import FILES, HEADER, arrays, extents, same
from tests.salvage.test_salvage import salvaged

KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"
KERAS = FILES / "keras-3.15" / "compiled_adam.keras"
WEIGHTS = FILES / "keras-3.15" / "json_beside_weights.weights.h5"


def made(write: Callable[[h5py.File], Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        write(file)
    return buffer.getvalue()


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("f4")


def dense(file: h5py.File) -> None:
    file[KERNEL], file[BIAS] = numbers(64, 32), numbers(32)


def bfloat16(file: h5py.File) -> None:
    dense(file)
    file.create_dataset("layers/dense/vars/2", data=numbers(8, 8).astype(ml_dtypes.bfloat16)).attrs["dtype"] = (
        "bfloat16"
    )


def mixed(file: h5py.File) -> None:
    for i, dtype in enumerate(("f2", "f4", "f8", "i8", "u1", "?", "S5")):
        file[f"layers/dense/vars/{i}"] = (numbers(4, 5) * 100).astype(dtype)


def big_endian(file: h5py.File) -> None:
    file[KERNEL], file[BIAS] = numbers(64, 32).astype(">f4"), numbers(32).astype(">f8")


def compressed(file: h5py.File) -> None:
    options: dict[str, Any] = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    file.create_dataset(KERNEL, data=numbers(64, 32), chunks=(7, 9), **options)
    file.create_dataset(BIAS, data=numbers(32), chunks=(5,), maxshape=(None,))


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}, {"userblock_size": 512}])
@pytest.mark.parametrize("write", [dense, bfloat16, mixed, big_endian])
def test_a_whole_file_of_any_form_comes_back_complete(
    tmp_path: Path, write: Callable[[h5py.File], Any], options: dict[str, Any]
) -> None:
    data = made(write, **options)
    found, got = salvaged(tmp_path, data)
    assert not found.lost
    assert "truncated" not in {f.code for f in found.findings}
    assert all(same(got[name], array) for name, array in arrays(data).items())


def test_chunks_come_back_or_are_named(tmp_path: Path) -> None:
    data = made(compressed)
    found, got = salvaged(tmp_path, data)
    assert found.status == "complete"
    assert all(same(got[name], array) for name, array in arrays(data).items())
    later = made(lambda file: [compressed(file), file.create_dataset("a/vars/0", data=numbers(3))], libver="latest")
    found, got = salvaged(tmp_path, later)  # it has indexes of chunks that are not understood
    assert {lost.path for lost in found.lost} == {KERNEL, BIAS}
    assert list(got) == ["a/vars/0"]


def test_a_chunk_in_another_place_leaves_no_hole(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        file[KERNEL] = numbers(64, 32)
        file.create_dataset(BIAS, data=numbers(32), chunks=(8,))

    data = made(write)
    at = data.index((8).to_bytes(8, "little") + bytes(8), data.index(b"TREE\x01"))  # where the second one belongs
    for place in (5, 0, 40):
        found, got = salvaged(tmp_path, data[:at] + bytes([place]) + data[at + 1 :])
        assert [lost.path for lost in found.lost] == [BIAS], place
        assert list(got) == [KERNEL]


def test_an_array_whose_header_is_damaged_is_named(tmp_path: Path) -> None:
    data = WEIGHTS.read_bytes()
    whole = arrays(data)
    for name, (end, _) in extents(data).items():
        for at in (0, 2, 16, 40):  # the version of the header, the count and the first messages
            place = end - HEADER + at
            found, got = salvaged(tmp_path, data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
            assert all(same(array, whole[n]) for n, array in got.items() if "lost+found" not in n)
            assert name in got or found.status == "partial"
            assert name in got or name in {lost.path for lost in found.lost}, (name, at)


def test_of_two_arrays_with_one_name_neither_has_it(tmp_path: Path) -> None:
    data = made(dense)
    heap = data.index(b"0\x00\x00\x00\x00\x00\x00\x001\x00")  # the names in the group `vars`
    found, got = salvaged(tmp_path, data[:heap] + b"1" + data[heap + 1 :])
    whole = arrays(data)
    assert all(same(array, whole[name]) for name, array in got.items() if "lost+found" not in name)
    assert set(got) == set(whole) or found.status == "partial"


def test_of_two_paths_to_one_array_neither_is_believed(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        dense(file)
        file["layers/other/vars/0"] = file[BIAS]

    found, got = salvaged(tmp_path, made(write))
    assert {lost.path for lost in found.lost} == {BIAS, "layers/other/vars/0"}
    assert [same(array, numbers(32)) for name, array in got.items() if "lost+found" in name] == [True]


def test_of_two_paths_to_one_group_neither_is_believed(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        dense(file)
        file["layers/other"] = file["layers/dense"]

    found, got = salvaged(tmp_path, made(write))
    assert found.status == "partial"
    assert all("lost+found" in name for name in got)
    assert sorted(array.shape for array in got.values()) == [(32,), (64, 32)]
    found, got = salvaged(tmp_path, made(lambda file: [dense(file), file["layers"].move("dense", "a"), ring(file)]))
    assert sorted(got) == ["layers/a/vars/0", "layers/a/vars/1"]


def ring(file: h5py.File) -> None:
    file["layers/a/vars/ring"] = file["layers"]


def test_names_that_are_paths_stay_names(tmp_path: Path) -> None:
    data = made(lambda file: [dense(file), file.create_dataset("AAA", data=numbers(3))], libver="latest")
    for name in (b"../", b"a/b", b".\x00.", b"\xff\xfe\xfd"):
        found, got = salvaged(tmp_path, data.replace(b"AAA", name))
        assert found.status == "partial"
        assert sorted(n for n in got if "lost+found" not in n) == [KERNEL, BIAS]


def test_what_was_salvaged_before_stays_partial(tmp_path: Path) -> None:
    data = WEIGHTS.read_bytes()
    header = extents(data)[BIAS][0] - HEADER
    first, _ = salvaged(tmp_path, data[:header] + b"\xff" + data[header + 1 :])
    assert [lost.path for lost in first.lost] == [BIAS]
    again, _ = salvaged(tmp_path, (tmp_path / "out.h5").read_bytes())
    assert again.status == "partial"
    assert [(lost.path, lost.reason) for lost in again.lost] == [(lost.path, lost.reason) for lost in first.lost]


def test_doubts_of_an_earlier_salvage_stay(tmp_path: Path) -> None:
    data = bytearray(KERAS.read_bytes())
    with zipfile.ZipFile(KERAS) as archive:
        info = archive.getinfo("model.weights.h5")
    data[info.header_offset + info.file_size // 2] ^= 4
    salvaged(tmp_path, bytes(data))
    again, _ = salvaged(tmp_path, (tmp_path / "out.h5").read_bytes())
    assert {"salvaged", "doubted_before"} <= {f.code for f in again.findings}
    with h5py.File(tmp_path / "out.h5") as file:
        assert "checksum" in file.attrs["reconstruct_salvaged"]


def test_an_attribute_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    def write(file: h5py.File) -> None:
        dense(file)
        file["layers"].attrs["note"] = "some text of variable length"

    found, got = salvaged(tmp_path, made(write).replace(b"some text", b"some\x00text"))
    assert [f.code for f in found.findings if f.severity == "warning"] == ["attribute_lost"]
    assert got.keys() == {KERNEL, BIAS}


def test_a_byte_that_changed_among_zeros_is_no_better_copy(tmp_path: Path) -> None:
    data = made(lambda file: [dense(file), file.create_dataset("layers/dense/vars/2", data=np.zeros(9000, "f4"))])
    with h5py.File(io.BytesIO(data)) as file:
        at = file["layers/dense/vars/2"].id.get_offset() + 20_000
    changed = data[:at] + b"A" + data[at + 1 :]
    for copies in ((data, changed), (changed, data)):
        found, _ = salvaged(tmp_path, *copies)
        assert [lost.path for lost in found.lost] == ["layers/dense/vars/2"]


def test_a_third_copy_does_not_decide_between_two(tmp_path: Path) -> None:
    data = made(compressed)
    with h5py.File(io.BytesIO(data)) as file:
        at = file[BIAS].id.get_chunk_info(2).byte_offset
    copies = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for bit in (1, 2, 4)]
    found, got = salvaged(tmp_path, *copies)
    assert [lost.path for lost in found.lost] == [BIAS]
    assert list(got) == [KERNEL]


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made_anew, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in members:
            made_anew.writestr(name, content)
    return buffer.getvalue()


def members() -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(KERAS) as whole:
        return [(name, whole.read(name)) for name in whole.namelist()]


def test_a_stream_that_breaks_is_said(tmp_path: Path) -> None:
    data = archive(*members(), method=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        info = packed.getinfo("model.weights.h5")
    start = info.header_offset + 30 + len(info.filename)
    for part in (0.3, 0.5, 0.8):
        at = start + int(info.compress_size * part)
        found, _ = salvaged(tmp_path, data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        assert "checksum_mismatch" in {f.code for f in found.findings}
        assert found.checked == 0
    found, got = salvaged(tmp_path, data[: start + info.compress_size // 2])
    whole = arrays(KERAS.read_bytes())
    assert all(same(array, whole[name]) for name, array in got.items() if "lost+found" not in name)


def test_members_are_whole_named_and_there_once(tmp_path: Path) -> None:
    inner = archive(("model.weights.h5", made(dense)))
    found, got = salvaged(tmp_path, archive(("assets/inner.zip", inner), *members()))
    assert (found.status, got.keys()) == ("complete", arrays(KERAS.read_bytes()).keys())
    found, _ = salvaged(tmp_path, archive(*members(), ("model.weights.h5", made(dense))))
    assert [f.code for f in found.findings if f.severity == "error"] == ["copies_differ"]
    found, _ = salvaged(tmp_path, archive(*members()).replace(b"config.json", b"donfig.json"))
    assert (found.status, found.config) == ("partial", False)


def test_a_file_of_holes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "holes.h5"
    with h5py.File(path, "w") as file:
        dense(file)
        file.create_dataset("layers/dense/vars/2", shape=(1 << 34,), dtype="f4")[-1:] = 1
    if path.stat().st_blocks * 512 > 1 << 30:
        pytest.skip("this file system has no files with holes")
    found = reconstruct.salvage(path, tmp_path / "out.h5")
    assert [lost.path for lost in found.lost] == ["layers/dense/vars/2"]


def test_headers_behind_values_of_an_odd_size_are_found() -> None:
    def odd(file: h5py.File) -> None:
        for i in range(4):
            file[f"layers/dense/vars/{i}"] = (numbers(2051) * 100).astype("i1")

    data = made(odd)
    headers = {header_end - HEADER for header_end, _ in extents(data).values()}
    assert any(address % 8 for address in headers)
    assert headers <= set(signatures.headers(Bytes(data)))
