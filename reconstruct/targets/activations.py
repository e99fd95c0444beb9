"""Activations of Keras 3 with those of Keras 2: other names, another hard_sigmoid, and some that are not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.rules.activations import FACTORS, GATES, LINEAR, scale_gates
from reconstruct.rules.engine import rule
from reconstruct.rules.expansion import INPUT, call, chain, stock, subgraph
from reconstruct.targets.graphs import tf_op

# That tf.keras has had by name since 2.4 and computes as Keras 3 does; hard_sigmoid only after scaling.
KNOWN = frozenset(
    "elu exponential gelu hard_sigmoid linear relu selu sigmoid softmax softplus softsign swish tanh".split()
)
# Keras 3's hard_sigmoid is x/6 + 0.5, that of Keras 2 0.2·x + 0.5, so it is that of 5/6·x
SCALE = 5 / 6
_NAMES = {"silu": "swish", "celu": "elu"}  # celu is elu at alpha 1, the only one that a name means
_FIELDS = ("activation", "recurrent_activation")


@rule(effect="neutral")
def activation_names(layer: Layer) -> Layer:
    """Keras 2 has `swish` for `silu` in every release, and `elu` for what Keras 3 also calls `celu`."""
    changed = {f: _NAMES[layer.config[f]] for f in _FIELDS if _named(layer, f) in _NAMES}
    return layer.having(**changed) if changed else layer


def _named(layer: Layer, field: str) -> str | None:
    value = layer.config.get(field)
    return value if isinstance(value, str) else None


@rule(layers=LINEAR)
def activation_apart(layer: Layer) -> Layer:
    """An activation that Keras 2 does not have becomes a layer of its own."""
    value = layer.config.get("activation")
    if value is None or value in KNOWN:
        return layer
    if isinstance(value, Mapping) and value.get("class_name") in ("ReLU", "LeakyReLU", "ELU", "Softmax", "PReLU"):
        inner = stock(value["class_name"], "activation", {**value["config"], "name": "activation"})
        return chain(layer, layer.having(activation="linear"), inner)
    return chain(layer, layer.having(activation="linear"), stock("Activation", "activation", {"activation": value}))


_Made = Callable[[Layer], Layer]


def _relu6(layer: Layer) -> Layer:
    return _like(layer, "ReLU", max_value=6.0)


def _like(layer: Layer, class_name: str, **config: Any) -> Layer:
    kept = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    return layer.replace(class_name=class_name, config={**kept, **config})


def _function(name: str, **arguments: Any) -> _Made:
    return lambda layer: subgraph(layer, tf_op("call", name, INPUT, **arguments))


def _hard_silu(layer: Layer) -> Layer:
    """x · hard_sigmoid(x), where hard_sigmoid(x) = relu6(x + 3) / 6."""
    return subgraph(
        layer,
        tf_op("moved", "math.add", INPUT, y=3.0),
        tf_op("cut", "nn.relu6", Ref("moved")),
        tf_op("gate", "math.multiply", Ref("cut"), y=1 / 6),
        tf_op("out", "math.multiply", INPUT, y=Ref("gate")),
    )


def _tanh_shrink(layer: Layer) -> Layer:
    nodes = tf_op("tanh", "math.tanh", INPUT), tf_op("out", "math.subtract", INPUT, y=Ref("tanh"))
    return subgraph(layer, *nodes)


def _mish(layer: Layer) -> Layer:
    """x · tanh(softplus(x)); Keras 2 has it by name since 2.13."""
    return subgraph(
        layer,
        tf_op("softplus", "math.softplus", INPUT),
        tf_op("tanh", "math.tanh", Ref("softplus")),
        tf_op("out", "math.multiply", INPUT, y=Ref("tanh")),
    )


def _squareplus(layer: Layer) -> Layer:
    """(x + sqrt(x² + 4)) / 2."""
    return subgraph(
        layer,
        tf_op("square", "math.square", INPUT),
        tf_op("more", "math.add", Ref("square"), y=4.0),
        tf_op("root", "math.sqrt", Ref("more")),
        tf_op("sum", "math.add", INPUT, y=Ref("root")),
        tf_op("out", "math.multiply", Ref("sum"), y=0.5),
    )


def _soft_shrink(layer: Layer) -> Layer:
    """x - clip(x, -0.5, 0.5)."""
    return subgraph(
        layer,
        tf_op("near", "clip_by_value", INPUT, clip_value_min=-0.5, clip_value_max=0.5),
        tf_op("out", "math.subtract", INPUT, y=Ref("near")),
    )


def _sparse_sigmoid(layer: Layer) -> Layer:
    """(clip(x, -1, 1) + 1) / 2."""
    return subgraph(
        layer,
        tf_op("near", "clip_by_value", INPUT, clip_value_min=-1.0, clip_value_max=1.0),
        tf_op("more", "math.add", Ref("near"), y=1.0),
        tf_op("out", "math.multiply", Ref("more"), y=0.5),
    )


_MADE: dict[str, _Made] = {
    "relu6": _relu6,
    "leaky_relu": lambda layer: _like(layer, "LeakyReLU", alpha=0.2),
    "log_softmax": _function("nn.log_softmax"),
    "log_sigmoid": _function("math.log_sigmoid"),
    "hard_tanh": _function("clip_by_value", clip_value_min=-1.0, clip_value_max=1.0),
    "hard_silu": _hard_silu,
    "hard_swish": _hard_silu,
    "mish": _mish,
    "tanh_shrink": _tanh_shrink,
    "soft_shrink": _soft_shrink,
    "sparse_sigmoid": _sparse_sigmoid,
    "squareplus": _squareplus,
}


@rule(layers=("Activation",))
def activation_of_keras_3(layer: Layer) -> Layer:
    """Keras 2 lacks some activations of Keras 3: stock layers or functions of TensorFlow compute the same."""
    made = _MADE.get(str(_named(layer, "activation")))
    return layer if made is None else made(layer)


@rule(layers=("Activation",))
def hard_sigmoid_layer(layer: Layer) -> Layer:
    """hard_sigmoid is x/6 + 0.5 in Keras 3 and 0.2·x + 0.5 in Keras 2: its input is scaled by 5/6."""
    if layer.config.get("activation") != "hard_sigmoid":
        return layer
    own = {k: v for k, v in layer.config.items() if k == "dtype"}
    return subgraph(
        layer,
        tf_op("scale", "math.multiply", INPUT, y=SCALE),
        call(stock("Activation", "hard_sigmoid", {**own, "activation": "hard_sigmoid_of_keras_2"}), Ref("scale")),
    )


@rule(layers=LINEAR)
def hard_sigmoid_of_linear(layer: Layer) -> Layer:
    """hard_sigmoid is x/6 + 0.5 in Keras 3 and 0.2·x + 0.5 in Keras 2: kernel and bias are scaled by 5/6."""
    if layer.config.get("activation") != "hard_sigmoid":
        return layer
    scaled = {k: t.map(_scaled) for k, t in layer.weights.items() if k in FACTORS}
    return layer.having(activation="hard_sigmoid_of_keras_2").replace(weights={**layer.weights, **scaled})


@rule(layers=(*GATES, "SimpleRNN", "SimpleRNNCell"))
def hard_sigmoid_gates(layer: Layer) -> Layer:
    """hard_sigmoid is x/6 + 0.5 in Keras 3 and 0.2·x + 0.5 in Keras 2: the gates' weights are scaled by 5/6."""
    simple = layer.class_name.startswith("SimpleRNN")
    candidate = layer.config.get("activation") == "hard_sigmoid"
    if candidate and not simple and not layer.class_name.startswith("GRU"):
        raise NotEquivalent(f"the cell state of {layer.name} goes through hard_sigmoid, which is another in Keras 2")
    by_gate = layer.config.get("recurrent_activation") == "hard_sigmoid"
    gates = (candidate,) if simple else tuple(by_gate if g else candidate for g in GATES[layer.class_name])
    if not any(gates):
        return layer
    changed = {f: "hard_sigmoid_of_keras_2" for f in _FIELDS if layer.config.get(f) == "hard_sigmoid"}
    return layer.having(**changed).replace(weights={k: scale_gates(t, gates, SCALE) for k, t in layer.weights.items()})


@rule(effect="neutral")
def hard_sigmoid_name(layer: Layer) -> Layer:
    """After the scaling, hard_sigmoid means that of Keras 2."""
    changed = {f: "hard_sigmoid" for f in _FIELDS if layer.config.get(f) == "hard_sigmoid_of_keras_2"}
    return layer.having(**changed) if changed else layer


@rule()
def activation_refused(layer: Layer) -> Layer:
    """An activation that Keras 2 has not and that nothing in it computes."""
    for field in _FIELDS:
        value = layer.config.get(field)
        if value is not None and value not in KNOWN and field in layer.config and not layer.is_model:
            name = value.get("config", value) if isinstance(value, Mapping) else value
            raise NotEquivalent(f"{layer.class_name} {layer.name!r} has the activation {name!r}, which Keras 2 has not")
    return layer


def _scaled(array: np.ndarray) -> np.ndarray:
    return (array * SCALE).astype(array.dtype)


RULES = (
    activation_names,
    activation_apart,
    activation_of_keras_3,
    hard_sigmoid_layer,
    hard_sigmoid_of_linear,
    hard_sigmoid_gates,
    hard_sigmoid_name,
    activation_refused,
)
