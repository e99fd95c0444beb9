"""Layer trees to Keras 3 models: every layer made by itself, every tensor to where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reconstruct.artifact import Call, Layer, Ref, Tensor
from reconstruct.errors import BuildError, ConfigError, UnknownLayer
from reconstruct.runtimes import building, keras_3
from tests.rules.cases import called, functional, layer, sequential

X = np.array([[1.0, 2.0], [-3.0, 0.5]], "float32")
KERNEL = np.array([[1.0, -1.0], [2.0, 0.5]], "float32")


@pytest.fixture(autouse=True)
def fresh() -> None:
    keras_3.clear()


def entry(name: str = "x", *shape: int | None) -> Layer:
    return layer("InputLayer", name, batch_shape=[None, *(shape or (2,))])


def dense(name: str, kernel: Any = KERNEL, **config: Any) -> Layer:
    kernel = np.asarray(kernel)
    return layer("Dense", name, {"kernel": kernel}, units=kernel.shape[-1], use_bias=False, **config)


def outputs(model: Layer, *xs: np.ndarray, **options: Any) -> list[np.ndarray]:
    return keras_3.run(building.build(model, **options).model, list(xs))


def test_sequential() -> None:
    built = building.build(sequential(entry(), dense("a"), layer("ReLU", "r"), dense("b")))
    np.testing.assert_allclose(keras_3.run(built.model, [X])[0], np.maximum(X @ KERNEL, 0) @ KERNEL)
    assert [t.name for _, t in built.assigned] == ["kernel", "kernel"]
    assert [n.name for n in built.model.layers] == ["a", "r", "b"]
    assert keras_3.inputs_of(built.model) == [("x", (None, 2), "float32")]


def test_a_shared_layer_has_its_weights_once() -> None:
    both = called(called(dense("d"), "x"), "y")
    subtract = layer("Subtract", "s").replace(calls=(Call(([Ref("d"), Ref("d", 1)],)),))
    built = building.build(functional(entry("x"), entry("y"), both, subtract))
    assert len(built.model.weights) == len(built.assigned) == 1
    np.testing.assert_allclose(keras_3.run(built.model, [X, 2 * X])[0], -X @ KERNEL, rtol=1e-6)


def test_calls_come_in_whatever_order_the_file_has_them() -> None:
    layers = [called(dense("b"), "a"), entry(), called(dense("a"), "x")]
    whole = functional(*layers)
    assert whole.graph is not None
    model = whole.replace(graph=type(whole.graph)(tuple(layers), [Ref("x")], Ref("b")))
    np.testing.assert_allclose(outputs(model, X)[0], X @ KERNEL @ KERNEL)


def test_a_nested_model_that_is_called_twice() -> None:
    inner = functional(entry("i"), called(dense("d"), "i"), name="inner")
    twice = called(called(inner, "x"), "inner")
    whole = functional(entry(), twice)
    assert whole.graph is not None
    model = whole.replace(graph=type(whole.graph)(whole.graph.layers, whole.graph.inputs, Ref("inner", 1)))
    np.testing.assert_allclose(outputs(model, X)[0], X @ KERNEL @ KERNEL)


def test_both_directions_have_their_own_weights() -> None:
    def rnn(name: str, value: float) -> Layer:
        weights = {"kernel": np.full((2, 1), value), "recurrent_kernel": np.zeros((1, 1))}
        return layer("SimpleRNN", name, weights, units=1, use_bias=False, activation="linear")

    both = layer("Bidirectional", "b", merge_mode="concat").replace(
        children={"forward_layer": rnn("f", 1.0), "backward_layer": rnn("g", 10.0).having(go_backwards=True)}
    )
    x = np.array([[[1.0, 0.0], [2.0, 0.0]]], "float32")
    np.testing.assert_allclose(outputs(sequential(entry("x", 2, 2), both), x)[0], [[2.0, 10.0]])


def test_time_distributed_and_cells() -> None:
    wrapped = layer("TimeDistributed", "t").replace(children={"layer": dense("d")})
    np.testing.assert_allclose(outputs(sequential(entry("x", 2, 2), wrapped), X[None])[0], (X @ KERNEL)[None])
    cell = layer("SimpleRNNCell", "c", units=1, use_bias=False, activation="linear").replace(
        weights=layer("", "", {"kernel": np.ones((2, 1)), "recurrent_kernel": np.ones((1, 1))}).weights
    )
    rnn = layer("RNN", "r").replace(children={"cell": cell})
    np.testing.assert_allclose(outputs(sequential(entry("x", 2, 2), rnn), X[None])[0], [[X.sum()]])


def test_operations() -> None:
    half = called(Layer("Op", "half", {"function": "multiply"}), "x", 0.5)
    cut = called(Layer("Op", "cut", {"function": "getitem"}), "half", (slice(None), 0))
    built = building.build(functional(entry(), half, cut))
    np.testing.assert_allclose(keras_3.run(built.model, [X])[0], X[:, 0] / 2)


@pytest.mark.parametrize(
    ("shape", "other"),
    [((4, 4), (4, 1)), ((4, 5, 1), (4,)), ((4, 3), (3,)), ((4, 1), (1, 4, 1)), ((4, 4, 1), (4, 1))],
)
def test_what_is_added_along_an_axis_is_no_bias_of_another(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    values = np.arange(np.prod(other), dtype="float32").reshape(other)
    node = called(layer("Op", "sum", function="add"), "x", values)
    built = building.build(functional(layer("InputLayer", "x", batch_shape=[None, *shape]), node)).model
    x = np.arange(2 * np.prod(shape), dtype="float32").reshape(2, *shape)
    assert np.array_equal(keras_3.run(built, [x])[0], x + values)


def test_inputs_and_outputs_keep_their_structure() -> None:
    whole = functional(entry("x"), called(dense("d"), "x"))
    assert whole.graph is not None
    graph = type(whole.graph)(whole.graph.layers, {"image": Ref("x")}, {"a": Ref("d"), "b": Ref("x")})
    model = building.build(whole.replace(graph=graph)).model
    assert set(model({"image": X})) == {"a", "b"}
    np.testing.assert_allclose(keras_3.run(model, [X])[0], X @ KERNEL)


def test_nothing_in_a_frozen_model_is_trained(tmp_path: Path) -> None:
    inner = functional(entry("i"), called(dense("d"), "i"), name="inner").having(trainable=False)
    built = building.build(functional(entry(), called(inner, "x"), called(dense("e"), "inner")))
    keras_3.save(built.model, str(tmp_path / "m.keras"))
    for model in (built.model, keras_3.load(str(tmp_path / "m.keras"))):
        assert [v.path for v in model.trainable_variables] == ["e/kernel"]


def test_a_frozen_layer_stays_frozen() -> None:
    model = building.build(sequential(entry(), dense("a", trainable=False), dense("b"))).model
    assert [v.path.endswith("b/kernel") for v in model.trainable_variables] == [True]


@pytest.mark.parametrize(
    ("model", "error", "says", "path"),
    [
        (sequential(entry(), layer("Swirl", "s")), UnknownLayer, "'Swirl'", "model/s"),
        (
            sequential(entry(), Layer("Dense", "s", {"units": 2}, package="Mine>Dense")),
            UnknownLayer,
            "'Dense'",
            "model/s",
        ),
        (sequential(entry(), layer("Dense", "s", units=2)), BuildError, "no weights for Dense 's'", "model/s"),
        (
            sequential(entry(), layer("Dense", "s", {"kernel": KERNEL}, units=2)),
            BuildError,
            "has 2 variables",
            "model/s",
        ),
        (sequential(entry(), dense("s", np.ones((3, 2)))), BuildError, r"is \(3, 2\) in the file", "model/s"),
        (sequential(entry(), layer("Dense", "s", units=-1)), BuildError, "cannot build Dense 's'", "model/s"),
        (sequential(entry(), layer("MaxPooling2D", "s")), BuildError, "cannot build MaxPooling2D", "model/s"),
        (sequential(dense("s")), BuildError, "shape of the model's input", "model"),
        (functional(layer("InputLayer", "s"), called(dense("d"), "s")), BuildError, "shape of this input", "model/s"),
        (functional(entry(), called(dense("a"), "b"), called(dense("b"), "a")), ConfigError, "loop", "model"),
        (functional(entry(), called(Layer("Op", "s", {"function": "no_such"}), "x")), BuildError, "no_such", "model/s"),
        (functional(entry(), called(Layer("Op", "s", {"function": "__class__"}), "x")), BuildError, "__cla", "model/s"),
    ],
)
def test_errors_name_the_layer(model: Layer, error: type[Exception], says: str, path: str) -> None:
    model = model.replace(path="model").map_parts(lambda _, part: part.replace(path=f"model/{part.name}"))
    with pytest.raises(error, match=says) as caught:
        building.build(model)
    assert caught.value.path == path  # type: ignore[attr-defined]


def test_a_part_that_only_training_needs_is_left_out() -> None:
    model = sequential(entry(), dense("d", kernel_regularizer={"class_name": "Mine", "config": {}}))
    built = building.build(model)
    assert [(f.code, f.severity) for f in built.findings] == [("missing_regularizer", "info")]
    np.testing.assert_allclose(keras_3.run(built.model, [X])[0], X @ KERNEL)


def test_a_field_that_keras_3_does_not_know_is_a_finding() -> None:
    built = building.build(sequential(entry(), dense("d", invented=3)))
    assert [(f.code, f.severity) for f in built.findings] == [("unknown_field", "warning")]
    assert "'invented'" in built.findings[0].message


def test_custom_objects() -> None:
    class Twice(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return 2 * x

    for package in (None, "Mine>Twice"):
        model = sequential(entry(), Layer("Twice", "t", {"name": "t"}, package=package))
        np.testing.assert_allclose(outputs(model, X, custom_objects={package or "Twice": Twice})[0], 2 * X)


def test_what_is_saved_is_plain_keras(tmp_path: Path) -> None:
    model = building.build(functional(entry(), called(dense("d"), "x"))).model
    keras_3.save(model, str(tmp_path / "m.keras"))
    again = keras_3.load(str(tmp_path / "m.keras"))
    np.testing.assert_array_equal(keras_3.run(again, [X])[0], keras_3.run(model, [X])[0])


def test_every_run_starts_from_zero_states() -> None:
    weights = {"kernel": np.ones((2, 1)), "recurrent_kernel": np.ones((1, 1))}
    rnn = layer("SimpleRNN", "r", weights, units=1, use_bias=False, stateful=True, activation="linear")
    model = building.build(sequential(layer("InputLayer", "x", batch_shape=[1, 2, 2]), rnn)).model
    first, second = (keras_3.run(model, [X[None]])[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_outputs_of_every_layer() -> None:
    model = building.build(functional(entry(), called(dense("a"), "x"), called(layer("ReLU", "r"), "a"))).model
    found = keras_3.layer_outputs(model, [X])
    assert list(found) == ["a", "r"]
    np.testing.assert_allclose(found["a"][0], X @ KERNEL)
    np.testing.assert_allclose(found["r"][0], np.maximum(X @ KERNEL, 0))


def test_arrays_are_read_when_the_model_is_built_and_not_before() -> None:
    read: list[str] = []

    def value() -> np.ndarray:
        read.append("kernel")
        return KERNEL

    lazy = dense("d").replace(weights={"kernel": Tensor("kernel", (2, 2), "float32", value)})
    model = sequential(entry(), lazy)
    assert read == []
    building.build(model)
    assert read == ["kernel"]
