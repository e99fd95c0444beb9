"""What each TensorFlow function of a functional model is in `keras.ops`: a table, for arrays of any rank.

A function is listed under its exported name without the namespaces that alias each other (`math.multiply`,
`tf.multiply`: `multiply`). The parameter names are TensorFlow's, since the files name arguments by them; they are those
of `tensorflow/python/ops/*.py` in 2.0 to 2.15 and, for `keras.backend`, of tf.keras 2.4 to 2.15, `backend.py`.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconstruct.errors import NotEquivalent
from reconstruct.rules.tf_expression import Expression, is_constant, layer_of, ops

Builder = Callable[..., Any]

_ALIASED = ("compat.v1.", "compat.v2.", "math.", "nn.", "linalg.", "dtypes.", "__operators__.")


def canonical(name: str) -> str:
    """`compat.v1.nn.softmax`, `nn.softmax` → `softmax`; `tf.keras.backend.mean` → `keras.backend.mean`."""
    name = name.removeprefix("tf.")
    changed = True
    while changed:
        changed = False
        for prefix in _ALIASED:
            if name.startswith(prefix):
                name, changed = name.removeprefix(prefix), True
    return f"keras.{name}" if name.startswith(("backend.", "activations.")) else name


def renamed(function: str, *inputs: str, **options: str) -> Builder:
    """A function that differs in names only: `inputs` go by position, `options` are TensorFlow name = Keras name.

    An option that is None in the file is left to its default.
    """

    def build(**given: Any) -> Expression:
        kwargs = {options[k]: v for k, v in given.items() if k in options and v is not None}
        return ops(function, *(given[name] for name in inputs), **kwargs)

    parameters = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in inputs]
    parameters += [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for n in options]
    build.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return build


def integer(dtype: str | None) -> bool:
    return dtype is not None and dtype.startswith(("int", "uint", "bool"))


def dtype_name(value: Any) -> str:
    """A dtype as files write it: `"float32"`, `{"class_name": …, "config": "float32"}`, or the number of the enum."""
    if isinstance(value, Mapping):
        value = value.get("config", value.get("name"))
        return dtype_name(value.get("name") if isinstance(value, Mapping) else value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = _DTYPE_NUMBERS.get(value)
    if not isinstance(value, str):
        raise NotEquivalent(f"the dtype {value!r} is not one of TensorFlow's")
    name = value.rsplit(".", 1)[-1].removeprefix("DT_").lower().removesuffix("_ref")
    return {"float": "float32", "double": "float64", "half": "float16"}.get(name, name)


_DTYPE_NUMBERS = {  # tensorflow/core/framework/types.proto
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 9: "int64", 10: "bool", 14: "bfloat16",
    17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip


def static(value: Any, what: str) -> Any:
    """`value`, which the rewrite needs to know. Raises `NotEquivalent` where it is computed by the model."""
    if not is_constant(value):
        raise NotEquivalent(
            f"{what} is computed by the model itself, and Keras 3 needs to know it in advance",
            hint="give the model a fixed input shape and save it again",
        )
    return value


def ints(value: Any, what: str) -> list[int]:
    value = static(value, what)
    return [int(v) for v in (value if isinstance(value, list | tuple) else [value])]


def as_list(value: Any) -> list[Any]:
    """The tensors of an argument that is a list; a list of one is read as the tensor alone."""
    return list(value) if isinstance(value, list | tuple) else [value]


def cast_unless(dtype: str, x: Any, known: str | None) -> Any:
    return x if known == dtype else ops("cast", x, dtype)


def _along(axis: int, *key: Any) -> tuple[Any, ...]:
    """The index that applies `key` to one axis, counted from either end."""
    if axis >= 0:
        return (*[slice(None)] * axis, *key)
    return (Ellipsis, *key, *[slice(None)] * (-axis - 1))


# Arithmetic


def truediv(x: Any, y: Any, _dtype: str | None = None) -> Expression:
    # TensorFlow divides int32 and int64 in float64, smaller integers in float32.
    if integer(_dtype):
        wide = "float64" if _dtype in ("int32", "int64") else "float32"
        x, y = (ops("cast", v, wide) if not is_constant(v) else v for v in (x, y))
    return ops("divide", x, y)


def div(x: Any, y: Any, _dtype: str | None = None) -> Expression:
    # `compat.v1.div` of integers rounds down, of floats it does not.
    return ops("floor_divide" if integer(_dtype) else "divide", x, y)


def logic(function: str) -> Builder:
    """`&`, `|`, `^` and `~`, which on integers work on bits."""

    def on_two(x: Any, y: Any, _dtype: str | None = None) -> Expression:
        return on_any(_dtype, x, y)

    def on_one(x: Any, _dtype: str | None = None) -> Expression:
        return on_any(_dtype, x)

    def on_any(dtype: str | None, *values: Any) -> Expression:
        if dtype != "bool":
            raise NotEquivalent("`&`, `|`, `^` and `~` mean another function for integers, and these may be some")
        return ops(function, *values)

    return on_one if function == "logical_not" else on_two


def mean(input_tensor: Any, axis: Any = None, keepdims: Any = None, _dtype: str | None = None) -> Expression:
    if integer(_dtype):
        raise NotEquivalent("the mean of integers is rounded by TensorFlow, not by Keras 3")
    return _reduced("mean", input_tensor, axis, keepdims)


def reduce_prod(input_tensor: Any, axis: Any = None, keepdims: Any = None) -> Expression:
    return _reduced("prod", input_tensor, axis, keepdims)


def reduce_sum(input_tensor: Any, axis: Any = None, keepdims: Any = None) -> Expression:
    return _reduced("sum", input_tensor, axis, keepdims)


def _reduced(function: str, x: Any, axis: Any, keepdims: Any) -> Expression:
    """A reduction over `axis`; an empty list of axes is none at all in TensorFlow, too."""
    kwargs: dict[str, Any] = {}
    if axis is not None:
        axis = static(axis, "the axis of a reduction")
        kwargs["axis"] = tuple(axis) if isinstance(axis, list | tuple) else axis
    if keepdims:
        kwargs["keepdims"] = True
    return ops(function, x, **kwargs)


def reduction(function: str) -> Builder:
    def build(input_tensor: Any, axis: Any = None, keepdims: Any = None) -> Expression:
        return _reduced(function, input_tensor, axis, keepdims)

    return build


def reduce_euclidean_norm(input_tensor: Any, axis: Any = None, keepdims: Any = None) -> Expression:
    return ops("sqrt", _reduced("sum", ops("square", input_tensor), axis, keepdims))


def count_nonzero(input: Any, axis: Any = None, keepdims: Any = None, dtype: Any = "int64") -> Expression:
    return _reduced("sum", ops("cast", ops("not_equal", input, 0), dtype_name(dtype)), axis, keepdims)


def add_n(inputs: Any) -> Any:
    first, *rest = as_list(inputs)
    if not rest:
        return ops("copy", first)
    for x in rest:
        first = ops("add", first, x)
    return first


def argument(function: str) -> Builder:
    def build(input: Any, axis: Any = None, output_type: Any = "int64", dimension: Any = None) -> Expression:
        axis = dimension if axis is None else axis
        return ops("cast", ops(function, input, axis=0 if axis is None else axis), dtype_name(output_type))

    return build


def cumulative(function: str) -> Builder:
    def build(x: Any, axis: Any = 0, exclusive: bool = False, reverse: bool = False) -> Expression:
        values = ops("flip", x, axis=axis) if reverse else x
        result = ops(function, values, axis=axis)
        if exclusive:
            if function != "cumsum":
                raise NotEquivalent("an exclusive cumprod has no Keras 3 form")
            result = ops("subtract", result, values)
        return ops("flip", result, axis=axis) if reverse else result

    return build


def clip_by_value(t: Any, clip_value_min: Any, clip_value_max: Any) -> Expression:
    return ops("maximum", ops("minimum", t, clip_value_max), clip_value_min)


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Expression:
    norm = ops("sqrt", _reduced("sum", ops("square", t), axes, True))
    return ops("divide", ops("multiply", t, clip_norm), ops("maximum", norm, clip_norm))


def norm(tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: Any = None) -> Expression:
    several = axis is None or isinstance(axis, list | tuple)
    if ord in ("euclidean", "fro") or (ord == 2 and not isinstance(axis, list | tuple)):
        return reduce_euclidean_norm(tensor, axis, keepdims)
    if several and axis is not None:
        raise NotEquivalent(f"a matrix norm of order {ord!r} has no Keras 3 form")
    size = ops("abs", tensor)
    if ord == float("inf"):
        return _reduced("max", size, axis, keepdims)
    if ord == 1:
        return _reduced("sum", size, axis, keepdims)
    return ops("power", _reduced("sum", ops("power", size, ord), axis, keepdims), 1.0 / ord)


def l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, dim: Any = None) -> Expression:
    total = _reduced("sum", ops("square", x), dim if axis is None else axis, True)
    return ops("multiply", x, ops("rsqrt", ops("maximum", total, epsilon)))


def scalar_mul(scalar: Any, x: Any) -> Expression:
    return ops("multiply", scalar, x)


def squared_difference(x: Any, y: Any) -> Expression:
    return ops("square", ops("subtract", x, y))


def multiply_no_nan(x: Any, y: Any) -> Expression:
    return ops("where", ops("equal", y, 0), ops("zeros_like", y), ops("multiply", x, y))


def l2_loss(t: Any) -> Expression:
    return ops("multiply", ops("sum", ops("square", t)), 0.5)


def zero_fraction(value: Any) -> Expression:
    return ops("mean", ops("cast", ops("equal", value, 0), "float32"))


# Matrices


def matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False,
    adjoint_b: bool = False, a_is_sparse: bool = False, b_is_sparse: bool = False,
) -> Expression:  # fmt: skip
    if transpose_a or adjoint_a:
        a = ops("swapaxes", a, -1, -2)
    if transpose_b or adjoint_b:
        b = ops("swapaxes", b, -1, -2)
    return ops("matmul", a, b)


def matvec(a: Any, b: Any, transpose_a: bool = False) -> Expression:
    return ops("squeeze", matmul(a, ops("expand_dims", b, -1), transpose_a), -1)


def einsum(equation: Any, *inputs: Any) -> Expression:
    if not inputs:
        raise lost("the operands of einsum")
    return ops("einsum", equation, *inputs)


def transpose(a: Any, perm: Any = None) -> Expression:
    return ops("transpose", a) if perm is None else ops("transpose", a, axes=tuple(ints(perm, "the permutation")))


def matrix_transpose(a: Any) -> Expression:
    return ops("swapaxes", a, -1, -2)


def diag_part(input: Any) -> Expression:
    return ops("diagonal", input, axis1=-2, axis2=-1)


def trace(x: Any) -> Expression:
    return ops("trace", x, axis1=-2, axis2=-1)


# Shapes


def reshape(tensor: Any, shape: Any) -> Expression:
    return ops("reshape", tensor, tuple(ints(shape, "the shape")))


def squeeze(input: Any, axis: Any = None, squeeze_dims: Any = None) -> Expression:
    axes = axis if axis is not None else squeeze_dims
    if axes is None or axes == []:
        return ops("squeeze", input)
    axes = ints(axes, "the axis")
    return ops("squeeze", input, axis=axes[0] if len(axes) == 1 else tuple(axes))


def expand_dims(input: Any, axis: Any = None, dim: Any = None) -> Expression:
    return ops("expand_dims", input, axis=ints(axis if axis is not None else dim, "the axis")[0])


def concat(values: Any, axis: Any) -> Expression:
    return ops("concatenate", as_list(values), axis=ints(axis, "the axis")[0])


def stack(values: Any, axis: int = 0) -> Expression:
    return ops("stack", as_list(values), axis=axis)


def unstack(value: Any, num: Any = None, axis: int = 0) -> Expression:
    return ops("unstack", value, num, axis) if num is not None else ops("unstack", value, axis=axis)


def split(value: Any, num_or_size_splits: Any, axis: Any = 0, num: Any = None) -> Any:
    axis = ints(axis, "the axis")[0]
    sizes = static(num_or_size_splits, "the sizes of a split")
    if not isinstance(sizes, list | tuple):
        return ops("split", value, sizes, axis=axis)
    # Slices, since keras.ops.split needs to know the length of the axis; those behind a -1 count from the end.
    sizes = [int(n) for n in sizes]
    rest = sizes.index(-1) if -1 in sizes else len(sizes)
    starts = [0, *itertools.accumulate(sizes)]
    after = [-sum(sizes[i:]) for i in range(rest + 1, len(sizes) + 1)]
    slices = [slice(starts[i], starts[i + 1]) for i in range(rest)]
    if rest < len(sizes):
        slices.append(slice(starts[rest], after[0] or None))
        slices += [slice(a, b or None) for a, b in itertools.pairwise(after)]
    return [ops("get_item", value, _along(axis, s)) for s in slices]


def tile(input: Any, multiples: Any) -> Expression:
    return ops("tile", input, tuple(ints(multiples, "how often a tensor is repeated")))


def repeat(input: Any, repeats: Any, axis: Any = None) -> Expression:
    return ops("repeat", input, static(repeats, "how often a tensor is repeated"), axis=axis)


def pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, pad_value: Any = None
) -> Expression:
    widths = tuple(tuple(int(n) for n in pair) for pair in static(paddings, "the padding"))
    mode = mode.lower()
    value = {"constant_values": constant_values} if mode == "constant" and constant_values not in (0, None) else {}
    return ops("pad", tensor, widths, mode=mode, **value)


def reverse(tensor: Any, axis: Any) -> Expression:
    return ops("flip", tensor, axis=tuple(ints(axis, "the axis")))


def roll(input: Any, shift: Any, axis: Any) -> Expression:
    for by, along in zip(ints(shift, "the shift"), ints(axis, "the axis"), strict=True):
        input = ops("roll", input, by, axis=along)
    return input


def gather(params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise NotEquivalent("gather with batch_dims has no Keras 3 form")
    return ops("take", params, indices, axis=0 if axis is None else ints(axis, "the axis")[0])


def boolean_mask(tensor: Any, mask: Any, axis: Any = None) -> Expression:
    mask = static(mask, "the mask")
    if any(not isinstance(keep, bool) for keep in mask):
        raise NotEquivalent("a boolean mask over several axes has no Keras 3 form")
    return ops("take", tensor, [i for i, keep in enumerate(mask) if keep], axis=axis or 0)


def one_hot(
    indices: Any, depth: Any, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Expression:
    kind = dtype_name(dtype) if dtype is not None else "float32"
    low, high = (0 if off_value is None else off_value), (1 if on_value is None else on_value)
    coded = ops("one_hot", indices, static(depth, "the depth"), axis=-1 if axis is None else axis, dtype=kind)
    if (low, high) == (0, 1):
        return coded
    return ops("add", ops("multiply", coded, static(high, "on_value") - static(low, "off_value")), low)


def like(function: str) -> Builder:
    def build(input: Any, dtype: Any = None, tensor: Any = None, optimize: Any = True) -> Expression:
        return ops(function, input) if dtype is None else ops(function, input, dtype=dtype_name(dtype))

    return build


def broadcast_to(input: Any, shape: Any) -> Expression:
    return ops("broadcast_to", input, tuple(ints(shape, "the shape")))


def where(condition: Any, x: Any = None, y: Any = None) -> Expression:
    if x is None or y is None:
        raise NotEquivalent("where() with only a condition gives as many indices as the data has; Keras 3 cannot")
    return ops("where", condition, x, y)


def getitem(tensor: Any, slice_spec: Any) -> Expression:
    parts = slice_spec if isinstance(slice_spec, list | tuple) else [slice_spec]
    return ops("get_item", tensor, tuple(_subscript(part) for part in parts))


def _subscript(part: Any) -> Any:
    if isinstance(part, Mapping) and part.get("class_name") == "__ellipsis__":
        return Ellipsis
    if isinstance(part, Mapping):
        return slice(*(static(part.get(k), "a slice") for k in ("start", "stop", "step")))
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    return ints(part, "an index")[0]


# Types and nothing


def cast(x: Any, dtype: Any) -> Expression:
    return ops("cast", x, dtype_name(dtype))


def convert_to_tensor(value: Any, dtype: Any = None, dtype_hint: Any = None, preferred_dtype: Any = None) -> Expression:
    return ops("copy", value) if dtype is None else cast(value, dtype)


def nothing(input: Any, shape: Any = None, message: Any = None) -> Expression:
    return ops("copy", input)


def dropout(
    x: Any, rate: Any = None, noise_shape: Any = None, seed: Any = None, keep_prob: Any = None, rng: Any = None
) -> Expression:
    if rate in (0, 0.0) or (rate is None and keep_prob in (1, 1.0)):
        return ops("copy", x)
    raise NotEquivalent(
        "tf.nn.dropout as an operation of a model drops at inference, too, so its outputs are random",
        hint="was a Dropout layer meant?",
    )


# Activations


def softmax(logits: Any, axis: Any = None, dim: Any = None) -> Expression:
    axis = dim if axis is None else axis
    return ops("softmax", logits, axis=-1 if axis is None else axis)


def log_softmax(logits: Any, axis: Any = None, dim: Any = None) -> Expression:
    axis = dim if axis is None else axis
    return ops("log_softmax", logits, axis=-1 if axis is None else axis)


def leaky_relu(features: Any, alpha: float = 0.2) -> Expression:
    return ops("leaky_relu", features, negative_slope=static(alpha, "alpha"))


def gelu(features: Any, approximate: bool = False) -> Expression:
    return ops("gelu", features, approximate=bool(approximate))


def silu(features: Any, beta: Any = 1.0) -> Expression:
    if beta == 1.0:
        return ops("silu", features)
    return ops("multiply", features, ops("sigmoid", ops("multiply", features, beta)))


def crelu(features: Any, axis: int = -1) -> Expression:
    return ops("relu", ops("concatenate", [features, ops("negative", features)], axis=axis))


def hard_sigmoid(x: Any) -> Expression:
    """0.2 x + 0.5 cut to 0 and 1; the `hard_sigmoid` of Keras 3 is another function."""
    return ops("clip", ops("add", ops("multiply", x, 0.2), 0.5), 0.0, 1.0)


def keras_relu(x: Any, alpha: float = 0.0, max_value: Any = None, threshold: float = 0.0) -> Expression:
    return layer_of("ReLU", x, negative_slope=alpha, max_value=max_value, threshold=threshold)


# keras.backend where its names or defaults are its own


def keras_concatenate(tensors: Any, axis: int = -1) -> Expression:
    return concat(tensors, axis)


def keras_argument(function: str) -> Builder:
    def build(x: Any, axis: int = -1) -> Expression:
        return ops("cast", ops(function, x, axis=axis), "int64")

    return build


def keras_batch_flatten(x: Any) -> Expression:
    return layer_of("Flatten", x)


def keras_flatten(x: Any) -> Expression:
    return ops("reshape", x, (-1,))


def keras_resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str, interpolation: str = "nearest"
) -> Expression:
    return layer_of(
        "UpSampling2D", x, size=(height_factor, width_factor), data_format=data_format, interpolation=interpolation
    )


def lost(what: str) -> NotEquivalent:
    return NotEquivalent(
        f"{what} are not in the file: tf.keras does not save them",
        hint="rebuild the model from its code and load the weights into it",
    )


_BINARY = (
    "add subtract multiply maximum minimum equal not_equal less less_equal greater greater_equal logical_and "
    "logical_or logical_xor divide_no_nan"
)
_UNARY = (
    "abs exp expm1 log log1p sqrt rsqrt square reciprocal negative sign round floor ceil sin cos tan sinh cosh tanh "
    "arcsin arccos arctan arcsinh arccosh arctanh sigmoid log_sigmoid softplus softsign relu relu6 elu selu erf erfc "
    "erfinv logical_not isnan isinf isfinite stop_gradient real imag conj angle"
)
_UNARY_NAMES = {
    "neg": "negative", "acos": "arccos", "asin": "arcsin", "atan": "arctan", "acosh": "arccosh", "asinh": "arcsinh",
    "atanh": "arctanh", "is_nan": "isnan", "is_inf": "isinf", "is_finite": "isfinite",
    "identity": "copy",
}  # fmt: skip
_BINARY_NAMES = {
    "sub": "subtract", "mul": "multiply", "floordiv": "floor_divide", "floor_div": "floor_divide", "floormod": "mod",
    "mod": "mod", "pow": "power", "gt": "greater", "ge": "greater_equal", "lt": "less", "le": "less_equal",
    "div_no_nan": "divide_no_nan",
}  # fmt: skip
_REDUCTIONS = {
    "reduce_max": "max", "reduce_min": "min", "reduce_all": "all", "reduce_any": "any", "reduce_std": "std",
    "reduce_variance": "var", "reduce_logsumexp": "logsumexp", "reduce_sum": "sum", "reduce_prod": "prod",
}  # fmt: skip


def _table() -> dict[str, Builder]:
    table: dict[str, Builder] = {}
    for name in _UNARY.split():
        table[name] = renamed(name, "x")
    for name, function in _UNARY_NAMES.items():
        table[name] = renamed(function, "x")
    for name in _BINARY.split():
        table[name] = renamed(name, "x", "y")
    for name, function in _BINARY_NAMES.items():
        table[name] = renamed(function, "x", "y")
    for name, function in _REDUCTIONS.items():
        table[name] = reduction(function)
        table[f"keras.backend.{name.removeprefix('reduce_').replace('variance', 'var')}"] = reduction(function)
    return table | {function.__name__: function for function in _NAMED} | _OTHERS


_NAMED: Sequence[Builder] = (
    add_n, boolean_mask, broadcast_to, cast, clip_by_norm, clip_by_value, concat, convert_to_tensor, count_nonzero,
    crelu, dropout, einsum, expand_dims, gather, gelu, getitem, l2_loss, l2_normalize, leaky_relu, log_softmax, matmul,
    matrix_transpose, matvec, multiply_no_nan, norm, one_hot, pad, reduce_euclidean_norm, repeat, reshape, reverse,
    roll, scalar_mul, silu, softmax, split, squared_difference, squeeze, stack, tile, trace, transpose, truediv,
    unstack, where, zero_fraction,
)  # fmt: skip
_OTHERS: dict[str, Builder] = {
    "divide": truediv,
    "div": div,
    "and": logic("logical_and"),
    "or": logic("logical_or"),
    "xor": logic("logical_xor"),
    "invert": logic("logical_not"),
    "eq": renamed("equal", "self", "other"),
    "ne": renamed("not_equal", "self", "other"),
    "reduce_mean": mean,
    "accumulate_n": add_n,
    "argmax": argument("argmax"),
    "argmin": argument("argmin"),
    "cumsum": cumulative("cumsum"),
    "cumprod": cumulative("cumprod"),
    "zeros_like": like("zeros_like"),
    "ones_like": like("ones_like"),
    "swish": silu,
    "atan2": renamed("arctan2", "y", "x"),
    "where_v2": where,
    "ensure_shape": nothing,
    "debugging.check_numerics": nothing,
    "saturate_cast": lambda value, dtype: ops("saturate_cast", value, dtype_name(dtype)),
    "tensordot": lambda a, b, axes: ops("tensordot", a, b, axes=static(axes, "the axes")),
    "top_k": renamed("top_k", "input", k="k", sorted="sorted"),
    "inv": renamed("inv", "input"),
    "det": renamed("det", "input"),
    "cholesky": renamed("cholesky", "input"),
    "cross": renamed("cross", "a", "b"),
    "diag_part": diag_part,
    "tensor_diag_part": renamed("diagonal", "input"),
    "sort": lambda values, axis=-1, direction="ASCENDING": _sorted("sort", values, axis, direction),
    "argsort": lambda values, axis=-1, direction="ASCENDING", stable=False: _sorted("argsort", values, axis, direction),
    "keras.backend.mean": mean,
    "keras.backend.abs": renamed("abs", "x"),
    "keras.backend.argmax": keras_argument("argmax"),
    "keras.backend.argmin": keras_argument("argmin"),
    "keras.backend.concatenate": keras_concatenate,
    "keras.backend.stack": lambda x, axis=0: stack(x, axis),
    "keras.backend.permute_dimensions": lambda x, pattern: transpose(x, pattern),
    "keras.backend.reshape": reshape,
    "keras.backend.flatten": keras_flatten,
    "keras.backend.batch_flatten": keras_batch_flatten,
    "keras.backend.expand_dims": lambda x, axis=-1: expand_dims(x, axis),
    "keras.backend.squeeze": squeeze,
    "keras.backend.reverse": reverse,
    "keras.backend.gather": lambda reference, indices: gather(reference, indices),
    "keras.backend.tile": lambda x, n: tile(x, n),
    "keras.backend.repeat_elements": lambda x, rep, axis: repeat(x, rep, axis),
    "keras.backend.repeat": lambda x, n: layer_of("RepeatVector", x, n=n),
    "keras.backend.one_hot": lambda indices, num_classes: one_hot(indices, num_classes),
    "keras.backend.cast": cast,
    "keras.backend.clip": lambda x, min_value, max_value: clip_by_value(x, min_value, max_value),
    "keras.backend.pow": lambda x, a: ops("power", x, a),
    "keras.backend.l2_normalize": lambda x, axis=None: l2_normalize(x, axis),
    "keras.backend.resize_images": keras_resize_images,
    "keras.backend.relu": keras_relu,
    "keras.backend.hard_sigmoid": hard_sigmoid,
    "keras.backend.softmax": lambda x, axis=-1: softmax(x, axis),
    "keras.backend.dot": lambda x, y: ops("dot", x, y),
    "keras.backend.stop_gradient": renamed("stop_gradient", "variables"),
    "keras.activations.relu": keras_relu,
    "keras.activations.hard_sigmoid": hard_sigmoid,
    "keras.activations.softmax": lambda x, axis=-1: softmax(x, axis),
    "keras.activations.gelu": lambda x, approximate=False: gelu(x, approximate),
    "keras.activations.elu": renamed("elu", "x", alpha="alpha"),
    "keras.activations.linear": renamed("copy", "x"),
}
_OTHERS |= {
    f"keras.activations.{n}": renamed(n, "x") for n in ["sigmoid", "tanh", "softplus", "softsign", "selu", "exp"]
}
_OTHERS |= {f"keras.activations.{n}": renamed("silu", "x") for n in ("swish", "silu")}
# K.sqrt takes what is negative for 0 (Keras 2.2.4, tensorflow_backend.py; backend.py of tf_keras 2.21)
_OTHERS["keras.backend.sqrt"] = lambda x: ops("sqrt", ops("maximum", x, 0.0))
_OTHERS |= {
    f"keras.backend.{n}": renamed(n, "x")
    for n in ["exp", "log", "square", "sign", "round", "sin", "cos", "tanh", "sigmoid", "softplus", "softsign"]
}
_OTHERS |= {
    f"keras.backend.{n}": renamed(n, "x", "y") for n in ["maximum", "minimum", "equal", "not_equal", "greater", "less"]
}


def _sorted(function: str, values: Any, axis: int, direction: str) -> Expression:
    if direction != "ASCENDING":
        if function == "argsort":
            raise NotEquivalent("a descending argsort orders equal values differently in Keras 3")
        return ops("flip", ops("sort", values, axis=axis), axis=axis)
    return ops(function, values, axis=axis)


FUNCTIONS: dict[str, Builder] = _table()


def build(builder: Builder, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], dtype: str | None) -> Any:
    """The expression for one call of the TensorFlow function `name`, with what the file says its arguments are.

    `dtype` is that of the first tensor, None where it is not known to differ from float. Raises `NotEquivalent` where
    arguments are missing, or there is one that matters and has no place in Keras 3.
    """
    signature = inspect.signature(builder)
    taken = {k: v for k, v in kwargs.items() if k in signature.parameters}
    if "keep_dims" in kwargs and "keepdims" in signature.parameters:
        taken.setdefault("keepdims", kwargs["keep_dims"])
    if "reduction_indices" in kwargs and taken.get("axis") is None and "axis" in signature.parameters:
        taken["axis"] = kwargs["reduction_indices"]
    known = {*taken, "name", "keep_dims", "reduction_indices", "use_cudnn_on_gpu"}
    extra = {k: v for k, v in kwargs.items() if k not in known and v is not None and v is not False}
    if extra:
        raise NotEquivalent(f"tf.{name} with {', '.join(f'{k}={v!r}' for k, v in extra.items())} has no Keras 3 form")
    if "_dtype" in signature.parameters:
        taken["_dtype"] = dtype
    try:
        bound = signature.bind(*args, **taken)
    except TypeError as error:
        raise lost(f"arguments of tf.{name} ({error})") from error
    return builder(**bound.arguments) if _by_name(signature) else builder(*bound.args, **bound.kwargs)


def _by_name(signature: inspect.Signature) -> bool:
    return all(p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for p in signature.parameters.values())
