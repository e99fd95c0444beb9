"""What `reconstruct diff` tells of two models, written by Keras 3 and by genuine earlier versions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import reconstruct
from reconstruct.cli import app
from reconstruct.differences import canonical, tensors
from reconstruct.differences.compare import Entry
from tests.conftest import FIXTURES


def small(activation: str = "relu", units: int = 5, dtype: str = "float32", skip: bool = True) -> keras.Model:
    """Two Dense layers of the same shape, a sum around them, and a head."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((5,), name="inputs", dtype=dtype)
    x = keras.layers.Dense(5, activation=activation, name="one")(inputs)
    y = keras.layers.Dense(5, name="two")(x)
    added = keras.layers.Add(name="sum")([x, y] if skip else [y, y])
    return keras.Model(inputs, keras.layers.Dense(units, name="head")(added))


def found(a: keras.Model, b: keras.Model, folder: Path) -> list[Entry]:
    paths = folder / "a.keras", folder / "b.keras"
    for model, path in zip((a, b), paths, strict=True):
        model.save(path)
    return list(reconstruct.diff(*paths).entries)


def told(entries: list[Entry]) -> list[tuple[str, str, str]]:
    return [(e.kind, e.path, e.what) for e in entries]


def test_the_same_model_in_two_containers_has_no_difference(tmp_path: Path) -> None:
    model = small()
    model.compile("adam", "mse", metrics=["mae"])
    model.save(tmp_path / "a.keras")
    model.save(tmp_path / "a.h5")
    found = reconstruct.diff(tmp_path / "a.keras", tmp_path / "a.h5")
    assert found.entries == ()
    assert found.rules == ()
    assert found.tensors_compared == 6


def test_one_number_changed_by_a_thousandth_is_named(tmp_path: Path) -> None:
    a, b = small(), small()
    kernel, bias = b.get_layer("two").get_weights()
    kernel[3, 4] += 1e-3
    b.get_layer("two").set_weights([kernel, bias])
    (entry,) = found(a, b, tmp_path)
    assert (entry.kind, entry.path, entry.what) == ("tensor_values", "two", "kernel")
    assert entry.after["largest"] == pytest.approx(1e-3, rel=1e-3)
    assert entry.after["changed"] == 1


def test_a_changed_activation_size_dtype_and_connection_are_named(tmp_path: Path) -> None:
    assert told(found(small(), small("tanh"), tmp_path)) == [("field", "one", "activation")]
    assert told(found(small(), small(dtype="float64"), tmp_path)) == [("field", "inputs", "input_dtype")]
    assert told(found(small(), small(skip=False), tmp_path)) == [("rewired", "sum", "inputs")]
    kinds = told(found(small(), small(units=4), tmp_path))
    assert ("field", "head", "units") in kinds
    assert ("tensor_shape", "head", "kernel") in kinds


def test_two_tensors_of_one_shape_that_changed_places_are_named(tmp_path: Path) -> None:
    a, b = small(), small()
    for one, two in (("one", "two"), ("two", "one")):
        b.get_layer(one).set_weights(a.get_layer(two).get_weights())
    entries = [e for e in found(a, b, tmp_path) if e.what == "kernel"]
    assert [(e.kind, e.path, e.message) for e in entries] == [
        ("tensor_moved", "one", "swapped with two/kernel"),
        ("tensor_moved", "two", "swapped with one/kernel"),
    ]


def test_a_layer_under_another_name_is_the_same_layer(tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    a, b = (
        keras.Sequential(
            [keras.Input((4,), name="in"), keras.layers.Dense(3, name=name), keras.layers.Dense(2, name="head")]
        )
        for name in ("old", "new")
    )
    b.set_weights(a.get_weights())
    assert told(found(a, b, tmp_path)) == [("layer_renamed", "new", "")]


def test_layers_that_came_and_went_are_named_with_their_tensors(tmp_path: Path) -> None:
    a = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="x"), keras.layers.Dense(2, name="head")])
    b = keras.Sequential([keras.Input((4,)), keras.layers.PReLU(name="p"), keras.layers.Dense(2, name="head")])
    b.get_layer("head").set_weights(a.get_layer("head").get_weights())
    entries = {(e.kind, e.path): e.message for e in found(a, b, tmp_path)}
    assert entries["layer_removed", "x"] == "Dense x with kernel (4, 4), bias (4,)"
    assert entries["layer_added", "p"] == "PReLU p with alpha (4,)"
    assert ("rewired", "head") in entries


def test_outputs_in_a_dict_are_told_by_their_keys(tmp_path: Path) -> None:
    def model(**keys: str) -> keras.Model:
        keras.utils.set_random_seed(1)
        inputs = keras.Input((3,), name="in")
        made = {name: keras.layers.Dense(2, name=name)(inputs) for name in ("one", "two")}
        return keras.Model(inputs, {key: made[name] for key, name in keys.items()})

    assert told(found(model(a="one", two="two"), model(two="two", a="one"), tmp_path)) == []
    (entry,) = found(model(a="one", two="two"), model(b="one", two="two"), tmp_path)
    assert (entry.kind, entry.message) == ("outputs", "a=one, two -> b=one, two")


def test_an_initializer_of_two_names_is_one() -> None:
    one, other = ({"class_name": n, "config": {"gain": 1.0}} for n in ("OrthogonalInitializer", "Orthogonal"))
    assert canonical.value(one, "kernel_initializer") == canonical.value(other, "kernel_initializer") == "orthogonal"


def test_the_training_configuration_is_compared(tmp_path: Path) -> None:
    a, b = small(), small()
    a.compile(keras.optimizers.SGD(0.1), "mse")
    b.compile(keras.optimizers.SGD(0.2), "mae")
    assert told(found(a, b, tmp_path)) == [("training", "", "loss"), ("training", "", "optimizer.learning_rate")]


@pytest.mark.parametrize(
    ("change", "relation"),
    [
        (lambda a: a.transpose(1, 0, 2), "transposed to the axes (1, 0, 2)"),
        (lambda a: a[::-1, ::-1], "flipped along axis 0, 1"),
        (lambda a: a[:, [1, 0, 2]], "permuted along axis 1"),
        (lambda a: a.reshape(9, 4), "reshaped from (3, 3, 4)"),
        (lambda a: np.roll(a.ravel(), 7).reshape(a.shape), "the same numbers in another order"),
        (lambda a: a + 1, ""),
    ],
)
def test_the_order_of_the_same_numbers_is_recognised(change: object, relation: str) -> None:
    array = np.random.default_rng(0).standard_normal((3, 3, 4)).astype("float32")
    assert tensors.difference(array, change(array)).relation == relation  # type: ignore[operator]


def test_a_nan_is_a_difference(tmp_path: Path) -> None:
    source = FIXTURES / "files/keras-2.2.4/mlp.h5"
    broken = tmp_path / "broken.h5"
    shutil.copy(source, broken)
    with h5py.File(broken, "r+") as file:
        file["model_weights/dense_1/dense_1/kernel:0"][0, 0] = np.nan
    (entry,) = reconstruct.diff(source, broken).entries
    assert (entry.kind, entry.path, entry.what) == ("tensor_values", "dense_1", "kernel")


def test_the_command_shows_it_and_exits_with_one_where_models_differ(tmp_path: Path) -> None:
    a, b = tmp_path / "a.keras", tmp_path / "b.keras"
    small().save(a)
    small("tanh").save(b)
    same = CliRunner().invoke(app, ["diff", str(a), str(a)])
    assert same.exit_code == 0
    assert "the same; 6 tensors compared" in same.stdout
    other = CliRunner().invoke(app, ["diff", str(a), str(b)])
    assert other.exit_code == 1
    assert "activation: 'relu' -> 'tanh'" in other.stdout
    assert "1 difference; 6 tensors compared" in other.stdout
    as_json = json.loads(CliRunner().invoke(app, ["diff", str(a), str(b), "--json"]).stdout)
    assert [d["what"] for d in as_json["differences"]] == ["activation"]
    assert CliRunner().invoke(app, ["diff", str(a), str(tmp_path / "none.h5")]).exit_code == 1


def test_a_line_for_each_tensor_changes_with_the_tensor(tmp_path: Path) -> None:
    source = FIXTURES / "files/keras-2.2.4/mlp.h5"
    changed = tmp_path / "mlp.h5"
    shutil.copy(source, changed)
    with h5py.File(changed, "r+") as file:
        file["model_weights/dense_1/dense_1/kernel:0"][0, 0] += 1e-3
    before, after = (
        CliRunner().invoke(app, ["inspect", "--tensors", str(p)]).stdout.splitlines() for p in (source, changed)
    )
    others = [line for line in after if line not in before and "sha256" in line]
    assert [line.split()[0] for line in others] == ["dense_1/kernel"]
