"""Models that an earlier Keras compiled and trained go on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from reconstruct.artifact import Layer, Tensor, Training, Writer
from reconstruct.readers import read
from reconstruct.rules.optimizer_state import OptimizerSlot, OptimizerState
from reconstruct.rules.training import Compilation, translate
from reconstruct.runtimes.compilation import compile_model

tf_keras = pytest.importorskip("tf_keras")

WRITER = Writer("2.15.0", "tensorflow")
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(16, 4)).astype("float32")
Y = RANDOM.uniform(size=(16, 3)).astype("float32")


def rebuilt(model: Layer) -> tuple[Any, list[tuple[Any, Tensor]]]:
    """A Keras 3 model of a stack of Dense layers, with the pairs of variables and tensors."""
    assert model.graph is not None
    dense = [layer for layer in model.graph.layers if layer.class_name == "Dense"]
    made = [
        keras.layers.Dense(
            layer.config["units"], layer.config["activation"], name=layer.name, trainable=layer.trainable
        )
        for layer in dense
    ]
    result = keras.Sequential([keras.Input((4,)), *made], name=model.name)
    assigned = []
    for layer, instance in zip(dense, made, strict=True):
        for variable, tensor in zip(instance.weights, layer.weights.values(), strict=True):
            variable.assign(tensor.read())
            assigned.append((variable, tensor))
    return result, assigned


def trained(optimizer: Any, loss: Any = "mse", metrics: Any = None) -> Any:
    """A model of tf_keras after three steps of training.

    It runs eagerly: in a graph, tf_keras's Nadam counts its steps once, when it is traced (optimizers/nadam.py).
    """
    tf_keras.utils.set_random_seed(3)
    layers = [tf_keras.layers.Dense(5, "tanh", input_shape=(4,)), tf_keras.layers.Dense(3, "sigmoid")]
    model = tf_keras.Sequential(layers)
    model.compile(optimizer, loss, metrics=metrics, run_eagerly=True)
    for _ in range(3):
        model.train_on_batch(X, Y)
    return model


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: tf_keras.optimizers.SGD(0.1, momentum=0.9),
    "nesterov": lambda: tf_keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.05),
    "adam": lambda: tf_keras.optimizers.Adam(0.01),
    "amsgrad": lambda: tf_keras.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda: tf_keras.optimizers.AdamW(0.01, weight_decay=0.1),
    "adamax": lambda: tf_keras.optimizers.Adamax(0.01),
    "nadam": lambda: tf_keras.optimizers.Nadam(0.01),
    "rmsprop": lambda: tf_keras.optimizers.RMSprop(0.01),
    "rmsprop_centered": lambda: tf_keras.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: tf_keras.optimizers.Adagrad(0.1),
    "adadelta": lambda: tf_keras.optimizers.Adadelta(1.0),
    "ftrl": lambda: tf_keras.optimizers.Ftrl(0.1),
    "schedule": lambda: tf_keras.optimizers.Adam(tf_keras.optimizers.schedules.ExponentialDecay(0.05, 2, 0.5)),
    "legacy_sgd": lambda: tf_keras.optimizers.legacy.SGD(0.1, momentum=0.9, decay=0.2),
    "legacy_adam": lambda: tf_keras.optimizers.legacy.Adam(0.01, decay=0.1, amsgrad=True),
    "legacy_adamax": lambda: tf_keras.optimizers.legacy.Adamax(0.01),
    "legacy_rmsprop": lambda: tf_keras.optimizers.legacy.RMSprop(0.01),
    "legacy_rmsprop_centered": lambda: tf_keras.optimizers.legacy.RMSprop(0.01, momentum=0.5, centered=True),
    "legacy_adagrad": lambda: tf_keras.optimizers.legacy.Adagrad(0.1),
    "legacy_adadelta": lambda: tf_keras.optimizers.legacy.Adadelta(1.0),
}

# Where epsilon moves into the root, elements with the smallest gradients move a little differently.
APPROXIMATE = {"legacy_rmsprop": 3e-5}


# tf_keras writes no state of legacy optimizers into .keras files
SAVED = [(name, end) for name in OPTIMIZERS for end in (".h5", ".keras") if end == ".h5" or "legacy" not in name]


@pytest.mark.parametrize(("name", "suffix"), SAVED)
def test_training_goes_on_where_tf_keras_stopped(name: str, suffix: str, tmp_path: Path) -> None:
    """The next steps from the file, in tf_keras and in Keras 3 saved and loaded again, give the same weights."""
    original = trained(OPTIMIZERS[name]())
    original.save(tmp_path / f"old{suffix}")
    artifact = read(tmp_path / f"old{suffix}")
    compilation, _, findings = translate(artifact.training, artifact.writer, artifact.model)
    model, assigned = rebuilt(artifact.model)
    assert findings == ()
    assert compile_model(model, compilation, assigned) == ()
    model.save(tmp_path / "new.keras")
    model = keras.models.load_model(tmp_path / "new.keras")
    for before, after in zip(original.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for _ in range(2):
        original.train_on_batch(X, Y)
        model.train_on_batch(X, Y)
    assert int(model.optimizer.iterations) == 5
    for before, after in zip(original.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(after, before, atol=APPROXIMATE.get(name, 1e-5))


def test_a_fresh_optimizer_would_be_seen(tmp_path: Path) -> None:
    """What the test above proves: without the state, weights differ by far more than its tolerance."""
    original = trained(OPTIMIZERS["adam"]())
    original.save(tmp_path / "old.h5")
    artifact = read(tmp_path / "old.h5")
    compilation, _, _ = translate(Training(artifact.training.config), artifact.writer, artifact.model)
    model, assigned = rebuilt(artifact.model)
    compile_model(model, compilation, assigned)
    original.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    gaps = [np.abs(a - b).max() for a, b in zip(original.get_weights(), model.get_weights(), strict=True)]
    assert max(gaps) > 1e-3


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_state_of_keras_3_is_kept(suffix: str, tmp_path: Path) -> None:
    """Keras 3.15 itself drops all slots when it loads its own .h5."""
    original = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, "sigmoid")])
    original.compile(keras.optimizers.Adam(0.02), "mse")
    for _ in range(3):
        original.train_on_batch(X, Y)
    original.save(tmp_path / f"old{suffix}")
    artifact = read(tmp_path / f"old{suffix}")
    compilation, changes, findings = translate(artifact.training, artifact.writer, artifact.model)
    assert (changes, findings) == ((), ())
    model, assigned = rebuilt(artifact.model)
    assert compile_model(model, compilation, assigned) == ()
    for before, after in zip(original.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


def test_state_of_rewritten_variables_is_dropped(tmp_path: Path) -> None:
    """A kernel that a rule scaled has another gradient: the slots of the file mean something else."""
    trained(OPTIMIZERS["adam"]()).save(tmp_path / "old.h5")
    artifact = read(tmp_path / "old.h5")
    compilation, _, _ = translate(artifact.training, artifact.writer, artifact.model)
    model, assigned = rebuilt(artifact.model)
    variable, tensor = assigned[0]
    assigned[0] = variable, tensor.map(lambda kernel: kernel * 1.2)
    findings = compile_model(model, compilation, assigned)
    assert [f.code for f in findings] == ["optimizer_state_dropped"]
    assert "rewrote" in findings[0].message
    assert model.compiled
    assert all(not np.any(v.numpy()) for v in model.optimizer.variables if "kernel" in v.name)


def test_state_is_dropped_where_other_variables_are_trained(tmp_path: Path) -> None:
    trained(OPTIMIZERS["adam"]()).save(tmp_path / "old.h5")
    artifact = read(tmp_path / "old.h5")
    compilation, _, _ = translate(artifact.training, artifact.writer, artifact.model)
    model, assigned = rebuilt(artifact.model)
    model.layers[0].trainable = False
    assert [f.code for f in compile_model(model, compilation)] == ["optimizer_state_dropped"]
    assert [f.code for f in compile_model(model, compilation, assigned)] == []
    assert int(model.optimizer.iterations) == 3


def test_losses_and_metrics_evaluate_as_before(tmp_path: Path) -> None:
    metrics = ["mae", tf_keras.metrics.AUC(num_thresholds=9), "cosine_similarity", "kullback_leibler_divergence"]
    original = trained("adam", tf_keras.losses.BinaryCrossentropy(label_smoothing=0.1), metrics)
    original.save(tmp_path / "old.h5")
    artifact = read(tmp_path / "old.h5")
    compilation, _, findings = translate(artifact.training, artifact.writer, artifact.model)
    model, assigned = rebuilt(artifact.model)
    assert findings + compile_model(model, compilation, assigned) == ()
    model.save(tmp_path / "new.keras")
    model = keras.models.load_model(tmp_path / "new.keras")
    labels = (Y > 0.5).astype("float32")
    expected = original.evaluate(X, labels, verbose=0, return_dict=True)
    measured = model.evaluate(X, labels, verbose=0, return_dict=True)
    assert sorted(measured) == sorted(expected)
    for name, value in expected.items():
        assert measured[name] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize(
    ("loss", "metrics"),
    [
        ({"a": "mse", "b": "binary_crossentropy"}, {"b": ["AUC", "mae"]}),
        (["mse", "kld"], [["mae"], ["accuracy"]]),
        ("mse", None),
    ],
)
def test_several_outputs(loss: Any, metrics: Any, tmp_path: Path) -> None:
    given = keras.Input((4,))
    outputs = [keras.layers.Dense(3, "sigmoid", name=name)(given) for name in "ab"]
    model = keras.Model(given, outputs)
    config = {"optimizer_config": {"class_name": "Custom>Adam", "config": {}}, "loss": loss, "metrics": metrics}
    compilation, _, findings = translate(Training(config), WRITER, None)
    assert findings + compile_model(model, compilation) == ()
    model.save(tmp_path / "new.keras")
    loaded = keras.models.load_model(tmp_path / "new.keras")
    result = loaded.train_on_batch(X, [Y, Y], return_dict=True)
    assert np.isfinite(result["loss"])
    measured = {name for name in result if "loss" not in name}
    assert len(measured) == (0 if metrics is None else 2)


def test_what_keras_refuses_leaves_the_model_uncompiled() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    config = {"optimizer_config": {"class_name": "Adam", "config": {}}, "loss": {"a": "mse", "b": "mse"}}
    compilation, _, _ = translate(Training(config), WRITER, None)
    findings = compile_model(model, compilation)
    assert [f.code for f in findings] == ["not_compiled"]
    assert "no output named 'a'" in findings[0].message
    assert not model.compiled
    assert model.predict(X, verbose=0).shape == (16, 3)


def test_a_state_that_is_not_finite_is_dropped() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, use_bias=False)])
    kernel = Tensor("kernel", (4, 3), "float32", lambda: np.zeros((4, 3)))
    slots = tuple(
        OptimizerSlot(kind, kernel, 0, Tensor(kind, (4, 3), "float32", lambda: np.full((4, 3), np.nan)))
        for kind in ("momentum", "velocity")
    )
    config = {"optimizer_config": {"class_name": "Adam", "config": {}}, "loss": "mse"}
    compilation, _, _ = translate(Training(config), WRITER, None)
    compilation = Compilation(compilation.optimizer, "mean_squared_error", state=OptimizerState(None, slots))
    assert [f.code for f in compile_model(model, compilation)] == ["optimizer_state_dropped"]
