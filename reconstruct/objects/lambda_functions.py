"""The functions of Keras and TensorFlow that Lambda layers call, as expressions of `keras.ops`.

Those that differ in nothing but names are in `rules.tf_functions`; here are the ones that take shapes, make tensors of
their own or draw random numbers. Sources: `keras/backend/tensorflow_backend.py` of Keras 2.2.4 and 2.3.1, `backend.py`
of tf.keras 2.15.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from reconstruct.artifact import Ref
from reconstruct.objects import complex_functions
from reconstruct.objects.library import Library, single
from reconstruct.objects.symbols import (
    Complex,
    MakesLayer,
    Number,
    Shape,
    Size,
    Unknown,
    Untranslatable,
    built,
    describe,
    holds_batch,
    holds_tensor,
    is_built,
    is_tensor,
    missing,
)
from reconstruct.rules.tf_expression import Expression, layer_of, ops
from reconstruct.rules.tf_functions import FUNCTIONS, canonical, dtype_name
from reconstruct.rules.tf_image_functions import IMAGE_FUNCTIONS

# In TensorFlow 1 these have the same names and take their samples elsewhere.
_CHANGED_IN_TENSORFLOW_2 = ("image.resize", "where")
# Layers without weights that code may make and call at once, with the parameters that are given by position.
_LAYERS: Mapping[str, tuple[str, ...]] = {
    "Flatten": (), "Reshape": ("target_shape",), "Permute": ("dims",), "RepeatVector": ("n",), "Softmax": ("axis",),
    "Activation": ("activation",), "ReLU": ("max_value",), "UpSampling2D": ("size",), "UpSampling1D": ("size",),
    "MaxPooling1D": ("pool_size", "strides", "padding"), "MaxPooling2D": ("pool_size", "strides", "padding"),
    "AveragePooling1D": ("pool_size", "strides", "padding"), "AveragePooling2D": ("pool_size", "strides", "padding"),
    "MaxPool2D": ("pool_size", "strides", "padding"), "GlobalAveragePooling1D": (), "GlobalAveragePooling2D": (),
    "GlobalMaxPooling1D": (), "GlobalMaxPooling2D": (), "ZeroPadding1D": ("padding",), "ZeroPadding2D": ("padding",),
    "Cropping1D": ("cropping",), "Cropping2D": ("cropping",), "Add": (), "Subtract": (), "Multiply": (), "Average": (),
    "Maximum": (), "Minimum": (), "Concatenate": ("axis",), "Dot": ("axes", "normalize"),
    "Rescaling": ("scale", "offset"),
}  # fmt: skip
_MERGES = {
    "add": "Add", "subtract": "Subtract", "multiply": "Multiply", "average": "Average", "maximum": "Maximum",
    "minimum": "Minimum", "concatenate": "Concatenate", "dot": "Dot",
}  # fmt: skip


def call(library: Library, path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What the function at `path` gives. Raises `Untranslatable` for one that has no known form in Keras 3."""
    root, _, rest = path.partition(".")
    name = rest.removeprefix("backend.") if root == "keras" else rest
    kwargs = {k: v for k, v in kwargs.items() if k != "name"}
    if path.startswith("keras.layers."):
        return _layer(library, path.rpartition(".")[2], args, kwargs)
    if path.startswith("keras.ops."):
        return _keras_op(library, path.removeprefix("keras.ops."), args, kwargs)
    if root == "tensorflow":
        name = canonical(rest)
        if rest.startswith("compat.v1.") and path not in _SPECIAL and name in _CHANGED_IN_TENSORFLOW_2:
            raise Untranslatable(f"tf.{rest} is that of TensorFlow 1, which has no known form in Keras 3")
    special = _SPECIAL.get(path) or _SPECIAL.get(f"{root}.{name}")
    if special is not None:
        return _bound(library, special, path, args, kwargs)
    if path.startswith("keras.activations.") and library.era == "keras_3":
        return _activation(library, path.rpartition(".")[2], args, kwargs)
    arguments = [single(_list_of_tensors(library.plain(a))) for a in args]
    named = {k: single(_list_of_tensors(library.plain(v))) for k, v in kwargs.items() if v is not None}
    if root == "keras":
        function = FUNCTIONS.get(f"keras.{rest}")
        if function is None and path.startswith("keras.backend.") and name in _AS_IN_TENSORFLOW:
            function = FUNCTIONS.get(name) or IMAGE_FUNCTIONS.get(name)
    elif root == "tensorflow":
        if library.era == "tensorflow_1" and name in _CHANGED_IN_TENSORFLOW_2:
            raise Untranslatable(f"tf.{name} is one function in TensorFlow 1 and another in TensorFlow 2")
        function = FUNCTIONS.get(name) or IMAGE_FUNCTIONS.get(name)
    else:
        function = None
    if function is None:
        raise Untranslatable(f"{path} has no known form in Keras 3")
    return library.build_with(function, name, arguments, named)


def _bound(library: Library, function: Callable[..., Any], path: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    try:
        inspect.signature(function).bind(library, *args, **kwargs)
    except TypeError as error:
        raise Untranslatable(f"{path} is called with other arguments than are known: {error}") from error
    return function(library, *args, **kwargs)


def _leaves(values: Any) -> list[Any]:
    return [leaf for v in values for leaf in (_leaves(v) if isinstance(v, list | tuple) else [v])]


def _list_of_tensors(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) and holds_tensor(value) else value


def _layer(library: Library, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if name in _MERGES:
        tensors, *others = args or [kwargs.pop("inputs", None)]
        made = _layer(library, _MERGES[name], others, kwargs)
        return library.call(made, [library.plain(tensors)], {})
    if name not in _LAYERS or len(args) > len(_LAYERS[name]):
        raise Untranslatable(f"it makes a layer {name} and its weights are not in the file")
    config = dict(zip(_LAYERS[name], args, strict=False)) | kwargs
    if holds_tensor(config):
        raise Untranslatable(f"the arguments of a layer {name} are computed by the model itself")
    return MakesLayer(name, {k: library.plain(v) for k, v in config.items()})


def _keras_op(library: Library, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    if name == "shape":
        return Shape(*args)
    if name == "reshape":
        return _bound(library, reshape, name, args, {{"newshape": "shape"}.get(k, k): v for k, v in kwargs.items()})
    if name in _WITH_A_SHAPE and holds_tensor([args, kwargs]):
        return _bound(library, _WITH_A_SHAPE[name], name, args, {k: v for k, v in kwargs.items() if v is not None})
    if name in _NOT_OPERATIONS:
        raise Untranslatable(f"keras.ops.{name} has no form in a saved model")
    if name in ("convert_to_tensor", "array") and not holds_tensor(args):
        return constant(library, *args, **kwargs)
    return Expression(
        name,
        tuple(_argument(library.plain(a)) for a in args),
        {k: _argument(library.plain(v)) for k, v in kwargs.items()},
    )


def _activation(library: Library, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Keras 3 has the activations as operations of the same names (activations/activations.py)."""
    if name not in _ACTIVATIONS or len(args) != 1 or set(kwargs) - {"axis"}:
        raise Untranslatable(f"keras.activations.{name} with these arguments has no known form")
    if name == "linear":
        return args[0]
    if name == "gelu":  # the operation approximates it unless it is told not to
        return ops("gelu", library.operand(args[0]), approximate=False)
    return _keras_op(library, {"swish": "silu", "exponential": "exp"}.get(name, name), args, kwargs)


_ACTIVATIONS = frozenset(
    "elu exponential gelu hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid log_softmax relu relu6 selu "
    "sigmoid silu soft_shrink softmax softplus softsign swish tanh tanh_shrink".split()
)
_NOT_OPERATIONS = (
    "cond",
    "while_loop",
    "fori_loop",
    "scan",
    "map",
    "vectorized_map",
    "switch",
    "custom_gradient",
    "convert_to_numpy",
)


def _argument(value: Any) -> Any:
    """Lists of numbers as tuples, since lists are those of tensors."""
    if isinstance(value, list | tuple):
        return list(value) if holds_tensor(value) and not _shape_like(value) else tuple(value)
    return value


def _shape_like(value: Sequence[Any]) -> bool:
    return any(isinstance(v, int) or is_built(v) for v in value)


# Shapes


def shape_of(library: Library, x: Any, out_type: Any = None) -> Any:
    if not is_tensor(x):
        raise Untranslatable(f"it takes the shape of {describe(x)}")
    return Shape(x)


def reshape(library: Library, tensor: Any, shape: Any) -> Any:
    sizes = _sizes(shape)
    if is_tensor(tensor):
        if isinstance(sizes[0], Shape) and sizes[0].start == 0:  # the first number is that of the batch
            sizes = [-1, Shape(sizes[0].of, 1, sizes[0].stop), *sizes[1:]]
        open_ = [i for i, n in enumerate(sizes) if n is None or holds_batch(n)]
        if not open_:
            return _reshaped(tensor, sizes)
        if len(open_) == 1 and -1 not in sizes:
            return _reshaped(tensor, [-1 if i in open_ else n for i, n in enumerate(sizes)])
        first = sizes[0]
        if open_ == [0] and isinstance(first, Size) and first.of is tensor and first.divisor == 1:
            # The batch stays what it is and another length is open, which is what the layer is for.
            if holds_tensor(sizes[1:]):
                raise Untranslatable("it calculates a shape with sizes of its input")
            return layer_of("Reshape", tensor, target_shape=tuple(sizes[1:]))
    elif not holds_tensor(sizes) and isinstance(tensor, np.ndarray | list | tuple):
        return np.reshape(np.asarray(tensor), [int(n) for n in sizes])
    raise Untranslatable("it reshapes to sizes that are not known in advance")


def _reshaped(tensor: Any, sizes: Sequence[Any]) -> Expression:
    if any(isinstance(n, Shape) for n in sizes):
        return ops("build.reshape", tensor, *built(list(sizes)))
    return ops("reshape", tensor, built(tuple(sizes)))


def _sizes(shape: Any) -> list[Any]:
    """The numbers of a shape; `Size` where they are those of a tensor, `Unknown` where they are not in the file."""
    if isinstance(shape, Shape):
        return [shape]
    if isinstance(shape, np.ndarray):
        shape = shape.tolist()
    if isinstance(shape, Expression) and shape.function in ("stack", "concatenate"):
        shape = shape.args[0]
    if isinstance(shape, int | Size | Number):
        shape = [shape]
    if not isinstance(shape, list | tuple):
        raise Untranslatable(f"it reshapes to {describe(shape)}")
    sizes = [n.item() if isinstance(n, np.generic) else n for n in shape]
    for n in sizes:
        if isinstance(n, Unknown):
            raise missing(n.name)
        if n is not None and not isinstance(n, int | Size | Number | Shape):
            raise Untranslatable(f"{describe(n)} is in a shape")
    return sizes


def stack(library: Library, values: Any, axis: Any = 0) -> Any:
    parts = library.iterate(values) if not is_tensor(values) else None
    whole = parts is not None and not any(is_tensor(v) for v in parts)
    if whole and any(isinstance(v, Size | Number | int) for v in parts or ()):
        return parts  # a shape, put together
    return _table("stack", library, values, axis=axis)


def concat(library: Library, values: Any, axis: Any = -1, concat_dim: Any = None) -> Any:
    if isinstance(values, int) and isinstance(axis, list | tuple):  # the order of TensorFlow before 1.0
        values, axis = axis, values
    parts = list(values) if isinstance(values, list | tuple) else None
    if (
        parts is not None
        and all(isinstance(v, list | tuple | Shape) for v in parts)
        and not any(map(is_tensor, _leaves(parts)))
    ):
        return _leaves(parts)
    return _table("concat", library, values, axis=axis if concat_dim is None else concat_dim)


def _table(name: str, library: Library, *args: Any, **kwargs: Any) -> Any:
    return library.build(name, [_list_of_tensors(library.plain(a)) for a in args], kwargs)


def flatten_all(library: Library, x: Any) -> Any:
    return ops("reshape", x, (-1,))


# Constants


def constant(library: Library, value: Any, dtype: Any = None, shape: Any = None, name: Any = None) -> Any:
    kind = None if dtype is None else dtype_name(library.plain(dtype))
    value = library.plain(value)
    if is_tensor(value):
        return value if kind is None else ops("cast", value, kind)
    if holds_tensor(value):
        return library.build("stack", [list(value)])
    if kind is None and shape is None and isinstance(value, int | float):
        return value
    array = np.asarray(value)
    array = array.astype(kind or _default(array))
    return array if shape is None else np.full([int(n) for n in _sizes(shape)], array, array.dtype)


def _default(array: np.ndarray) -> str:
    """The dtype that TensorFlow gives to numbers of Python."""
    return {"f": "float32", "i": "int32"}.get(array.dtype.kind, array.dtype.name)


def filled(number: float) -> Callable[..., Any]:
    def build(library: Library, shape: Any, dtype: Any = None, name: Any = None) -> Any:
        kind = "float32" if dtype is None else dtype_name(library.plain(dtype))
        if isinstance(shape, Shape):
            return ops("ones_like" if number else "zeros_like", shape.of, dtype=kind)
        sizes = _sizes(shape)
        if not holds_tensor(sizes):
            return np.full([int(n) for n in sizes], number, kind)
        zeros = _zeros(library, sizes, kind)
        return ops("add", zeros, np.asarray(number, kind)) if number else zeros

    return build


def _zeros(library: Library, sizes: Sequence[Any], kind: str = "float32") -> Any:
    """Zeros of a shape that starts with the batch."""
    first, *others = sizes
    if not isinstance(first, Size) or not first.batch or any(isinstance(n, Size) and n.batch for n in others):
        raise Untranslatable("it makes a tensor whose shape is not known in advance")
    column = ops("get_item", layer_of("Flatten", first.of), (slice(None), slice(0, 1)))
    zeros = ops("reshape", ops("zeros_like", column, dtype=kind), (-1, *[1] * len(others)))
    if all(n == 1 for n in others):
        return zeros
    return ops("tile", zeros, (1, *(library.plain(n) for n in others)))


def tile(library: Library, x: Any, n: Any) -> Any:
    if isinstance(x, np.ndarray) or not holds_tensor(x):
        array = np.asarray(library.plain(x))
        array = array.astype(_default(array))
        sizes = _sizes(n)
        if isinstance(sizes[0], Size) and sizes[0].batch and array.ndim and array.shape[0] == 1:
            rest = np.tile(array, (1, *(int(s) for s in sizes[1:]))) if not holds_tensor(sizes[1:]) else None
            if rest is not None:
                return ops("add", _zeros(library, [sizes[0], *[1] * (array.ndim - 1)], array.dtype.name), rest)
        raise Untranslatable("it repeats a constant in a way that is not known in advance")
    sizes = _sizes(n)
    if isinstance(sizes[0], Size) and sizes[0].batch and not holds_batch(sizes[1:]):
        # One row for each sample; that it is one is only known when the model is built.
        zeros = _zeros(library, [sizes[0], *[1] * (len(sizes) - 1)], library.dtype(x) or "float32")
        return ops("add", zeros, ops("tile", ops("build.row", x), (1, *built(sizes[1:]))))
    return library.build("tile", [x, [library.plain(size) for size in sizes]])


# Random numbers. `GaussianNoise` draws them anew in every call and needs no code of ours in the file. It is called in
# a Lambda layer with training=True, since Keras 3 hands its own `training` to every layer of a functional model that
# takes it (models/functional.py, `operation_fn`), and would draw nothing at inference.
_NOISE = {
    "function": {
        "module": "keras.layers",
        "class_name": "GaussianNoise",
        "config": {"name": "noise", "stddev": 1.0},
        "registered_name": None,
    },
    "arguments": {"training": True},
}


def normal(
    library: Library, shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None,
    std: Any = None, name: Any = None,
) -> Any:  # fmt: skip
    library.random = True
    noise = layer_of("Lambda", _noise_zeros(library, shape), **_NOISE)
    return _scaled(library, noise, mean, stddev if std is None else std)


def uniform(
    library: Library, shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None,
    low: Any = None, high: Any = None, name: Any = None,
) -> Any:  # fmt: skip
    low, high = (minval if low is None else low), (maxval if high is None else high)
    # The normal distribution function of a normal number is uniform.
    flat = ops("multiply", ops("add", ops("erf", ops("multiply", normal(library, shape), 0.5**0.5)), 1.0), 0.5)
    return _scaled(library, flat, low, library.binary("-", 1.0 if high is None else high, low))


def binomial(library: Library, shape: Any, p: Any = 0.0, dtype: Any = None, seed: Any = None, name: Any = None) -> Any:
    """1 where a uniform number is not above `p` (`random_binomial` of backend/tensorflow_backend.py of Keras 2.2.4)."""
    kind = "float32" if dtype is None else dtype_name(library.plain(dtype))
    return ops("cast", ops("less_equal", uniform(library, shape), library.operand(p)), kind)


def _scaled(library: Library, noise: Any, mean: Any, scale: Any) -> Any:
    noise = noise if _is_number(scale, 1) else library.binary("*", noise, scale)
    return noise if _is_number(mean, 0) else library.binary("+", noise, mean)


def _is_number(value: Any, number: float) -> bool:
    return isinstance(value, int | float) and value == number


def _noise_zeros(library: Library, shape: Any) -> Any:
    if isinstance(shape, Shape):
        return ops("zeros_like", shape.of)
    if not isinstance(shape, list | tuple) or not shape:
        raise Untranslatable(f"random numbers of the shape {describe(shape)}")
    unknown = [n.name for n in shape if isinstance(n, Unknown)]
    of = next((n.of for n in shape if isinstance(n, Size)), Ref("@", 0, 0))
    if unknown:
        # What is multiplied with and added to the tensor has its width, or the original would not have run.
        library.assume(f"{' and '.join(unknown)} {'are sizes' if len(unknown) > 1 else 'is the size'} of its input")
        shape = [Size(of, i) if isinstance(n, Unknown) else n for i, n in enumerate(shape)]
    sizes = _sizes(shape)
    if holds_tensor(sizes):
        return _zeros(library, sizes)
    return ops("broadcast_to", ops("zeros_like", ops("max", of)), tuple(int(n) for n in sizes))


# Functions of keras.backend that are calculated otherwise than their namesakes of TensorFlow


def batch_dot(library: Library, x: Any, y: Any, axes: Any = None) -> Any:
    if axes is None:
        return ops("build.batch_dot", x, y, library.era == "tensorflow_1")
    axes = library.plain(axes)
    return layer_of("Dot", [x, y], axes=axes if isinstance(axes, int) else [int(a) for a in axes])


def in_train_phase(library: Library, x: Any, alt: Any, training: Any = None) -> Any:
    library.assume("what it does only while it is trained is left out")
    return alt if not hasattr(alt, "code") else library.call(alt, [], {})


def in_test_phase(library: Library, x: Any, alt: Any, training: Any = None) -> Any:
    return in_train_phase(library, alt, x)


def ctc_batch_cost(library: Library, y_true: Any, y_pred: Any, input_length: Any, label_length: Any) -> Any:
    """The blank is the last class, and the probabilities get the epsilon of Keras."""
    labels, inputs = (ops("cast", ops("squeeze", v, -1), "int32") for v in (label_length, input_length))
    logits = ops("log", ops("add", y_pred, 1e-7))
    loss = Expression("ctc_loss", (ops("cast", y_true, "int32"), logits, labels, inputs), {"mask_index": -1})
    return ops("expand_dims", loss, axis=1)


def switch(library: Library, condition: Any, then_expression: Any, else_expression: Any) -> Any:
    branches = [library.call(b, [], {}) if hasattr(b, "code") else b for b in (then_expression, else_expression)]
    if not is_tensor(condition):
        return branches[0 if library.truth(condition) else 1]
    return _table("where", library, condition, *branches)


def spatial_2d_padding(library: Library, x: Any, padding: Any = ((1, 1), (1, 1)), data_format: Any = None) -> Any:
    return layer_of("ZeroPadding2D", x, padding=padding)


def temporal_padding(library: Library, x: Any, padding: Any = (1, 1)) -> Any:
    return layer_of("ZeroPadding1D", x, padding=padding)


def image_data_format(library: Library, value: str) -> str:
    library.assume("the channels of images are their last axis")
    return value


def resize_images(
    library: Library, x: Any, height_factor: Any, width_factor: Any, data_format: Any = None,
    interpolation: Any = "nearest", dim_ordering: Any = None,
) -> Any:  # fmt: skip
    given = data_format or dim_ordering or image_data_format(library, "channels_last")
    format_ = {"tf": "channels_last", "th": "channels_first"}.get(given, given)
    factors = (height_factor, width_factor)
    return layer_of("UpSampling2D", x, size=factors, data_format=format_, interpolation=interpolation)


def reverse(library: Library, x: Any, axes: Any) -> Any:
    return _table("reverse", library, x, axes)


def pool2d(
    library: Library, x: Any, pool_size: Any, strides: Any = (1, 1), padding: Any = "valid", data_format: Any = None,
    pool_mode: Any = "max",
) -> Any:  # fmt: skip
    kind = {"max": "MaxPooling2D", "avg": "AveragePooling2D"}.get(pool_mode)
    if kind is None:
        raise Untranslatable(f"it pools by {describe(pool_mode)}")
    return layer_of(kind, x, pool_size=pool_size, strides=strides, padding=padding)


def local_response_normalization(
    library: Library, input: Any, depth_radius: Any = 5, bias: Any = 1.0, alpha: Any = 1.0, beta: Any = 0.5,
    name: Any = None,
) -> Any:  # fmt: skip
    """Divided by the squares of the channels around each (tensorflow/core/kernels/lrn_op.cc)."""
    if not isinstance(depth_radius, int) or not 0 <= depth_radius <= 64:
        raise Untranslatable("it normalises over a number of channels that is not known")
    squares = ops("pad", ops("square", input), ((0, 0), (0, 0), (0, 0), (depth_radius, depth_radius)))
    total: Any = None
    for i in range(2 * depth_radius + 1):
        part = ops("get_item", squares, (Ellipsis, slice(i, i - 2 * depth_radius or None)))
        total = part if total is None else ops("add", total, part)
    return ops("divide", input, ops("power", library.binary("+", library.binary("*", total, alpha), bias), beta))


def elu(library: Library, x: Any, alpha: Any = 1.0) -> Any:
    return ops("elu", x) if _is_number(alpha, 1) else Expression("elu", (x,), {"alpha": alpha})


def tf_range(
    library: Library, start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None, name: Any = None
) -> Any:
    if dtype is None:
        whole = not any(isinstance(n, float) for n in (start, limit, delta))
        dtype = "int32" if whole else "float32"
    return arange(library, start, limit, delta, dtype)


def arange(library: Library, start: Any, stop: Any = None, step: Any = 1, dtype: Any = "int32") -> Any:
    bounds = (0, start) if stop is None else (start, stop)
    if holds_batch(bounds):
        first, last = bounds
        if first != 0 or step != 1 or not isinstance(last, Size):
            raise Untranslatable("it counts the samples of a batch in a way that is not known")
        ones = ops("add", _zeros(library, [last], "int32"), np.asarray(1, "int32"))
        return _as(ops("subtract", ops("cumsum", ones, axis=0), np.asarray(1, "int32")), library, dtype)
    if holds_tensor(bounds) and isinstance(step, int | float):
        return ops("build.arange", *built(bounds), step, dtype_name(library.plain(dtype)))
    if not all(isinstance(n, int | float) and abs(n) < 1e6 for n in (*bounds, step)) or step == 0:
        raise Untranslatable("the length of a range is not known in advance")
    return np.arange(bounds[0], bounds[1], step).astype(dtype_name(library.plain(dtype)))


def _as(x: Any, library: Library, dtype: Any) -> Any:
    kind = dtype_name(library.plain(dtype))
    return x if kind == "int32" else ops("cast", x, kind)


def eye(library: Library, size: Any, dtype: Any = None, name: Any = None) -> Any:
    if not isinstance(size, int) or size > 4096:
        raise Untranslatable("the size of a matrix is not known in advance")
    return np.eye(size, dtype="float32" if dtype is None else dtype_name(library.plain(dtype)))


def slice_of(library: Library, x: Any, start: Any, size: Any) -> Any:
    key = []
    for first, length in zip(library.iterate(start), library.iterate(size), strict=True):
        whole = isinstance(length, Size) and length.batch and first == 0
        if not whole and holds_batch([first, length]):
            raise Untranslatable("it takes a part of the batch")
        stop = None if whole or (isinstance(length, int) and length == -1) else library.binary("+", first, length)
        key.append(slice(first, stop))
    return library.item(x, tuple(key))


def strided_slice(
    library: Library, input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    name: Any = None,
) -> Any:  # fmt: skip
    begin, end = library.iterate(begin), library.iterate(end)
    steps = [1] * len(begin) if strides is None else library.iterate(strides)
    if holds_batch([begin, end]):
        raise Untranslatable("it takes a part of the batch")
    key = tuple(
        slice(None if begin_mask >> i & 1 else first, None if end_mask >> i & 1 else last, step)
        for i, (first, last, step) in enumerate(zip(begin, end, steps, strict=True))
    )
    return library.item(input_, key)


def gather(
    library: Library, params: Any, indices: Any, validate_indices: Any = None, axis: Any = None, batch_dims: Any = 0,
    name: Any = None,
) -> Any:  # fmt: skip
    if batch_dims == 1 and axis in (None, 1):
        return ops("build.batch_gather", library.operand(params), library.operand(indices))
    return library.build("gather", [params, library.plain(indices)], {"axis": axis, "batch_dims": batch_dims})


def gather_nd(library: Library, params: Any, indices: Any, batch_dims: Any = 0) -> Any:
    if batch_dims != 0 or not is_tensor(params):
        raise Untranslatable("it gathers in a way that has no Keras 3 form")
    return ops("build.gather_nd", params, library.operand(indices))


def fill(library: Library, dims: Any, value: Any, name: Any = None) -> Any:
    number = library.operand(value)
    kind = library.dtype(number) or ("int32" if isinstance(number, int) else "float32")
    return library.binary("+", filled(0)(library, dims, kind), np.asarray(number, kind))


def band_part(library: Library, input: Any, num_lower: Any, num_upper: Any, name: Any = None) -> Any:
    """Triangles of matrices; other bands only of constants."""
    if isinstance(input, np.ndarray) and input.ndim == 2 and all(isinstance(n, int) for n in (num_lower, num_upper)):
        rows, columns = np.indices(input.shape)
        lower = (num_lower < 0) | (rows - columns <= num_lower)
        return np.where(lower & ((num_upper < 0) | (columns - rows <= num_upper)), input, np.zeros_like(input))
    function = {(-1, 0): "tril", (0, -1): "triu"}.get((num_lower, num_upper))
    if function is None:
        raise Untranslatable("it takes a band of a matrix that is no triangle")
    return ops(function, library.operand(input))


def broadcast_to(library: Library, input: Any, shape: Any, name: Any = None) -> Any:
    if isinstance(shape, Shape) and shape.start == 0 and shape.stop is None and is_tensor(input):
        kind = library.dtype(input)
        if kind == "bool":
            return ops("logical_or", input, ops("zeros_like", shape.of, dtype="bool"))
        return ops("add", input, ops("zeros_like", shape.of, dtype=kind or "float32"))
    return library.build("broadcast_to", [input, library.plain(shape)])


def cast(library: Library, x: Any, dtype: Any, name: Any = None) -> Any:
    if complex_functions.is_complex(dtype):
        return complex_functions.pair(library, x)
    if isinstance(x, Complex):
        x = x.real  # as TensorFlow does
    kind = dtype_name(library.plain(dtype))
    if isinstance(x, Size | Number) and not x.batch and kind.startswith("int"):
        return Number(ops("build.whole", built(x)))
    if not is_tensor(x) and not holds_tensor(x) and isinstance(x, np.ndarray | list | tuple):
        return np.asarray(library.plain(x)).astype(kind)
    return ops("cast", _list_to_tensor(library, x), kind)


def _list_to_tensor(library: Library, x: Any) -> Any:
    return (
        library.build("stack", [[library.operand(v) for v in x]]) if isinstance(x, list | tuple) else library.operand(x)
    )


def resize_v1(
    library: Library, images: Any, size: Any, method: Any = "bilinear", align_corners: Any = False,
    preserve_aspect_ratio: Any = False, name: Any = None, half_pixel_centers: Any = False,
) -> Any:  # fmt: skip
    """Of TensorFlow 1, or of `tf.compat.v1`."""
    kind = {0: "bilinear", 1: "nearest"}.get(method, method)
    if kind not in ("bilinear", "nearest") or preserve_aspect_ratio or half_pixel_centers:
        raise Untranslatable(f"resizing images by {describe(method)} of TensorFlow 1 has no Keras 3 form")
    height, width = library.iterate(size)
    known = library.dtype(images)
    x = ops("cast", images, "float32") if kind == "bilinear" and known not in (None, "float32") else images
    return ops("build.resize_v1", x, built(height), built(width), kind, bool(align_corners))


def resize_one(kind: str) -> Callable[..., Any]:
    def build(
        library: Library, images: Any, size: Any, align_corners: Any = False, name: Any = None,
        half_pixel_centers: Any = False,
    ) -> Any:  # fmt: skip
        if half_pixel_centers and not align_corners:
            arguments = {"method": kind}
            return library.build_with(
                IMAGE_FUNCTIONS["image.resize"], "image.resize", [images, library.plain(size)], arguments
            )
        return resize_v1(library, images, size, kind, align_corners, half_pixel_centers=half_pixel_centers)

    return build


def rot90(library: Library, image: Any, k: Any = 1, name: Any = None) -> Any:
    if not isinstance(k, int):
        raise Untranslatable("how often an image is turned is not known in advance")
    turned = image if k % 2 == 0 else ops("transpose", image, axes=(0, 2, 1, 3))
    flipped: dict[int, tuple[int, ...]] = {0: (), 1: (1,), 2: (1, 2), 3: (2,)}
    axes = flipped[k % 4]
    return ops("flip", turned, axis=axes) if axes else turned


def central_crop(library: Library, image: Any, central_fraction: Any) -> Any:
    if not isinstance(central_fraction, int | float):
        raise Untranslatable("the part of an image is not known in advance")
    return ops("build.central_crop", image, central_fraction)


def crop_or_pad(library: Library, image: Any, target_height: Any, target_width: Any) -> Any:
    return ops("build.crop_or_pad", image, built(target_height), built(target_width))


def conv(
    library: Library, rank: int, x: Any, kernel: Any, strides: Any, padding: Any, data_format: Any, rate: Any
) -> Any:
    if data_format not in (None, "channels_last") or padding not in ("valid", "same"):
        raise Untranslatable("a convolution with these arguments has no known form")
    if data_format is None:
        image_data_format(library, "channels_last")
    kernel = library.operand(kernel)
    return ops("conv", x, kernel, strides=strides, padding=padding, dilation_rate=rate, data_format="channels_last")


def conv1d(
    library: Library, x: Any, kernel: Any, strides: Any = 1, padding: Any = "valid", data_format: Any = None,
    dilation_rate: Any = 1,
) -> Any:  # fmt: skip
    return conv(library, 1, x, kernel, strides, padding, data_format, dilation_rate)


def conv2d(
    library: Library, x: Any, kernel: Any, strides: Any = (1, 1), padding: Any = "valid", data_format: Any = None,
    dilation_rate: Any = (1, 1),
) -> Any:  # fmt: skip
    return conv(library, 2, x, kernel, strides, padding, data_format, dilation_rate)


def cast_to(kind: str) -> Callable[..., Any]:
    return lambda library, x: ops("cast", x, kind)


def identity(library: Library, x: Any) -> Any:
    return x


def rank(library: Library, input: Any) -> Any:
    return len(input.shape) if isinstance(input, np.ndarray) else library.rank(Shape(input))


def dropout(library: Library, x: Any, *args: Any, **kwargs: Any) -> Any:
    raise Untranslatable("it drops at random at inference, too", hint="was a Dropout layer meant?")


def _value(value: Any) -> Callable[..., Any]:
    return lambda library: value


# Operations of Keras 3 whose shape may be that of a tensor.
_WITH_A_SHAPE: dict[str, Callable[..., Any]] = {
    "ones": filled(1),
    "zeros": filled(0),
    "broadcast_to": lambda library, x, shape: broadcast_to(library, x, shape),
    "arange": lambda library, start, stop=None, step=1, dtype=None: tf_range(library, start, stop, step, dtype),
}
_SPECIAL: dict[str, Callable[..., Any]] = {
    **complex_functions.FUNCTIONS,
    "keras.shape": shape_of,
    "keras.int_shape": shape_of,
    "keras.ndim": rank,
    "keras.reshape": reshape,
    "keras.concatenate": lambda library, tensors, axis=-1: concat(library, tensors, axis),
    "keras.stack": lambda library, x, axis=0: stack(library, x, axis),
    "keras.constant": constant,
    "keras.variable": constant,
    "keras.zeros": filled(0),
    "keras.ones": filled(1),
    "keras.tile": tile,
    "keras.epsilon": _value(1e-7),
    "keras.floatx": _value("float32"),
    "keras.image_data_format": lambda library: image_data_format(library, "channels_last"),
    "keras.image_dim_ordering": lambda library: image_data_format(library, "tf"),
    "keras.resize_images": resize_images,
    "keras.backend": _value("tensorflow"),
    "keras.learning_phase": _value(False),
    "keras.random_normal": normal,
    "keras.random_normal_variable": lambda library, shape, mean, scale, **_: normal(library, shape, mean, scale),
    "keras.random_uniform": uniform,
    "keras.random_binomial": binomial,
    "keras.random_bernoulli": binomial,
    # `dim` in Keras 1
    "keras.expand_dims": lambda library, x, axis=-1, dim=None: library.build(
        "expand_dims", [library.operand(x), library.plain(axis if dim is None else dim)]
    ),
    "keras.random.normal": normal,
    "keras.random.uniform": uniform,
    "keras.batch_dot": batch_dot,
    "keras.in_train_phase": in_train_phase,
    "keras.in_test_phase": in_test_phase,
    "keras.ctc_batch_cost": ctc_batch_cost,
    "keras.switch": switch,
    "keras.spatial_2d_padding": spatial_2d_padding,
    "keras.temporal_padding": temporal_padding,
    "keras.elu": elu,
    "keras.arange": arange,
    "keras.eye": eye,
    "keras.slice": slice_of,
    "keras.reverse": reverse,
    "keras.pool2d": pool2d,
    "keras.identity": identity,
    "keras.dropout": dropout,
    "keras.cast": cast,
    "keras.cast_to_floatx": lambda library, x: cast(library, x, "float32"),
    "keras.gather": lambda library, reference, indices: gather(library, reference, indices),
    "keras.print_tensor": lambda library, x, message="", summarize=3: x,
    "keras.conv1d": conv1d,
    "keras.conv2d": conv2d,
    "keras.transpose": lambda library, x: ops("transpose", x),
    "tensorflow.shape": shape_of,
    "tensorflow.rank": rank,
    "tensorflow.reshape": reshape,
    "tensorflow.concat": concat,
    "tensorflow.stack": stack,
    "tensorflow.pack": stack,
    "tensorflow.constant": constant,
    "tensorflow.Variable": constant,
    "tensorflow.convert_to_tensor": constant,
    "tensorflow.zeros": filled(0),
    "tensorflow.ones": filled(1),
    "tensorflow.tile": lambda library, input, multiples: tile(library, input, multiples),
    "tensorflow.random.normal": normal,
    "tensorflow.random_normal": normal,
    "tensorflow.random.uniform": uniform,
    "tensorflow.random_uniform": uniform,
    "tensorflow.range": tf_range,
    "tensorflow.cast": cast,
    "tensorflow.gather": gather,
    "tensorflow.gather_nd": lambda library, params, indices, batch_dims=0, name=None: gather_nd(
        library, params, indices, batch_dims
    ),
    "tensorflow.batch_gather": lambda library, params, indices: gather(library, params, indices, batch_dims=1),
    "tensorflow.fill": fill,
    "tensorflow.band_part": band_part,
    "tensorflow.matrix_band_part": band_part,
    "tensorflow.broadcast_to": broadcast_to,
    "tensorflow.strided_slice": strided_slice,
    "tensorflow.Print": lambda library, input_, data=None, message=None, first_n=None, summarize=None: input_,
    "tensorflow.image.resize_images": resize_v1,
    "tensorflow.compat.v1.image.resize": resize_v1,
    "tensorflow.compat.v1.image.resize_images": resize_v1,
    "tensorflow.image.resize_bilinear": resize_one("bilinear"),
    "tensorflow.image.resize_nearest_neighbor": resize_one("nearest"),
    "tensorflow.image.rot90": rot90,
    "tensorflow.image.central_crop": central_crop,
    "tensorflow.image.resize_with_crop_or_pad": crop_or_pad,
    "tensorflow.image.resize_image_with_crop_or_pad": crop_or_pad,
    "tensorflow.eye": eye,
    "tensorflow.slice": lambda library, input_, begin, size: slice_of(library, input_, begin, size),
    "tensorflow.to_float": cast_to("float32"),
    "tensorflow.to_int32": cast_to("int32"),
    "tensorflow.to_int64": cast_to("int64"),
    "tensorflow.local_response_normalization": local_response_normalization,
    "tensorflow.lrn": local_response_normalization,
    "tensorflow.dropout": dropout,
}
# Functions of keras.backend that are those of TensorFlow, with its parameters in the same order.
_AS_IN_TENSORFLOW = frozenset(
    "zeros_like ones_like less less_equal greater_equal cumsum cumprod tanh cos sin stop_gradient bias_add".split()
)
# What programs import by name and call without the module.
DIRECT: Mapping[str, str] = {
    **{
        name: f"keras.backend.{name}"
        for name in (
            "batch_dot batch_flatten concatenate ctc_batch_cost epsilon exp int_shape l2_normalize permute_dimensions "
            "repeat_elements sqrt square"
        ).split()
    },
    **{
        name: f"tensorflow.{name}"
        for name in "concat depth_to_space reduce_max reduce_mean reduce_min reduce_sum space_to_depth".split()
    },
}

# `build` and `_bound` ask for the signature in every call. It is found once, here, and not while a file is read.
for _function in (*FUNCTIONS.values(), *IMAGE_FUNCTIONS.values(), *_SPECIAL.values(), *_WITH_A_SHAPE.values()):
    if not hasattr(_function, "__signature__"):
        _function.__signature__ = inspect.signature(_function)  # type: ignore[attr-defined]
