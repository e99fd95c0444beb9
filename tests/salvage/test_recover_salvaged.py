"""What `recover` makes of a salvaged file: all that is there, placeholders or marked initial values for what is not."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import reconstruct
from tests.salvage.damage import FILES, arrays, extents


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """An old model whose last array is lost."""
    data = (FILES / "keras-2.0.9/recurrent_0.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(data[: extents(data)["model_weights/lstm_2/lstm_2/bias:0"][1] - 1])
    reconstruct.salvage(tmp_path / "cut.h5", tmp_path / "out.h5")
    return tmp_path / "out.h5"


def test_a_layer_that_lost_weights_is_a_placeholder_with_the_rest(cut: Path) -> None:
    recovery = reconstruct.recover(cut, verify=False)
    assert recovery.status == "partial", recovery.report["error"]
    found = [f for f in recovery.report["findings"] if f["code"] == "missing_weights"]
    assert [f["path"] for f in found] == ["model/lstm_2"]
    assert "bias" in found[0]["message"]
    whole = arrays((FILES / "keras-2.0.9/recurrent_0.h5").read_bytes())
    kept = [np.asarray(v) for v in recovery.model.get_layer("lstm_2").weights]
    assert any(np.array_equal(k, whole["model_weights/lstm_2/lstm_2/kernel:0"]) for k in kept)


def test_initial_values_on_request_are_assumptions(cut: Path) -> None:
    recovery = reconstruct.recover(cut, fresh_weights=True)
    assert recovery.status == "partial", recovery.report["error"]
    assert {a["path"] for a in recovery.report["assumptions"]} == {"model/lstm_2"}
    assert recovery.report["verification"]["oracle"] is None
    assert recovery.probes()


@pytest.mark.parametrize("part", [0.3, 0.7, 0.9])
@pytest.mark.parametrize("name", ["keras-2.2.4/mlp.h5", "keras-1.2.2/lstm_cpu.h5", "keras-3.15/cnn_zip.keras"])
def test_a_cut_file_is_recovered_as_far_as_it_goes(tmp_path: Path, name: str, part: float) -> None:
    data = (FILES / name).read_bytes()
    (tmp_path / "cut").write_bytes(data[: int(part * len(data))])
    found = reconstruct.salvage(tmp_path / "cut", tmp_path / "out.h5")
    for fresh in (False, True):
        recovery = reconstruct.recover(tmp_path / "out.h5", verify=False, fresh_weights=fresh)
        assert recovery.status == ("partial" if any("optimizer" not in t.path for t in found.lost) else "unverified"), (
            recovery.report["error"]
        )
        recovery.save(tmp_path / f"{fresh}.keras")
    values = {a.tobytes() for a in arrays(data).values()}
    known = reconstruct.inspect(tmp_path / "out.h5").tensors
    assert all(t.read().tobytes() in values for t in known if not t.lost)


@pytest.mark.parametrize("name", ["keras-2.2.4/mlp.h5", "keras-3.15/compiled_adam.keras"])
def test_what_has_no_name_counts_as_unused(tmp_path: Path, name: str) -> None:
    """The entry of one array leads to another, so that nothing says which of the two that is."""
    data = bytearray((FILES / name).read_bytes())
    start = 0
    if name.endswith(".keras"):
        with zipfile.ZipFile(FILES / name) as archive:
            info = archive.getinfo("model.weights.h5")
        start = info.header_offset + 30 + len(info.filename)
    with h5py.File(io.BytesIO(data[start:])) as file:
        group = file["model_weights/dense_1/dense_1"] if "model_weights" in file else file["layers/dense/vars"]
        first, second = (h5py.h5o.get_info(array.id).addr.to_bytes(8, "little") for array in group.values())
    assert data.count(second) == 1
    (tmp_path / "damaged").write_bytes(data.replace(second, first))
    found = reconstruct.salvage(tmp_path / "damaged", tmp_path / "out.h5")
    assert found.unnamed
    tensors = reconstruct.recover(tmp_path / "out.h5", verify=False).report["tensors"]
    assert set(tensors["unused"]) == {f"/{path}" for path in found.unnamed if "optimizer" not in path}
    assert tensors["in_file"] == tensors["used"] + len(tensors["unused"])


def test_weights_alone_need_a_config_for_what_they_lost(tmp_path: Path) -> None:
    data = (FILES / "keras-2.2.4/json_beside_weights.h5").read_bytes()
    (tmp_path / "cut").write_bytes(data[: len(data) * 3 // 4])
    found = reconstruct.salvage(tmp_path / "cut", tmp_path / "out.h5")
    assert found.lost
    recovery = reconstruct.recover(tmp_path / "out.h5", verify=False)
    assert recovery.status == "failed"
    assert recovery.report["error"]["type"] == "BuildError"
    (tmp_path / "out.json").write_bytes((FILES / "keras-2.2.4/json_beside_weights.json").read_bytes())
    assert reconstruct.recover(tmp_path / "out.h5", verify=False).status == "partial"


def test_a_file_with_a_wrong_byte_somewhere_is_never_verified(tmp_path: Path) -> None:
    data = bytearray((FILES / "keras-3.15/cnn_zip.keras").read_bytes())
    with zipfile.ZipFile(FILES / "keras-3.15/cnn_zip.keras") as archive:
        info = archive.getinfo("model.weights.h5")
    data[info.header_offset + info.file_size - 300] ^= 1
    (tmp_path / "flipped").write_bytes(data)
    for name in ("out.h5", "out.keras"):
        reconstruct.salvage(tmp_path / "flipped", tmp_path / name)
        recovery = reconstruct.recover(tmp_path / name)
        assert recovery.status == "partial", recovery.report["error"]
        assert [a["message"] for a in recovery.report["assumptions"]]
