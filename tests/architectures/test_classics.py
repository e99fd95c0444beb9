"""Weights in the shapes of a classic are taken for it, unless examples say that they are another model's."""

import math

import numpy as np
import pytest

from reconstruct.architectures.classics import CLASSICS, TRUNKS, Builder
from reconstruct.architectures.rows import Row
from reconstruct.artifact import Artifact, Group, Layer, Tensor, Writer, constant
from reconstruct.inference.forward import Weights, run
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer
from reconstruct.inference.shapes import Shape, output_shape

RNG = np.random.default_rng(0)


def layers_of(builder: Builder, channels: int) -> list[Layer]:
    """The layers with random weights; where the file decides a width it is 3."""
    shapes: list[Shape] = []
    made = []
    for row in builder.rows:
        if not row.inputs:
            first = next(r for r in builder.rows if r.variables)
            size = row.config.get("size", [64, 64])
            shapes.append((*size, channels) if first.class_name.startswith("Conv") else (channels,))
            continue
        config = {**row.config, **{k: 3 for k in ("filters", "units") if row.config.get(k) == 0}}
        below = [shapes[i] for i in row.inputs]
        weights = {name: tensor(row, config, name, below[0][-1] or 0) for name in row.variables}
        layer = Layer(row.class_name, row.name, config, weights=weights)
        shape = output_shape(layer, below)
        assert shape is not None
        shapes.append(shape)
        made.append(layer)
    return made


def tensor(row: Row, config: dict[str, object], name: str, channels: int) -> Tensor:
    """A random variable of a layer."""
    width = config.get("filters", config.get("units", channels))
    kernel = tuple(row.config.get("kernel_size", ()))
    shape = {
        "kernel": (*kernel, width, channels) if row.class_name.endswith("Transpose") else (*kernel, channels, width),
        "depthwise_kernel": (*kernel, channels, 1),
        "pointwise_kernel": (1, 1, channels, width),
    }.get(name, (width,))
    value = RNG.standard_normal(shape) / math.sqrt(math.prod(shape[:-1]))
    return constant(f"{row.name}/{name}:0", value.astype("float32"))


def artifact(layers: list[Layer]) -> Artifact:
    writer = Writer("2.2.4", "tensorflow")
    groups = tuple(Group(n.name, None, tuple(n.weights.values())) for n in layers if n.weights)
    tensors = tuple(t for g in groups for t in g.tensors)
    return Artifact("w.h5", "h5-weights", writer, None, writer, tensors, groups=groups)


CHANNELS = {"a Q-network of CartPole": 4, "the actor of DDPG-Keras-Torcs": 29, "PointNet of Keras's examples": 3}


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_is_told_by_its_weights(name: str) -> None:
    layers = layers_of(CLASSICS[name](), CHANNELS.get(name, 1))
    result = infer(artifact(layers), Hints())
    model = result.artifact.model
    assert model is not None
    assert model.graph is not None
    found = [n for n in model.graph.layers if n.class_name != "InputLayer"]
    fields = ("strides", "padding", "activation", "negative_slope", "target_shape")
    assert [n.class_name for n in found] == [n.class_name for n in layers]
    assert [[n.config.get(f) for f in fields] for n in found] == [[n.config.get(f) for f in fields] for n in layers]
    assert any(name in a["message"] for a in result.assumptions)


def test_examples_of_another_model_with_the_same_shapes_decide() -> None:
    layers = layers_of(CLASSICS["a Q-network of CartPole"](), 4)
    layers[-1] = layers[-1].having(activation="softmax")
    inputs = RNG.standard_normal((12, 4)).astype("float32")
    outputs, weights = inputs, Weights()
    for layer in layers:
        outputs = run(layer, [outputs], weights, keras_2=True)
    result = infer(artifact(layers), Hints(examples=([inputs], [outputs]), budget=30))
    assert result.confirmed
    assert result.artifact.model is not None
    assert result.artifact.model.graph is not None
    assert result.artifact.model.graph.layers[-1].config["activation"] == "softmax"


def test_what_the_user_sets_holds_in_a_classic() -> None:
    layers = layers_of(CLASSICS["a Q-network of CartPole"](), 4)
    result = infer(artifact(layers), Hints(settings={"dense_2.activation": "softmax"}))
    assert result.artifact.model is not None
    assert result.artifact.model.graph is not None
    assert result.artifact.model.graph.layers[-1].config["activation"] == "softmax"


@pytest.mark.parametrize("name", TRUNKS)
def test_convolutions_of_a_classic_are_told_beneath_another_head(name: str) -> None:
    trunk = TRUNKS[name]()
    trunk.dense(216, "relu")
    trunk.dense(64, "relu")
    trunk.dense(5)
    layers = layers_of(trunk, 1)
    model = infer(artifact(layers), Hints()).artifact.model
    assert model is not None
    assert model.graph is not None
    found = [n for n in model.graph.layers if n.class_name != "InputLayer"]
    assert [n.class_name for n in found] == [n.class_name for n in layers]
    assert [n.config.get("strides") for n in found] == [n.config.get("strides") for n in layers]
    assert model.graph.layers[0].config["batch_shape"][1:3] == trunk.rows[0].config["size"]
