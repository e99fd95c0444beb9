"""Calls of `keras.ops`, which Keras 2 does not have, as calls of TensorFlow functions (`TFOpLambda`, tf.keras 2.4).

A row says which function of TensorFlow 2 takes the same operands to the same result; names are those of the operation
in Keras 3.15 (ops/numpy.py, ops/nn.py, ops/math.py, ops/core.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import rule


@dataclass(frozen=True)
class Row:
    """`operands` are the names of the arguments after the first, in Keras and in TensorFlow; `settings` map fields of
    the operation's config to arguments."""

    function: str
    operands: tuple[tuple[str, str], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    swap: bool = False  # whether the two operands may change places


def _rows(text: str, *operands: tuple[str, str], settings: str = "", swap: bool = False) -> dict[str, Row]:
    """Rows from `Name=function` pairs."""
    mapped = {old: new or old for old, _, new in (pair.partition("=") for pair in settings.split())}
    return {
        name: Row(function, tuple(operands), mapped, swap)
        for name, _, function in (pair.partition("=") for pair in text.split())
    }


OPERATIONS: dict[str, Row] = {
    **_rows(
        "Absolute=math.abs Abs=math.abs Negative=math.negative Sign=math.sign Exp=math.exp Expm1=math.expm1 "
        "Log=math.log Log1p=math.log1p Sqrt=math.sqrt Rsqrt=math.rsqrt Square=math.square Reciprocal=math.reciprocal "
        "Round=math.round Sin=math.sin "
        "Cos=math.cos Tan=math.tan Sinh=math.sinh Cosh=math.cosh Tanh=math.tanh Arcsin=math.asin Arccos=math.acos "
        "Arctan=math.atan Arcsinh=math.asinh Arccosh=math.acosh Arctanh=math.atanh Floor=math.floor Ceil=math.ceil "
        "Erf=math.erf Sigmoid=math.sigmoid Softplus=math.softplus LogSigmoid=math.log_sigmoid Relu=nn.relu "
        "Relu6=nn.relu6 Softsign=nn.softsign Elu=nn.elu Selu=nn.selu Silu=nn.silu LogicalNot=math.logical_not "
        "Isnan=math.is_nan Isfinite=math.is_finite Isinf=math.is_inf ZerosLike=zeros_like OnesLike=ones_like "
        "StopGradient=stop_gradient"
    ),
    **_rows(
        "Add=math.add Multiply=math.multiply Maximum=math.maximum Minimum=math.minimum Equal=math.equal "
        "NotEqual=math.not_equal LogicalAnd=math.logical_and LogicalOr=math.logical_or",
        ("x2", "y"),
        swap=True,
    ),
    **_rows(
        "Subtract=math.subtract Divide=math.divide TrueDivide=math.divide FloorDivide=math.floordiv Power=math.pow "
        "Mod=math.floormod Greater=math.greater GreaterEqual=math.greater_equal Less=math.less "
        "LessEqual=math.less_equal",
        ("x2", "y"),
    ),
    **_rows("Arctan2=math.atan2", ("x2", "x")),
    **_rows("Matmul=linalg.matmul", ("x2", "b")),
    **_rows("Where=where", ("x1", "x"), ("x2", "y")),
    **_rows(
        "Mean=math.reduce_mean Sum=math.reduce_sum Max=math.reduce_max Min=math.reduce_min Prod=math.reduce_prod "
        "Any=math.reduce_any All=math.reduce_all Logsumexp=math.reduce_logsumexp Std=math.reduce_std "
        "Var=math.reduce_variance Amax=math.reduce_max Amin=math.reduce_min",
        settings="axis keepdims",
    ),
    **_rows("Softmax=nn.softmax LogSoftmax=nn.log_softmax ExpandDims=expand_dims Squeeze=squeeze", settings="axis"),
    **_rows("Concatenate=concat Stack=stack", settings="axis"),
    **_rows("Cumsum=math.cumsum Cumprod=math.cumprod", settings="axis"),
    **_rows("Gelu=nn.gelu", settings="approximate"),
    **_rows("LeakyRelu=nn.leaky_relu", settings="negative_slope=alpha"),
    **_rows("Transpose=transpose", settings="axes=perm"),
    **_rows("Reshape=reshape", settings="newshape=shape"),
    **_rows("BroadcastTo=broadcast_to", settings="shape"),
    **_rows("Cast=cast", settings="dtype"),
    **_rows("Clip=clip_by_value", ("x_min", "clip_value_min"), ("x_max", "clip_value_max")),
    **_rows("Take=gather", ("indices", "indices"), settings="axis"),
    **_rows("Tile=tile", settings="repeats=multiples"),
    **_rows("Repeat=repeat", settings="repeats axis"),
    **_rows("Roll=roll", settings="shift axis"),
    **_rows("Split=split", settings="indices_or_sections=num_or_size_splits axis"),
    **_rows("OneHot=one_hot", settings="num_classes=depth axis dtype"),
    **_rows("Pad=pad", settings="pad_width=paddings mode"),
}
# Settings of an operation that mean nothing at these values
_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "initial": (None,),
    "dtype": (None,),
    "sparse": (False,),
    "decimals": (0,),
    "constant_values": (None, 0),
    "num_classes": (),
}
_NODES_OF_STOCK = "give the model without that operation, or load it in Keras 3"


@rule()
def operations(layer: Layer) -> Layer:
    """Keras 2 has no `keras.ops`; a node that calls TensorFlow's function of the same meaning takes its place."""
    if not layer.is_operation:
        return layer
    if layer.class_name == "GetItem":
        return _slice(layer)
    if layer.class_name == "Identity":
        return _node(layer, "identity", layer.calls)
    row = OPERATIONS.get(layer.class_name)
    if row is None:
        raise NotEquivalent(
            f"{layer.name!r} calls keras.ops, {layer.class_name}, and Keras 2 has no layer for that",
            hint=_NODES_OF_STOCK,
        )
    given = {k: v for k, v in layer.config.items() if k not in ("name", "trainable")}
    settings = {row.settings[k]: plain(v) for k, v in given.items() if k in row.settings}
    positional = {name for name, _ in row.operands}
    for name, value in given.items():
        if name not in row.settings and name not in positional and value not in _DEFAULTS.get(name, ()):
            message = f"{layer.name!r} ({layer.class_name}) has {name}={value!r}, which no TensorFlow function takes so"
            raise NotEquivalent(message, hint=_NODES_OF_STOCK)
    settings |= {new: plain(given[old]) for old, new in row.operands if given.get(old) is not None}
    settings = _adapted(layer, settings)
    return _node(layer, row.function, tuple(_call(layer, row, each, settings) for each in layer.calls))


def _adapted(layer: Layer, settings: dict[str, Any]) -> dict[str, Any]:
    """The arguments in TensorFlow's values."""
    if layer.class_name == "Reshape":
        settings["shape"] = [-1 if n is None else n for n in settings["shape"]]
        if settings["shape"].count(-1) > 1:
            raise NotEquivalent(f"{layer.name!r} reshapes to more than one open axis", hint=_NODES_OF_STOCK)
    if layer.class_name == "Pad":
        settings["mode"] = str(settings.get("mode", "constant")).upper()
        if isinstance(settings["paddings"], int):
            raise NotEquivalent(f"{layer.name!r} pads every axis alike, the batch too", hint=_NODES_OF_STOCK)
    if layer.class_name == "Split" and isinstance(settings["num_or_size_splits"], list):
        raise NotEquivalent(f"{layer.name!r} splits at given places", hint=_NODES_OF_STOCK)
    if layer.class_name == "Take" and settings.get("axis", 0) is None:
        raise NotEquivalent(f"{layer.name!r} takes of all numbers of a batch at once", hint=_NODES_OF_STOCK)
    if layer.class_name == "Transpose" and settings.get("perm") is None:
        settings.pop("perm", None)
    return settings


def _call(layer: Layer, row: Row, each: Call, settings: Mapping[str, Any]) -> Call:
    given: dict[str, Any] = dict(each.kwargs)
    first, *rest = each.args or (_only_first(given),)
    others = [*rest, *(given[name] for name, _ in row.operands[len(rest) :] if name in given)]
    if row.swap and not _has_ref(first) and others and _has_ref(others[0]):
        first, others[0] = others[0], first
    if len(others) > len(row.operands):
        raise NotEquivalent(f"{layer.name!r} ({layer.class_name}) is called in a way that is not known")
    kwargs = {new: plain(value) for (_, new), value in zip(row.operands, others, strict=False)}
    first = plain(first)
    if not _has_ref(first) and isinstance(first, list):
        raise NotEquivalent(
            f"{layer.name!r} begins with an array, which a node of Keras 2 cannot", hint=_NODES_OF_STOCK
        )
    return Call((first,), {**kwargs, **settings})


def _only_first(kwargs: dict[str, Any]) -> Any:
    return kwargs.pop(next(iter(kwargs)))


def _has_ref(value: Any) -> bool:
    return isinstance(value, Ref) or (isinstance(value, list | tuple) and any(_has_ref(v) for v in value))


def _node(layer: Layer, function: str, calls: Sequence[Call]) -> Layer:
    config = {"name": layer.name, "trainable": True, "dtype": "float32", "function": function}
    return layer.replace(class_name="TFOpLambda", package=None, config=config, calls=tuple(calls))


def _slice(layer: Layer) -> Layer:
    """`x[1:, 0]`: tf.keras has a class of its own for it."""
    calls = []
    for each in layer.calls:
        first, key = (*each.args, *each.kwargs.values())
        parts = key if isinstance(key, list | tuple) else [key]
        if any(_has_ref(p) or isinstance(p, np.ndarray | list | tuple) for p in parts):
            raise NotEquivalent(f"{layer.name!r} takes by computed or listed indices", hint=_NODES_OF_STOCK)
        calls.append(Call((first,), {"slice_spec": [_slice_part(p) for p in parts]}))
    node = _node(layer, "__operators__.getitem", calls)
    return node.replace(class_name="SlicingOpLambda")


def _slice_part(part: Any) -> Any:
    if isinstance(part, slice):
        return {"start": part.start, "stop": part.stop, "step": part.step}
    return {"class_name": "__ellipsis__"} if part is Ellipsis else part


def plain(value: Any) -> Any:
    """A value with its arrays as lists, as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value


RULES = (operations,)
