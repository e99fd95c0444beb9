"""Files that genuine Keras wrote, with a config that nobody can use any more: their weights are enough for a model."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import pytest

from reconstruct import recover
from reconstruct.errors import ConfigError
from reconstruct.readers import read

FIXTURES = Path(__file__).parents[2] / "fixtures/files"
EMPTY = {"class_name": "Sequential", "config": {"name": "m", "layers": []}}
CONFIGS = ["", "{}", '{"class_name": "Seq', json.dumps(EMPTY), json.dumps({"class_name": "MyNet", "config": {}})]


def h5_with(config: str, path: Path) -> Path:
    shutil.copy(FIXTURES / "keras-2.2.4/mlp.h5", path)
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = config
    return path


def zip_with(config: str | None, path: Path) -> Path:
    with zipfile.ZipFile(FIXTURES / "keras-3.15/cnn_zip.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if name != "config.json":
                new.writestr(name, old.read(name))
            elif config is not None:
                new.writestr(name, config)
    return path


@pytest.mark.parametrize("config", CONFIGS)
def test_a_model_is_inferred_from_what_is_left(tmp_path: Path, config: str) -> None:
    for path in (h5_with(config, tmp_path / "m.h5"), zip_with(config, tmp_path / "m.keras")):
        artifact = read(path, trust=True)
        assert artifact.model is None
        assert artifact.groups
        finding = next(f for f in artifact.findings if "inferred from the weights" in f.message)
        assert finding.code.startswith("E_") or finding.code == "config_unusable"


@pytest.mark.parametrize("make", [lambda p: h5_with("{}", p), lambda p: zip_with(None, p)], ids=["h5", "keras"])
def test_every_tensor_is_in_the_model_which_is_partial(tmp_path: Path, make) -> None:  # type: ignore[no-untyped-def]
    recovery = recover(make(tmp_path / "model"), trust=True)
    tensors = recovery.report["tensors"]
    assert recovery.status == "partial"
    assert recovery.report["rung"] == "inferred"
    assert tensors["used"] == tensors["in_file"] > 0


def test_without_weights_nothing_is_left(tmp_path: Path) -> None:
    path = h5_with("{}", tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights"]
    with pytest.raises(ConfigError, match="class_name"):
        read(path, trust=True)


def test_a_json_file_of_another_kind_beside_weights_is_passed_over(tmp_path: Path) -> None:
    shutil.copy(FIXTURES / "keras-2.2.4/json_beside_weights.h5", tmp_path / "m.h5")
    (tmp_path / "m.json").write_text("loss: 0.3, no JSON at all")
    assert read(tmp_path / "m.h5", trust=True).container == "h5-weights"
