"""Files cut, flipped and torn: what is salvaged is bit for bit what the whole file holds, and nothing else is."""

from __future__ import annotations

import contextlib
import json
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import reconstruct
from reconstruct.errors import ReadError, ReconstructError
from reconstruct.salvage import names
from tests.hostile import cases
from tests.salvage.damage import FILES, arrays, extents, same

HDF5 = [
    "keras-1.2.2/lstm_cpu.h5",
    "keras-2.2.4/chunked_names.h5",
    "keras-2.2.4/nested_three_levels.h5",
    "keras-2.3.1/" + sorted(p.name for p in (FILES / "keras-2.3.1").glob("*.h5"))[0],
    "keras-3.15/cnn_h5.h5",
    "keras-3.15/json_beside_weights.weights.h5",
    "tf_keras-2.21/as_tf_2_2_4_tf.h5",
]
KERAS = ["keras-3.15/cnn_zip.keras", "keras-3.15/attention.keras", "keras-3.15/compiled_adam.keras"]
PARTS = (0.25, 0.5, 0.75, 0.95)


def salvaged(
    tmp_path: Path, *copies: bytes, suffix: str = ".h5"
) -> tuple[reconstruct.salvage.Salvage, dict[str, np.ndarray]]:
    paths = []
    for i, data in enumerate(copies):
        paths.append(tmp_path / f"copy{i}.bin")
        paths[-1].write_bytes(data)
    found = reconstruct.salvage(paths, tmp_path / f"out{suffix}")
    return found, arrays((tmp_path / f"out{suffix}").read_bytes())


def nothing_false(got: dict[str, np.ndarray], whole: dict[str, np.ndarray]) -> None:
    """Every array has the values that it had, also one that lost its name or moved to the top of the file."""
    values = {(a.shape, a.dtype.str, a.tobytes()) for a in whole.values()}
    for name, array in got.items():
        if "lost+found" in name:
            assert (array.shape, array.dtype.str, array.tobytes()) in values, name
        else:
            assert same(array, whole.get(name, whole.get(f"model_weights/{name}"))), name


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", HDF5)
def test_of_a_file_that_is_cut_everything_before_the_cut_is_had(tmp_path: Path, name: str, part: float) -> None:
    data = (FILES / name).read_bytes()
    cut = int(len(data) * part)
    whole = arrays(data)
    there = [n for n, ends in extents(data).items() if max(ends) <= cut]
    try:
        found, got = salvaged(tmp_path, data[:cut])
    except ReadError:
        assert not there
        return
    nothing_false(got, whole)
    assert found.status == "partial"
    assert len(got) >= len(there)
    assert {lost.path for lost in found.lost}.isdisjoint(got)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", KERAS)
def test_of_an_archive_that_is_cut_config_and_arrays_are_had(tmp_path: Path, name: str, part: float) -> None:
    data = (FILES / name).read_bytes()
    cut = int(len(data) * part)
    with zipfile.ZipFile(FILES / name) as archive:
        info = archive.getinfo("model.weights.h5")
        start = info.header_offset + 30 + len(info.filename)
        config = archive.getinfo("config.json")
        config_there = config.header_offset + 30 + len(config.filename) + config.file_size <= cut
        there = [n for n, ends in extents(archive.read(info)).items() if start + max(ends) <= cut]
    try:
        found, got = salvaged(tmp_path, data[:cut])
    except ReadError:
        assert not there
        assert not config_there
        return
    nothing_false(got, arrays(data))
    assert len(got) >= len(there)
    assert found.config is config_there
    assert (tmp_path / "out.json").exists() is config_there


def test_a_whole_file_comes_back_complete(tmp_path: Path) -> None:
    for name in (HDF5[0], HDF5[2], HDF5[5], KERAS[0]):
        data = (FILES / name).read_bytes()
        found, got = salvaged(tmp_path, data)
        assert found.status == "complete"
        assert not found.lost
        whole = arrays(data)
        assert got.keys() == whole.keys()
        assert all(same(got[n], whole[n]) for n in got)
    assert found.checked == found.intact


def test_what_is_lost_has_names_and_shapes(tmp_path: Path) -> None:
    data = (FILES / "keras-2.0.9/recurrent_0.h5").read_bytes()
    last = "model_weights/lstm_2/lstm_2/bias:0"  # its header is before its values
    found, _ = salvaged(tmp_path, data[: extents(data)[last][1] - 1])
    assert [(lost.path, lost.shape, lost.dtype) for lost in found.lost] == [(last, arrays(data)[last].shape, "float32")]
    with h5py.File(tmp_path / "out.h5") as file:
        assert file[last].shape is None
        assert file[last].attrs["reconstruct_lost"] == found.lost[0].reason
    assert reconstruct.inspect(tmp_path / "out.h5").container == "h5-model"


def test_flipped_bytes_never_stop_it_and_lists_stay(tmp_path: Path) -> None:
    """Each signature of the structures of HDF5 broken in turn."""
    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    whole = arrays(data)
    places = [
        i for sign in (b"\x89HDF", b"TREE", b"SNOD", b"HEAP") for i in range(len(data)) if data.startswith(sign, i)
    ]
    for place in places:
        found, got = salvaged(tmp_path, data[:place] + b"\xff" + data[place + 1 :])
        nothing_false(got, whole)
        assert len(got) == len(whole), f"at {place}: {found.lost}"


def test_a_checksum_that_does_not_match_is_said(tmp_path: Path) -> None:
    data = bytearray((FILES / KERAS[0]).read_bytes())
    with zipfile.ZipFile(FILES / KERAS[0]) as archive:
        info = archive.getinfo("model.weights.h5")
    data[info.header_offset + info.file_size // 2] ^= 4
    found, _ = salvaged(tmp_path, bytes(data))
    assert [f.code for f in found.findings if f.severity == "error"] == ["checksum_mismatch"]
    assert found.status == "partial"
    assert found.checked == 0


def test_an_archive_without_directory_becomes_an_archive_again(tmp_path: Path) -> None:
    data = (FILES / KERAS[0]).read_bytes()
    found, got = salvaged(tmp_path, data[: data.rindex(b"PK\x01\x02")], suffix=".keras")
    assert found.status == "complete"
    assert got.keys() == arrays(data).keys()
    assert reconstruct.inspect(tmp_path / "out.keras").container == "keras-zip"


@pytest.mark.parametrize("name", [HDF5[4], KERAS[1]])
def test_copies_with_holes_in_other_places_are_one_whole(tmp_path: Path, name: str) -> None:
    data = (FILES / name).read_bytes()
    hole = bytearray(data)
    hole[4096:12288] = bytes(8192)
    found, got = salvaged(tmp_path, data[: len(data) // 2], bytes(hole))
    assert found.status == "complete"
    assert all(same(got[n], a) for n, a in arrays(data).items())


def test_where_copies_contradict_each_other_neither_is_believed(tmp_path: Path) -> None:
    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    name, (_, end) = max(extents(data).items(), key=lambda item: item[1][1])
    changed = data[: end - 2] + bytes([data[end - 2] ^ 1]) + data[end - 1 :]
    found, got = salvaged(tmp_path, data, changed)
    assert [lost.path for lost in found.lost] == [name]
    assert name not in got


def test_a_structure_that_is_broken_in_one_copy_is_taken_from_the_other(tmp_path: Path) -> None:
    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    place = data.rindex(b"HEAP")
    broken = data[:place] + b"\xff" + data[place + 1 :]
    for copies in ((data, broken), (broken, data)):
        found, got = salvaged(tmp_path, *copies)
        assert got.keys() == arrays(data).keys()
        assert not found.lost


def test_other_files_are_not_merged(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="not copies of one file"):
        salvaged(tmp_path, *((FILES / name).read_bytes() for name in HDF5[1:3]))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"\x80\x04\x95\x10\x00", "pickle"),
        (b"{}", "JSON"),
        (b"", "empty"),
        (bytes(9000), "nothing of one is left"),
        (b"no model at all, just text" * 99, "nothing of one is left"),
    ],
)
def test_what_is_no_damaged_model_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(ReadError, match=says):
        salvaged(tmp_path, content)
    assert not (tmp_path / "out.h5").exists()


def test_a_report_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from reconstruct.cli import app

    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: int(len(data) * 0.9)])
    options = ["salvage", str(tmp_path / "cut.h5"), "-o", str(tmp_path / "o.h5"), "--report", str(tmp_path / "r.json")]
    with pytest.raises(SystemExit) as stop:
        app(options)
    assert stop.value.code == 4
    result = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"][0]
    assert result["status"] == "partial"
    assert result["tensors"]["lost"]
    shown = capsys.readouterr().out
    assert all(lost["path"] in shown for lost in result["tensors"]["lost"])


def test_the_config_tells_shapes_of_what_left_nothing(tmp_path: Path) -> None:
    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    found, _ = salvaged(tmp_path, data[: int(len(data) * 0.3)])
    whole = arrays(data)
    model = [lost for lost in found.lost if lost.path.startswith("model/dense")]
    assert model
    for lost in model:
        layer, name = lost.path.split("/")[-2:]
        assert lost.shape == whole[f"model_weights/{layer}/{layer}/{name}:0"].shape


def test_groups_of_keras_3_get_their_names_from_the_config(tmp_path: Path) -> None:
    data = (FILES / "keras-3.15/layers_of_today.keras").read_bytes()
    whole = arrays(data)
    with zipfile.ZipFile(FILES / "keras-3.15/layers_of_today.keras") as archive:
        info = archive.getinfo("model.weights.h5")
    start = info.header_offset + 30 + len(info.filename)
    signs = [i for i in range(start, start + info.file_size) if data[i : i + 5] in (b"SNOD\x01", b"HEAP\x00")]
    for place in signs:
        found, got = salvaged(tmp_path, data[:place] + b"\xff" + data[place + 1 :])
        nothing_false(got, whole)
        assert len(got) == len(whole), found.lost
    assert len(signs) > 10


@pytest.mark.parametrize("seed", range(3))
def test_a_flipped_bit_beside_the_values_changes_no_value(tmp_path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    for name in ("keras-2.3.1/mlp.h5", "keras-1.2.2/conv2d_tf.h5", "keras-2.2.4/conv_lstm_channels_first.h5"):
        data = (FILES / name).read_bytes()
        whole, taken = arrays(data), extents(data)
        values = {i for n, (_, end) in taken.items() for i in range(end - whole[n].nbytes, end)}
        for place in generator.permutation([i for i in range(len(data)) if i not in values])[:10]:
            changed = bytearray(data)
            changed[place] ^= 1 << int(generator.integers(8))
            _, got = salvaged(tmp_path, bytes(changed))
            known = {n: a for n, a in got.items() if n in whole or f"model_weights/{n}" in whole}
            nothing_false(known, whole)
            assert len(got) >= len(whole) - 4


def test_a_damaged_name_in_a_list_and_its_group_stay_together(tmp_path: Path) -> None:
    data = (FILES / "keras-2.2.4/mlp.h5").read_bytes()
    in_heap, in_list = data.index(b"dense_2\0activation_1"), data.index(b"\0dense_2\0\x08") + 1
    for at in (in_heap, in_list):
        for byte in (b"D", b"\xff"):
            found, got = salvaged(tmp_path, data[:at] + byte + data[at + 1 :])
            assert "name_damaged" in {f.code for f in found.findings} or (at == in_heap and byte == b"\xff")
            assert got.keys() == arrays(data).keys(), (at, byte)
            assert not found.lost


def test_of_lost_names_none_is_guessed() -> None:
    assert names.twins(["dense_1", "conv"], ["dense_X", "cony"]) == {"dense_1": "dense_X", "conv": "cony"}
    assert names.twins(["dense_1", "dense_2"], ["dense_X"]) == {}
    assert names.twins(["dense_1"], ["dense_X", "Dense_1"]) == {}


def test_many_names_take_seconds(tmp_path: Path) -> None:
    started = time.process_time()
    listed, there = ([f"{word}_number_{i}" for i in range(20_000)] for word in ("layer", "other"))
    assert names.twins(listed, there) == {}
    assert len(names.twins(listed, [name.upper() for name in there] + [f"L{name[1:]}" for name in listed])) == 20_000
    assert time.process_time() - started < 20


@pytest.mark.parametrize("name", cases.CASES)
def test_a_hostile_file_does_no_harm(tmp_path: Path, name: str) -> None:
    source = Path(cases.made(cases.CASES[name].make, tmp_path / "in"))
    before = sorted(tmp_path.rglob("*"))
    with contextlib.suppress(ReconstructError):
        reconstruct.salvage(source, tmp_path / "out" / "out.h5")
    there = [p for p in sorted(tmp_path.rglob("*")) if not p.is_relative_to(tmp_path / "out")]
    assert there == before
    assert sum(p.stat().st_size for p in (tmp_path / "out").glob("*")) < 64 << 20


def test_it_says_what_it_does(tmp_path: Path) -> None:
    said: list[str] = []
    data = (FILES / HDF5[0]).read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: len(data) // 2])
    reconstruct.salvage(tmp_path / "cut.h5", tmp_path / "out.h5", on_progress=said.append)
    stages = list(dict.fromkeys(message.split(":")[0] for message in said))
    assert stages == ["reading", "searching for what has lost its place", "writing", "reading back what was written"]


def test_an_array_whose_name_leads_nowhere_is_lost_and_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("dense")
        file.attrs["layer_names"], group.attrs["weight_names"] = [b"dense"], [b"kernel:0", b"bias:0"]
        group["kernel:0"], group["bias:0"] = np.eye(30), np.arange(30.0)
        address = h5py.h5o.get_info(group["bias:0"].id).addr
    data = path.read_bytes()
    table = data.rindex(b"SNOD")
    entry = data.index(address.to_bytes(8, "little"), table)
    found, got = salvaged(tmp_path, data[:entry] + b"\0" * 8 + data[entry + 8 :])
    assert "deleted" not in {f.code for f in found.findings}
    assert any(np.array_equal(value, np.arange(30.0)) for value in got.values())


def test_what_was_deleted_before_is_not_taken_for_lost(tmp_path: Path) -> None:
    """A table that is whole says what is in its group, also where the names are gone."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("dense")
        file.attrs["layer_names"], group.attrs["weight_names"] = [b"dense"], [b"dense/kernel:0", b"dense/bias:0"]
        for name, values in (("kernel:0", np.eye(30)), ("old", np.full(7, 3.0)), ("bias:0", np.arange(30.0))):
            group[f"dense/{name}"] = values
        file.flush()
        del group["dense/old"]
    data = path.read_bytes()
    whole = arrays(data)
    for place in [i for i in range(len(data)) if data.startswith(b"HEAP", i)]:
        found, got = salvaged(tmp_path, data[:place] + b"\0" + data[place + 1 :])
        assert found.status == "partial"
        assert len(got) == len(whole)
        nothing_false(got, whole)
        assert ["(7,)" in f.message for f in found.findings if f.code == "deleted"] == [True]
