"""Activations that files name and Keras 3 does not have.

The rule `foreign_activation_apart` has made a layer of its own of each. Of a name alone it is never certain what the
function computed; where it names the library that registered it, it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import assumed, code_of, known
from reconstruct.objects.known.parts import own_fields
from reconstruct.rules.engine import Context, Noted
from reconstruct.rules.expansion import INPUT, chain, op, stock, subgraph
from reconstruct.stock import foreign_activation

_Form = Callable[[Layer], Layer]


def _same(name: str) -> _Form:
    """An activation that Keras 3 has under the name `name`."""
    return lambda layer: layer.having(activation=name)


def _chain(*parts: tuple[str, Mapping[str, Any]]) -> _Form:
    """Stock layers, class and config, one after another; masks pass them."""
    return lambda layer: chain(layer, *(stock(cls, f"step_{i}", config) for i, (cls, config) in enumerate(parts)))


def _graph(*nodes: Layer) -> _Form:
    return lambda layer: subgraph(layer, *nodes)


def _single(function: str, **arguments: Any) -> _Form:
    return _graph(op(function, function, INPUT, **arguments))


_SOFTPLUS_2 = _chain(
    ("Activation", {"activation": "softplus"}), ("Rescaling", {"scale": 1.0, "offset": -math.log(2.0)})
)
_H_SIGMOID = _chain(("Rescaling", {"scale": 1 / 6, "offset": 0.5}), ("ReLU", {"max_value": 1.0}))
_TANH_GELU = _single("gelu", approximate=True)
_LISHT = _graph(op("tanh", "tanh", INPUT), op("product", "multiply", INPUT, Ref("tanh")))
_SNAKE = _graph(
    op("sine", "sin", INPUT), op("square", "square", Ref("sine")), op("sum", "add", INPUT, Ref("square"))
)  # (1 - cos 2x) / 2 is the square of sin x
# The "sparsemax" of Keras 3.15.1 (activations/activations.py) gives other numbers than its definition.
_SPARSEMAX = _graph(
    op("rising", "sort", INPUT, axis=-1),
    op("sorted", "flip", Ref("rising"), axis=-1),
    op("ones", "ones_like", INPUT),
    op("rank", "cumsum", Ref("ones"), axis=-1),
    op("sums", "cumsum", Ref("sorted"), axis=-1),
    op("weighed", "multiply", Ref("rank"), Ref("sorted")),
    op("bound", "add", Ref("weighed"), np.float32(1)),
    op("supports", "greater", Ref("bound"), Ref("sums")),
    op("zeros", "zeros_like", INPUT),
    op("one_each", "where", Ref("supports"), Ref("ones"), Ref("zeros")),
    op("count", "sum", Ref("one_each"), axis=-1, keepdims=True),
    op("kept", "where", Ref("supports"), Ref("sorted"), Ref("zeros")),
    op("sum", "sum", Ref("kept"), axis=-1, keepdims=True),
    op("excess", "subtract", Ref("sum"), np.float32(1)),
    op("threshold", "divide", Ref("excess"), Ref("count")),
    op("above", "subtract", INPUT, Ref("threshold")),
    op("sparse", "relu", Ref("above")),
)

# tensorflow-addons 0.23, activations/*.py, registered as "Addons>…".
_ADDONS: dict[str, _Form] = {
    "gelu": _TANH_GELU,
    "hardshrink": _same("hard_shrink"),
    "lisht": _LISHT,
    "mish": _same("mish"),
    "rrelu": _chain(("LeakyReLU", {"negative_slope": (0.125 + 1 / 3) / 2})),
    "snake": _SNAKE,
    "softshrink": _same("soft_shrink"),
    "sparsemax": _SPARSEMAX,
    "tanhshrink": _same("tanh_shrink"),
}
# megnet 1.3.2, activations.py.
_LIBRARIES: dict[str, _Form] = {"softplus2": _SOFTPLUS_2}
# What code that people copy defines under these names.
_BY_NAME: dict[str, _Form] = {
    **dict.fromkeys(("swish_activation", "swish_act", "custom_swish", "my_swish", "Swish"), _same("swish")),
    **dict.fromkeys(("relu_6", "ReLU6", "relu6_activation"), _same("relu6")),
    **dict.fromkeys(("h_swish", "hswish", "HSwish", "Hswish", "HardSwish", "hardswish"), _same("hard_swish")),
    **dict.fromkeys(("h_sigmoid", "hsigmoid", "HSigmoid", "Hsigmoid"), _H_SIGMOID),
    **dict.fromkeys(("Mish", "mish_activation", "custom_mish"), _same("mish")),
    **dict.fromkeys(("gelu_tanh", "gelu_new", "approximate_gelu", "gelu_approximate"), _TANH_GELU),
    **dict.fromkeys(("gelu_erf", "gelu_exact"), _same("gelu")),
    "shifted_softplus": _SOFTPLUS_2,
    "ssp": _SOFTPLUS_2,
    "sin": _single("sin"),
    "cos": _single("cos"),
    "exp": _same("exponential"),
    "lisht": _LISHT,
    "snake": _SNAKE,
    "hardshrink": _same("hard_shrink"),
    "softshrink": _same("soft_shrink"),
    "tanhshrink": _same("tanh_shrink"),
}


@known("Activation", source="tensorflow-addons 0.23, megnet 1.3.2, and tutorials")
def foreign_activations(layer: Layer, context: Context) -> Layer | Noted:
    """An activation of another library as one of Keras, as layers one after another, or as operations."""
    value = layer.config.get("activation")
    whole = foreign_activation(value)
    if whole is None or whole in context.objects:
        return layer
    package, _, name = whole.rpartition(">")
    if isinstance(value, Mapping):
        package = package or str(value.get("registered_name") or "").rpartition(">")[0]
    addons = package == "Addons"
    form = _ADDONS.get(name) if addons else _LIBRARIES.get(name) or _BY_NAME.get(name)
    if form is None or name in context.objects:
        return layer
    result = form(layer)
    if result.graph is not None and not result.graph.sequential and context.may_mask:
        raise NotEquivalent(f"a mask passed the activation {name!r}; the operations that stand for it hand none on")
    if addons or name in _LIBRARIES:
        return result
    message = f"the activation {name!r} of {layer.name} is not in the file; it is taken for what usually has that name"
    return assumed(layer, result, message, code_of(name))


_LAYERS = ("SiLU", *(name for name in _BY_NAME if name[:1].isupper()))


@known(*_LAYERS, source="layers of tutorials that only apply a function", certain=False)
def activation_layer(layer: Layer, context: Context) -> Layer:
    """A layer that only applies a function, as Activation of Keras or as its operations."""
    own = {k: v for k, v in own_fields(layer).items() if k not in ("beta", "trainable_beta") or v not in (1, False)}
    if layer.weights or own:
        return layer
    config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
    form = _BY_NAME.get(layer.class_name, _same("silu"))
    return form(layer.replace(class_name="Activation", package=None, config=config))


# Since when tf.keras has an activation of that name that others defined differently before.
_SINCE = {"gelu": (2, 4, 0), "leaky_relu": (2, 2, 0)}
# What every Keras had, and what has one definition whoever wrote it.
_ONE_MEANING = frozenset(
    "elu exponential hard_sigmoid linear relu selu sigmoid softmax softplus softsign tanh log_softmax "
    "swish silu relu6 mish".split()
)
_ACTIVE = (
    "Activation Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D "
    "DepthwiseConv2D SeparableConv1D SeparableConv2D SimpleRNN LSTM GRU"
).split()


@known(*_ACTIVE, source="each Keras's activations.py")
def activation_before_its_time(layer: Layer, context: Context) -> Layer | Noted:
    """An activation that the writer's Keras did not have is a function of the author's own: it is taken for the one
    that Keras 3 has under that name."""
    names = [layer.config.get(field) for field in ("activation", "recurrent_activation")]
    own = [name for name in names if isinstance(name, str) and _of_the_author(name, context)]
    if not own:
        return layer
    if "sparsemax" in own:
        raise NotEquivalent("the sparsemax of Keras 3.15 is not that of its definition")
    message = (
        f"{context.writer} had no activation {own[0]!r}, so that the one of {layer.name} is a function of the author's "
        "own: it is taken for the one that Keras 3 has under that name"
    )
    return assumed(layer, layer, message, code_of(own[0]))


def _of_the_author(name: str, context: Context) -> bool:
    """Whether the bare name cannot be Keras's: the writer's had none, and not all that are called so are the same."""
    writer = context.writer
    if name in _ONE_MEANING or foreign_activation(name) or writer.major >= 3 or name in context.objects:
        return False
    return not (writer.is_tf_keras and writer.version >= _SINCE.get(name, (3, 0, 0)))


KNOWN = (activation_before_its_time, foreign_activations, activation_layer)
