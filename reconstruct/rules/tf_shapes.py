"""Shapes that a functional model computes: `tf.reshape(x, [tf.shape(x)[0], 128])` and its kin.

`keras.ops` takes shapes as numbers, so what a model computes of `tf.shape` is evaluated here as far as it can be: sizes
that the inputs fix become numbers, the open one of a reshape becomes -1, and what repeats a constant over the
batch adds zeros of the batch. What else uses a size as a number gets it by counting.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Call, Graph, Layer, Ref, map_refs, refs_in
from reconstruct.rules.tf_expression import Expression, is_constant, layer_of, ops, rewrite
from reconstruct.rules.tf_functions import canonical, dtype_name

OP_LAYERS = ("TFOpLambda", "SlicingOpLambda")
_SHAPE = ("shape", "shape_v2", "keras.backend.shape")
_BOOL = (
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "gt", "ge", "lt", "le", "eq", "ne",
    "logical_and", "logical_or", "logical_xor", "logical_not", "reduce_any", "reduce_all", "is_nan", "is_inf",
    "is_finite", "and", "or", "xor", "invert",
)  # fmt: skip
_KEEPS_DTYPE = (
    "Reshape", "Flatten", "Permute", "RepeatVector", "Concatenate", "Identity", "Cropping1D", "Cropping2D",
    "Cropping3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "UpSampling1D", "UpSampling2D",
    "UpSampling3D", "Add", "Subtract", "Multiply", "Maximum", "Minimum",
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """All of `tf.shape(of)`."""

    of: Ref


@dataclass(frozen=True)
class Size:
    """One open size of the shape of a tensor; `of` is None where it was calculated with."""

    of: Ref | None = None
    axis: int = 0


def function_of(layer: Layer) -> str:
    return canonical(str(layer.config.get("function", "")))


def needs_evaluation(graph: Graph) -> bool:
    return any(layer.class_name in OP_LAYERS and function_of(layer) in _SHAPE for layer in graph.layers)


def evaluate_shapes(graph: Graph) -> Graph:
    """The graph with all sizes in it that are known as numbers, and without the layers that are not needed any more."""
    values = _values(graph)
    changed = [_counted(_with_sizes(layer, values), graph) for layer in graph.layers]
    kept = {ref.layer for ref in refs_in(graph.outputs)}
    while True:  # a shape is only wanted where something other than a shape is made of it
        used = kept | {
            r.layer for n in changed if n.name not in values or n.name in kept for c in n.calls for r in c.refs()
        }
        if used == kept:
            break
        kept = used
    layers = tuple(n for n in changed if n.name not in values or n.name in kept)
    return dataclasses.replace(graph, layers=layers)


def _values(graph: Graph) -> dict[str, Any]:
    """What is known of each layer that computes a shape or size: a `Shape`, a `Size`, a number, or a list of these."""
    values: dict[str, Any] = {}
    pending = [n for n in graph.layers if n.class_name in OP_LAYERS and len(n.calls) == 1]
    found = True
    while found:
        found = False
        for layer in pending:
            if layer.name not in values:
                value = _value(layer, values, graph)
                if value is not None:
                    values[layer.name], found = value, True
    return values


def _value(layer: Layer, values: Mapping[str, Any], graph: Graph) -> Any:
    call, name = layer.calls[0], function_of(layer)
    if name in _SHAPE:
        return _shape(call.args[0], graph)
    refs = call.refs()
    if not refs or any(ref.layer not in values for ref in refs):
        return None
    args = _known([*call.args], values)
    if name == "getitem":
        return _item(args[0], call.kwargs.get("slice_spec", call.args[1] if len(call.args) > 1 else None), graph)
    if name == "concat" and isinstance(args[0], list):
        parts = [part if isinstance(part, list) else None for part in args[0]]
        return None if None in parts else [size for part in parts for size in part or []]
    if name == "stack" and isinstance(args[0], list):
        return args[0] if all(isinstance(v, int | Size) for v in args[0]) else None
    if name in ("multiply", "mul", "add", "subtract", "sub", "floor_div", "floordiv"):
        x, y = args[0], _known(call.kwargs.get("y", args[1] if len(args) > 1 else None), values)
        if isinstance(x, int) and isinstance(y, int):
            if name in ("multiply", "mul"):
                return x * y
            if name in ("floor_div", "floordiv"):
                return x // y
            return x + y if name == "add" else x - y
        return Size() if isinstance(x, int | Size) and isinstance(y, int | Size) else None
    return None


def _known(value: Any, values: Mapping[str, Any]) -> Any:
    return map_refs(value, lambda ref: values.get(ref.layer, ref))


def _shape(of: Any, graph: Graph) -> Any:
    if not isinstance(of, Ref):
        return None
    sizes = _input_shape(of, graph)
    if sizes is None:
        return Shape(of)
    return [Size(of, i) if n is None else n for i, n in enumerate(sizes)]


def _input_shape(ref: Ref, graph: Graph) -> list[int | None] | None:
    layer = graph[ref.layer]
    shape = layer.config.get("batch_shape", layer.config.get("batch_input_shape"))
    return list(shape) if layer.class_name == "InputLayer" and isinstance(shape, list | tuple) else None


def _item(value: Any, spec: Any, graph: Graph) -> Any:
    if isinstance(spec, list) and len(spec) == 1:
        spec = spec[0]
    if isinstance(value, list) and isinstance(spec, int) and -len(value) <= spec < len(value):
        return value[spec]
    if isinstance(value, Shape) and isinstance(spec, int):
        return Size(value.of, spec)
    if isinstance(spec, Mapping) and is_constant(spec):
        bounds = slice(spec.get("start"), spec.get("stop"), spec.get("step"))
        if isinstance(value, list):
            return value[bounds]
        start, stop = bounds.start or 0, bounds.stop
        if isinstance(value, Shape) and bounds.step in (None, 1) and start >= 0 and stop is not None and stop >= 0:
            return [Size(value.of, i) for i in range(start, stop)]
    return None


def _with_sizes(layer: Layer, values: Mapping[str, Any]) -> Layer:
    """The layer with the numbers for sizes, and -1 for the open size of a reshape."""
    if layer.class_name not in OP_LAYERS or layer.name in values or len(layer.calls) != 1:
        return layer
    call = layer.calls[0]
    if not any(ref.layer in values for ref in call.refs()):
        return layer
    name = function_of(layer)
    if name in ("reshape", "keras.backend.reshape"):
        shape = _known(call.kwargs.get("shape", call.args[1] if len(call.args) > 1 else None), values)
        reshaped = _reshaped(layer, call.args[0], shape)
        if reshaped is not None:
            return reshaped
    filled = _filled(layer, name, values)
    if filled is not None:
        return rewrite(layer, filled)

    def number(ref: Ref) -> Any:
        value = values.get(ref.layer)
        if isinstance(value, list) and all(isinstance(n, int) for n in value):
            return value
        return value if isinstance(value, int) else ref

    first, *others = call.args  # the first is what the function works on, and stays a tensor
    if isinstance(first, Ref) and first.layer in values:
        return layer
    return layer.replace(calls=(Call((first, *map_refs(others, number)), map_refs(call.kwargs, number)),))


def _reshaped(layer: Layer, x: Any, shape: Any) -> Layer | None:
    if not isinstance(shape, list) or not all(isinstance(n, int | Size) for n in shape):
        return None
    open_axes = [i for i, n in enumerate(shape) if isinstance(n, Size) or n == -1]
    sizes = [-1 if i in open_axes else n for i, n in enumerate(shape)]
    if len(open_axes) <= 1:
        return layer.replace(calls=(Call((x,), {"shape": sizes}),))
    batch = shape[0]
    if len(open_axes) == 2 and isinstance(batch, Size) and batch.of == x and batch.axis == 0:
        return rewrite(layer, layer_of("Reshape", x, target_shape=sizes[1:]))
    return None


def _filled(layer: Layer, name: str, values: Mapping[str, Any]) -> Expression | None:
    """Constants repeated over the batch: zeros, ones, fill, tile and broadcast_to, open only in the batch."""
    call = layer.calls[0]
    if name not in ("zeros", "ones", "fill", "tile", "broadcast_to"):
        return None
    option = {"tile": "multiples", "broadcast_to": "shape"}.get(name)
    sizes = _known(call.kwargs.get(option, call.args[1:2]) if option else call.args[0], values)
    if not isinstance(sizes, list) or not sizes or not all(isinstance(n, int) for n in sizes[1:]):
        return None
    batch = sizes[0]
    if not isinstance(batch, Size) or batch.of is None or batch.axis != 0:
        return None
    constant: Any = {"zeros": 0, "ones": 1, "fill": call.kwargs.get("value")}.get(name, call.args[0])
    if constant is None or not is_constant(constant):
        return None
    if name == "tile" and not (isinstance(constant, list) and len(constant) == 1):
        return None  # only one row can be repeated so
    dtype = call.kwargs.get("dtype")
    kind = dtype_name(dtype) if dtype is not None else ("float32" if name in ("zeros", "ones") else _kind(constant))
    column = ops("get_item", layer_of("Flatten", batch.of), (slice(None), slice(0, 1)))
    zeros = ops("reshape", ops("zeros_like", column, dtype=kind), (-1, *[1] * (len(sizes) - 1)))
    if name == "tile":
        return ops("add", zeros, ops("tile", ops("add", zeros, constant), (1, *sizes[1:])))
    if any(n != 1 for n in sizes[1:]):
        zeros = ops("tile", zeros, (1, *sizes[1:]))
    return ops("add", zeros, constant)


def _kind(constant: Any) -> str:
    while isinstance(constant, list):
        constant = constant[0] if constant else 0.0
    return {bool: "bool", int: "int32"}.get(type(constant), "float32")


def _counted(layer: Layer, graph: Graph) -> Layer:
    """A size that is wanted as a number: the ones along its axis are counted."""
    if layer.class_name not in OP_LAYERS or function_of(layer) != "getitem" or len(layer.calls) != 1:
        return layer
    call = layer.calls[0]
    shape, axis = call.args[0], call.kwargs.get("slice_spec", call.args[1] if len(call.args) > 1 else None)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if not isinstance(shape, Ref) or not isinstance(axis, int) or function_of(graph[shape.layer]) not in _SHAPE:
        return layer
    ones = ops("ones_like", graph[shape.layer].calls[0].args[0], dtype="int32")
    return rewrite(layer, ops("max", ops("sum", ones, axis=axis)))


def note_dtypes(graph: Graph) -> Graph:
    """The graph with a field `input_dtype` at each TensorFlow function that is known to work on other than floats."""
    known: dict[Ref, str | None] = {}
    layers = []
    for layer in graph.layers:
        if layer.class_name in OP_LAYERS and "input_dtype" not in layer.config:
            refs = layer.calls[0].refs() if layer.calls else []
            dtype = _dtype(refs[0], graph, known) if refs else None
            layer = layer.having(input_dtype=dtype) if dtype not in (None, "float32") else layer
        layers.append(layer)
    return dataclasses.replace(graph, layers=tuple(layers))


def _dtype(ref: Ref, graph: Graph, known: dict[Ref, str | None]) -> str | None:
    if ref not in known:
        known[ref] = None  # until it is known; nothing of a model depends on itself
        layer = graph[ref.layer]
        calls = layer.calls[ref.call : ref.call + 1]
        refs = calls[0].refs() if calls else []
        if layer.class_name == "InputLayer":
            known[ref] = dtype_name(layer.config.get("dtype") or "float32")
        elif layer.class_name in OP_LAYERS:
            known[ref] = _result_dtype(layer, ref, refs, graph, known)
        elif layer.class_name in _KEEPS_DTYPE and refs:
            known[ref] = _dtype(refs[0], graph, known)
    return known[ref]


def _result_dtype(layer: Layer, ref: Ref, refs: list[Ref], graph: Graph, known: dict[Ref, str | None]) -> str | None:
    name, call = function_of(layer), layer.calls[0]
    if name in _BOOL:
        return "bool"
    if call.kwargs.get("dtype") is not None:
        return dtype_name(call.kwargs["dtype"])
    if name in ("argmax", "argmin", "count_nonzero"):
        return dtype_name(call.kwargs.get("output_type") or "int64")
    if name in _SHAPE or (name == "top_k" and ref.output == 1):
        return "int32"
    if name in ("where", "gather"):
        return _dtype(refs[-1 if name == "where" else 0], graph, known)
    if name in ("truediv", "divide") or name.startswith("image.") or name == "one_hot":
        return None
    return _dtype(refs[0], graph, known) if refs else None
