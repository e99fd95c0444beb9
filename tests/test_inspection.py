"""`inspection.inspect`: everything the file says, as plain data, without reading an array."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from reconstruct import stock
from reconstruct.inspection import inspect
from reconstruct.readers import keras_zip, read
from tests.conftest import SavedModel


def dense(name: str, units: int = 2, **config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": name, "units": units, **config}}


def sequential(*layers: dict[str, Any], name: str = "m") -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def write(
    path: Path,
    config: dict[str, Any],
    weights: dict[str, dict[str, tuple[int, ...]]],
    training: dict[str, Any] | None = None,
) -> Path:
    """A legacy file of Keras 2.2.4 with arrays of the given shapes, by layer and name."""
    with h5py.File(path, "w") as file:
        file.attrs.update({"keras_version": "2.2.4", "backend": "tensorflow", "model_config": json.dumps(config)})
        if training is not None:
            file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name in weights]
        for layer, arrays in weights.items():
            inner = group.create_group(layer)
            inner.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in arrays]
            for name, shape in arrays.items():
                inner[f"{layer}/{name}:0"] = np.zeros(shape, "f4")
    return path


def by_name(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every layer of the model, nested ones too, by its name."""
    found = {}
    waiting = list(facts["model"]["layers"])
    while waiting:
        layer = waiting.pop()
        found[layer["name"]] = layer
        waiting += layer["layers"]
    return found


def test_every_fixture_is_described_without_reading_an_array(
    saved_model: SavedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: h5py.Dataset, key: Any) -> None:
        raise AssertionError(f"{self.name} is read")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", refuse)
    facts = inspect(saved_model.path)
    json.dumps(facts, allow_nan=False)
    assert facts["container"] == saved_model.container
    if saved_model.container != "config-json":  # that of Keras 3 does not say
        assert facts["writer"]["keras"] == (saved_model.writer["keras"] or None)
    assert [f["message"] for f in facts["findings"] if f["severity"] == "error"] == []
    counts = facts["model"]["parameters"]
    assert counts["total"] == counts["trainable"] + counts["non_trainable"]
    assert counts["total"] == sum(int(np.prod(t["shape"])) for t in facts["tensors"])
    assert facts["model"]["outputs"]


def test_a_sequential_model_is_a_chain(tmp_path: Path) -> None:
    config = sequential(dense("a", batch_input_shape=[None, 3]), dense("b", activation="relu", trainable=False))
    weights = {"a": {"kernel": (3, 2), "bias": (2,)}, "b": {"kernel": (2, 2), "bias": (2,)}}
    facts = inspect(write(tmp_path / "m.h5", config, weights))
    assert facts["writer"] == {"keras": "2.2.4", "backend": "tensorflow", "text": "Keras 2.2.4 on tensorflow"}
    assert facts["model"]["inputs"] == [{"name": "a", "shape": [None, 3], "dtype": None}]
    assert facts["model"]["outputs"] == ["b"]
    assert facts["model"]["parameters"] == {"total": 14, "trainable": 8, "non_trainable": 6}
    a, b = facts["model"]["layers"]
    assert (a["from"], b["from"]) == ([], ["a"])
    assert (a["trainable"], b["trainable"]) == (True, False)
    assert b["settings"] == {"units": 2, "activation": "relu"}
    assert [(t["name"], t["shape"], t["dtype"]) for t in a["tensors"]] == [
        ("kernel", [3, 2], "float32"),
        ("bias", [2], "float32"),
    ]
    assert a["tensors"][0]["sources"] == ["/model_weights/a/a/kernel:0"]


def test_nested_models_and_wrappers_have_children(fixtures_dir: Path) -> None:
    facts = inspect(fixtures_dir / "files/keras-2.2.4/nested_three_levels.h5")
    depths = []

    def walk(layers: list[dict[str, Any]], depth: int) -> None:
        for layer in layers:
            depths.append(depth)
            assert layer["parameters"] >= sum(inner["parameters"] for inner in layer["layers"])
            walk(layer["layers"], depth + 1)

    walk(facts["model"]["layers"], 0)
    assert max(depths) == 2
    wrapped = by_name(inspect(fixtures_dir / "files/keras-2.2.4/bidirectional.h5"))["bidirectional_1"]
    assert [inner["role"] for inner in wrapped["layers"]] == ["forward_layer", "backward_layer"]


def test_what_is_frozen_in_a_frozen_model_is_not_trainable(tmp_path: Path) -> None:
    inner = sequential(dense("inner", batch_input_shape=[None, 3]), name="backbone")
    inner["config"]["trainable"] = False
    weights = {"backbone": {"kernel": (3, 2), "bias": (2,)}, "head": {"kernel": (2, 2), "bias": (2,)}}
    facts = inspect(write(tmp_path / "m.h5", sequential(inner, dense("head")), weights))
    assert facts["model"]["parameters"] == {"total": 14, "trainable": 6, "non_trainable": 8}
    assert by_name(facts)["inner"]["trainable"] is False


def test_connections_name_calls_and_outputs_after_the_first(fixtures_dir: Path) -> None:
    layers = by_name(inspect(fixtures_dir / "files/keras-2.2.4/encoder_decoder.h5"))
    assert any(source.endswith(":1") for layer in layers.values() for source in layer["from"])
    shared = by_name(inspect(fixtures_dir / "files/keras-2.2.4/shared_layer_several_nodes.h5"))
    assert any("@1" in source for layer in shared.values() for source in layer["from"])
    assert max(layer["calls"] for layer in shared.values()) > 1


def test_changes_are_grouped_by_rule(fixtures_dir: Path) -> None:
    facts = inspect(fixtures_dir / "files/keras-2.2.4/lstm.h5")
    scaled = next(change for change in facts["changes"] if change["rule"] == "hard_sigmoid_gates")
    assert scaled["effect"] == "preserving"
    assert scaled["count"] == len(scaled["paths"]) > 0
    assert len({change["rule"] for change in facts["changes"]}) == len(facts["changes"])


def test_a_file_of_today_needs_nothing(fixtures_dir: Path) -> None:
    facts = inspect(fixtures_dir / "files/keras-3.15/cnn_zip.keras")
    assert (facts["stops"], facts["missing"], facts["findings"]) == ([], [], [])
    assert {change["effect"] for change in facts["changes"]} <= {"neutral"}


def test_what_stops_is_shown_and_the_rest_still_counted(tmp_path: Path) -> None:
    lstm = {
        "class_name": "LSTM",
        "config": {"name": "l", "units": 1, "activation": "hard_sigmoid", "implementation": 1},
    }
    lstm["config"]["batch_input_shape"] = [None, 4, 2]  # type: ignore[index]
    weights = {"l": {"kernel": (2, 4), "recurrent_kernel": (1, 4), "bias": (4,)}}
    after = {"class_name": "LSTM", "config": {"name": "n", "units": 1, "implementation": 1}}
    facts = inspect(write(tmp_path / "m.h5", sequential(lstm, after), weights))
    assert [(stop["rule"], stop["path"]) for stop in facts["stops"]] == [("hard_sigmoid_gates", "model/l")]
    assert "drop_implementation" in {change["rule"] for change in facts["changes"]}
    assert facts["missing"] == []


def test_missing_components_are_named_with_all_that_the_file_knows(tmp_path: Path) -> None:
    layers = [
        dense("a", batch_input_shape=[None, 3], activation="twirl"),
        {"class_name": "Swirl", "config": {"name": "s", "turns": 7}},
        {"class_name": "Swirl", "config": {"name": "t", "turns": 8}},
        {"class_name": "Mine>Dense", "config": {"name": "own", "units": 2}},
        {"class_name": "Lambda", "config": {"name": "code", "function": ["4wEAAAA=", None, None]}},
    ]
    weights = {"a": {"kernel": (3, 2), "bias": (2,)}, "s": {"axis": (2, 5)}, "t": {"axis": (2, 5)}}
    training = {
        "optimizer_config": {"class_name": "SGD", "config": {"lr": 0.1}},
        "loss": "my_loss",
        "metrics": ["mine"],
    }
    facts = inspect(write(tmp_path / "m.h5", sequential(*layers), weights, training))
    missing = {(entry["kind"], entry["name"]): entry for entry in facts["missing"]}
    assert ("loss", "my_loss") in missing
    assert {kind for kind, _ in missing} >= {"layer", "lambda", "activation", "loss"}
    swirl = missing["layer", "Swirl"]
    assert [use["path"] for use in swirl["uses"]] == ["model/s", "model/t"]
    assert swirl["uses"][1]["config"]["turns"] == 8
    assert [t["shape"] for t in swirl["uses"][0]["weights"]] == [[2, 5]]
    assert "--custom FILE.py" in swirl["hint"]
    assert ("layer", "Dense") in missing
    assert missing["lambda", "Lambda"]["uses"][0]["path"] == "model/code"
    assert missing["activation", "twirl"]["uses"] == [{"layer": "a_activation", "path": "model/a/activation"}]
    assert facts["training"] == {"optimizer": "SGD", "loss": "my_loss", "metrics": ["mine"], "optimizer_tensors": 0}


def test_weights_alone_are_listed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((3, 2), "f4")
    facts = inspect(tmp_path / "w.h5")
    assert facts["model"] is None
    assert "no architecture" in facts["note"]
    assert [(t["name"], t["shape"]) for t in facts["tensors"]] == [("layers/dense/vars/0", [3, 2])]


def test_of_a_zip_only_what_describes_the_weights_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((1024, 2048), "f4")
        file["layers/dense/vars/1"] = np.zeros(2048, "f4")
    config = sequential(dense("dense", 2048, batch_input_shape=[None, 1024]))
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    count = 0
    readinto = keras_zip.Member.readinto

    def counted(self: Any, into: Any) -> int:
        nonlocal count
        count += (size := readinto(self, into))
        return size

    monkeypatch.setattr(keras_zip.Member, "readinto", counted)
    facts = inspect(tmp_path / "m.keras")
    assert facts["model"]["parameters"]["total"] == 1024 * 2048 + 2048
    assert 0 < count < 100_000


def test_the_table_of_layers_is_that_of_keras() -> None:
    import keras

    layers = {name for name, value in vars(keras.layers).items() if isinstance(value, type)}
    assert {n for n in layers if issubclass(getattr(keras.layers, n), keras.layers.Layer)} == stock.LAYERS


def test_the_table_of_activations_is_that_of_keras() -> None:
    from keras.src.activations import ALL_OBJECTS_DICT

    assert set(ALL_OBJECTS_DICT) == stock.ACTIVATIONS


def test_a_file_that_another_program_wrote_anew_is_read_anew(tmp_path: Path) -> None:
    """HDF5 gives a file that it has open as it was then."""
    first, second = (sequential(dense("d", batch_input_shape=[None, 3]), name=name) for name in ("first", "second"))
    path = write(tmp_path / "model.h5", first, {"d": {"kernel:0": (3, 2)}})
    before = read(path)
    assert before.tensors[0].read().shape == (3, 2)
    path.write_bytes(write(tmp_path / "other.h5", second, {"d": {"kernel:0": (3, 2), "bias:0": (2,)}}).read_bytes())
    after = read(path)
    assert after.model is not None
    assert after.model.name == "second"
    assert [tensor.shape for tensor in after.tensors] == [(3, 2), (2,)]
