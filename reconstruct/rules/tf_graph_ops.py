"""`TensorFlowOpLayer` of tf.keras 2.0 to 2.3: an operation of the TensorFlow graph, as the function it belongs to.

The config has the `node_def` of the operation (its type, `op`, and attributes) and those of its inputs that are
constants, by position (tensorflow/python/keras/engine/base_layer.py, 2.3). What operations take is in
tensorflow/core/ops/*.cc.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from reconstruct.artifact import Call, Layer
from reconstruct.errors import NotEquivalent

_Converter = Callable[[list[Any], "Attributes"], tuple[str, tuple[Any, ...], dict[str, Any]]]


class Attributes:
    """The attributes of a `node_def` as protobuf writes them to JSON: `{"T": {"type": "DT_FLOAT"}}`."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = attributes

    def __call__(self, name: str, default: Any = None) -> Any:
        value = self.attributes.get(name)
        return default if not value else self._value(value)

    def _value(self, value: Mapping[str, Any]) -> Any:
        (kind, content), *_ = value.items()
        if kind == "list":
            return [self._value({k: v}) for k, values in content.items() for v in values]
        if kind == "s":
            return base64.b64decode(content).decode("utf-8", "replace")
        return int(content) if kind == "i" else content


def function_layer(layer: Layer) -> Layer:
    """The `TFOpLambda` that computes the same. Raises `NotEquivalent` for an operation that is not known."""
    node = layer.config.get("node_def")
    try:
        node = json.loads(node) if isinstance(node, str) else node
    except ValueError as error:
        raise NotEquivalent("the node_def is a serialized protocol buffer, which cannot be read here") from error
    if not isinstance(node, Mapping) or not isinstance(node.get("op"), str):
        raise NotEquivalent("the node_def of the operation does not say which one it is")
    convert = OPERATIONS.get(node["op"])
    if convert is None:
        raise NotEquivalent(
            f"the TensorFlow operation {node['op']} has no known form in keras.ops",
            hint=f"register a layer that computes tf.raw_ops.{node['op']}",
        )
    constants = {int(i): v for i, v in (layer.config.get("constants") or {}).items()}
    attributes = Attributes(node.get("attr") or {})
    calls, name = [], ""
    for call in layer.calls:
        inputs = list(call.args[0]) if call.args and isinstance(call.args[0], list | tuple) else list(call.args)
        for i in sorted(constants):
            inputs.insert(i, constants[i])
        name, args, kwargs = convert(inputs, attributes)
        calls.append(Call(args, kwargs))
    return layer.replace(class_name="TFOpLambda", config={"function": name}, calls=tuple(calls))


def _plain(function: str, *names: str, **attributes: str) -> _Converter:
    """Inputs by position under `names` (the first has none), attributes as their name = name of the argument."""

    def convert(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        kwargs = dict(zip(names, inputs[1:], strict=False))
        kwargs |= {argument: attribute(name) for name, argument in attributes.items() if attribute(name) is not None}
        return function, tuple(inputs[:1]), kwargs

    return convert


def _list_then_axis(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return "concat", (inputs[:-1],), {"axis": inputs[-1]}


def _pack(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return "stack", (inputs,), {"axis": attribute("axis", 0)}


def _add_n(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return "add_n", (inputs,), {}


def _split(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    return "split", (inputs[1],), {"num_or_size_splits": attribute("num_split"), "axis": inputs[0]}


def _pad(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    mode, value = attribute("mode", "CONSTANT"), inputs[2] if len(inputs) > 2 else 0
    return "pad", (inputs[0],), {"paddings": inputs[1], "mode": mode, "constant_values": value}


def _strided_slice(inputs: list[Any], attribute: Attributes) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    x, begin, end, strides = inputs
    if not all(isinstance(v, list) for v in (begin, end, strides)):
        raise NotEquivalent("the bounds of a slice are computed by the model itself")
    masks = {
        name: int(attribute(f"{name}_mask", 0)) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    spec: list[Any] = []
    for i, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = {name: bool(mask >> i & 1) for name, mask in masks.items()}
        if bit["ellipsis"]:
            spec.append(Ellipsis)
        elif bit["new_axis"]:
            spec.append(None)
        elif bit["shrink_axis"]:
            spec.append(start)
        else:
            spec.append(
                slice(None if bit["begin"] else start, None if bit["end"] else stop, None if step == 1 else step)
            )
    return "__operators__.getitem", (x,), {"slice_spec": spec}


_UNARY = (
    "Abs", "Exp", "Expm1", "Log", "Log1p", "Sqrt", "Rsqrt", "Square", "Reciprocal", "Sign", "Round", "Floor",
    "Ceil", "Sin", "Cos", "Tan", "Sinh", "Cosh", "Tanh", "Sigmoid", "Softplus", "Softsign", "Relu", "Relu6",
    "Elu", "Selu", "Erf", "Erfc", "Softmax", "Identity",
)  # fmt: skip
_UNARY_NAMES = {
    "Neg": "negative", "Inv": "reciprocal", "Rint": "round", "Asin": "asin", "Acos": "acos", "Atan": "atan",
    "Asinh": "asinh", "Acosh": "acosh", "Atanh": "atanh", "LogicalNot": "logical_not", "LogSoftmax": "log_softmax",
    "IsNan": "is_nan", "IsInf": "is_inf", "IsFinite": "is_finite", "ZerosLike": "zeros_like", "OnesLike": "ones_like",
    "StopGradient": "stop_gradient", "L2Loss": "l2_loss", "MatrixDiagPart": "diag_part", "Shape": "shape",
    "MatrixInverse": "inv", "MatrixDeterminant": "det", "Cholesky": "cholesky", "CheckNumerics": "identity",
    "Snapshot": "identity",
}  # fmt: skip
_BINARY_NAMES = {
    "Add": "add", "AddV2": "add", "Sub": "subtract", "Mul": "multiply", "RealDiv": "divide", "FloorDiv": "floordiv",
    "FloorMod": "floormod", "Pow": "pow", "Maximum": "maximum", "Minimum": "minimum", "Equal": "equal",
    "NotEqual": "not_equal", "Less": "less", "LessEqual": "less_equal", "Greater": "greater",
    "GreaterEqual": "greater_equal", "LogicalAnd": "logical_and", "LogicalOr": "logical_or", "Atan2": "atan2",
    "DivNoNan": "divide_no_nan", "MulNoNan": "multiply_no_nan", "SquaredDifference": "squared_difference",
}  # fmt: skip
_REDUCTIONS = {
    "Mean": "reduce_mean", "Sum": "reduce_sum", "Max": "reduce_max", "Min": "reduce_min", "Prod": "reduce_prod",
    "All": "reduce_all", "Any": "reduce_any", "EuclideanNorm": "reduce_euclidean_norm",
}  # fmt: skip
_CONVOLUTION = {"strides": "strides", "padding": "padding", "data_format": "data_format", "dilations": "dilations"}
_POOLING = {"ksize": "ksize", "strides": "strides", "padding": "padding", "data_format": "data_format"}
_RESIZE = {"align_corners": "align_corners", "half_pixel_centers": "half_pixel_centers"}

OPERATIONS: Mapping[str, _Converter] = {
    **{name: _plain(name.lower()) for name in _UNARY},
    **{name: _plain(function) for name, function in _UNARY_NAMES.items()},
    **{name: _plain(function, "y") for name, function in _BINARY_NAMES.items()},
    **{name: _plain(function, "axis", keep_dims="keepdims") for name, function in _REDUCTIONS.items()},
    "ConcatV2": _list_then_axis,
    "Pack": _pack,
    "Unpack": _plain("unstack", num="num", axis="axis"),
    "AddN": _add_n,
    "Split": _split,
    "SplitV": _plain("split", "num_or_size_splits", "axis"),
    "Reshape": _plain("reshape", "shape"),
    "Transpose": _plain("transpose", "perm"),
    "ExpandDims": _plain("expand_dims", "axis"),
    "Squeeze": _plain("squeeze", squeeze_dims="axis"),
    "Tile": _plain("tile", "multiples"),
    "Pad": _pad,
    "PadV2": _pad,
    "MirrorPad": _pad,
    "ReverseV2": _plain("reverse", "axis"),
    "Roll": _plain("roll", "shift", "axis"),
    "GatherV2": _plain("gather", "indices", "axis", batch_dims="batch_dims"),
    "Gather": _plain("gather", "indices"),
    "BroadcastTo": _plain("broadcast_to", "shape"),
    "Select": _plain("where", "x", "y"),
    "SelectV2": _plain("where", "x", "y"),
    "StridedSlice": _strided_slice,
    "Cast": _plain("cast", DstT="dtype"),
    "ArgMax": _plain("argmax", "axis", output_type="output_type"),
    "ArgMin": _plain("argmin", "axis", output_type="output_type"),
    "Cumsum": _plain("cumsum", "axis", exclusive="exclusive", reverse="reverse"),
    "MatMul": _plain("matmul", "b", transpose_a="transpose_a", transpose_b="transpose_b"),
    "BatchMatMul": _plain("matmul", "b", adj_x="adjoint_a", adj_y="adjoint_b"),
    "BatchMatMulV2": _plain("matmul", "b", adj_x="adjoint_a", adj_y="adjoint_b"),
    "LeakyRelu": _plain("leaky_relu", alpha="alpha"),
    "ClipByValue": _plain("clip_by_value", "clip_value_min", "clip_value_max"),
    "BiasAdd": _plain("bias_add", "bias", data_format="data_format"),
    "Conv2D": _plain("conv2d", "filters", **_CONVOLUTION),
    "DepthwiseConv2dNative": _plain("depthwise_conv2d", "filters", **_CONVOLUTION),
    "MaxPool": _plain("max_pool", **_POOLING),
    "AvgPool": _plain("avg_pool", **_POOLING),
    "DepthToSpace": _plain("depth_to_space", block_size="block_size", data_format="data_format"),
    "SpaceToDepth": _plain("space_to_depth", block_size="block_size", data_format="data_format"),
    "ResizeBilinear": _plain("image.resize_bilinear", "size", **_RESIZE),
    "ResizeBicubic": _plain("image.resize_bicubic", "size", **_RESIZE),
    "ResizeNearestNeighbor": _plain("image.resize_nearest_neighbor", "size", **_RESIZE),
    "OneHot": _plain("one_hot", "depth", "on_value", "off_value", axis="axis"),
}
