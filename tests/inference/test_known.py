"""Weights of the models of keras.applications, as genuine releases write them, are recovered without any hint."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import reconstruct
from reconstruct.inference.forward import Weights, run
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer

tf_keras = pytest.importorskip("tf_keras")
RNG = np.random.default_rng(0)
SIZE = (64, 64, 3)


def randomised(model: Any) -> Any:
    """With statistics that are not those of a fresh model, and biases that are not zero."""
    for weight in model.weights:
        if len(weight.shape) == 1:
            change = RNG.uniform(0.0, 0.3, weight.shape)
            weight.assign(np.asarray(weight) + (change - change.mean()).astype("float32"))
    return model


def backbone(library: Any, name: str, **arguments: Any) -> Any:
    return getattr(library.applications, name)(weights=None, include_top=False, **arguments)


def nested(library: Any, name: str, **arguments: Any) -> Any:
    """A backbone as one layer, and a head of one's own."""
    base = backbone(library, name, **{"input_shape": SIZE, **arguments})
    base.trainable = False
    layers = library.layers
    pooling = [] if "pooling" in arguments else [layers.GlobalAveragePooling2D()]
    return library.Sequential([base, *pooling, layers.Dropout(0.2), layers.Dense(5, "softmax")])


def varied(library: Any, name: str, **arguments: Any) -> Any:
    """The same with statistics that let differences through, so that outputs of different images are not the same."""
    model = nested(library, name, **arguments)
    for weight in model.weights:
        if "moving_variance" in weight.name:
            weight.assign(0.2 * weight)
    return model


def continued(library: Any, name: str, **arguments: Any) -> Any:
    """A backbone whose layers are the model's own, and a head."""
    base = backbone(library, name, **{"input_shape": SIZE, **arguments})
    x = library.layers.GlobalAveragePooling2D()(base.output)
    return library.Model(base.input, library.layers.Dense(3, "softmax")(x))


def whole(library: Any, name: str, **arguments: Any) -> Any:
    return getattr(library.applications, name)(weights=None, classes=7, **arguments)


CASES = (
    (keras, nested, "EfficientNetB0", {}),
    (keras, continued, "ResNet50V2", {}),
    (keras, whole, "MobileNetV3Small", {}),
    (keras, whole, "MobileNet", {"alpha": 0.25, "input_shape": (32, 32, 1)}),
    (tf_keras, continued, "MobileNetV2", {}),
    (tf_keras, nested, "ConvNeXtTiny", {}),
)


def saved(library: Any, how: Any, name: str, arguments: Any, folder: Path, rows: int) -> tuple[Path, Any, Any]:
    """A file of weights, inputs, and what the model computes of them."""
    model = randomised(how(library, name, **arguments))
    path = folder / ("m.weights.h5" if library is keras else "weights.h5")
    model.save_weights(path)
    inputs = RNG.uniform(0, 255, (rows, *(n or 64 for n in model.input_shape[1:]))).astype("float32")
    return path, inputs, np.asarray(model(inputs))


@pytest.mark.parametrize(("library", "how", "name", "arguments"), CASES)
def test_weights_alone_tell_the_model(library: Any, how: Any, name: str, arguments: Any, tmp_path: Path) -> None:
    path, inputs, outputs = saved(library, how, name, arguments, tmp_path, rows=1)
    result = infer(reconstruct.inspect(path), Hints(task="classification"))
    assert any(name in a["message"] for a in result.assumptions)
    model = result.artifact.model
    assert model is not None
    assert {s for n in model.walk() for t in n.weights.values() for s in t.sources} == {
        s for t in result.artifact.tensors for s in t.sources
    }
    np.testing.assert_allclose(run(model, [inputs], Weights(), False), outputs, rtol=1e-3, atol=1e-4)


def test_examples_verify_a_known_model(tmp_path: Path) -> None:
    arguments = {"alpha": 0.35}
    path, inputs, outputs = saved(tf_keras, varied, "MobileNetV2", arguments, tmp_path, rows=8)
    np.savez(tmp_path / "e.npz", x0=inputs, y0=outputs)
    recovery = reconstruct.recover(path, examples=tmp_path / "e.npz")
    assert recovery.status == "verified"
    assert not recovery.result.tensors.unused
