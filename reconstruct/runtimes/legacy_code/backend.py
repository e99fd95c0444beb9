"""`keras.backend` as it was up to Keras 2.15, on Keras 3 with TensorFlow.

Most of it is in Keras 3 still (keras/src/legacy/backend.py); here is what is not, or takes no variables of Keras 3.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.legacy import backend as legacy

from reconstruct.runtimes import old_tensorflow
from reconstruct.runtimes.legacy_code import initializing
from reconstruct.runtimes.legacy_code.layer import in_call, training

OWN: dict[str, Any] = {}


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    OWN[function.__name__.rstrip("_")] = function
    return function


def get(name: str) -> Any:
    """The function of that name. Raises `AttributeError` where no Keras had it."""
    if name in OWN:
        return OWN[name]
    for module in (legacy, keras.backend, keras.config):
        found = getattr(module, name, None)
        if found is not None and not (isinstance(found, types.ModuleType)):
            return _taking_variables(name, found) if module is legacy else found
    raise AttributeError(f"keras.backend has no {name!r}")


@functools.cache
def _taking_variables(name: str, function: Any) -> Any:
    if not callable(function) or isinstance(function, type):
        return function

    @functools.wraps(function)
    def taking(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_tensor, args), **{k: _tensor(v) for k, v in kwargs.items()})

    return taking


def _tensor(value: Any) -> Any:
    if isinstance(value, keras.Variable):
        return tf.convert_to_tensor(value)
    if type(value) in (list, tuple) and any(isinstance(v, keras.Variable) for v in value):
        return [_tensor(v) for v in value]
    return value


def _floating(value: Any) -> Any:
    """A tensor of what may be a number: Keras 2's functions took those."""
    return value if tf.is_tensor(value) else tf.convert_to_tensor(_tensor(value))


@_own
def int_shape(x: Any) -> Any:
    shape = getattr(x, "shape", None)
    if isinstance(shape, tf.TensorShape):
        return tuple(shape.as_list()) if shape.rank is not None else None
    return tuple(shape) if shape is not None else None


@_own
def variable(value: Any, dtype: Any = None, name: Any = None, constraint: Any = None) -> Any:
    array = tf.convert_to_tensor(value, dtype or (None if hasattr(value, "dtype") else keras.config.floatx()))
    if dtype is None and array.dtype == tf.float64:
        array = tf.cast(array, keras.config.floatx())
    return initializing.variable(array, name=name)


@keras.saving.register_keras_serializable("reconstruct", "hard_sigmoid_of_keras_2")
def _hard_sigmoid(x: Any) -> Any:
    """0.2 x + 0.5 (Keras 2.15, backend.py), under a name of its own: layers that are copied by their config, as in a
    Bidirectional, would get that of Keras 3."""
    return legacy.hard_sigmoid(_floating(x))


OWN["hard_sigmoid"] = _hard_sigmoid


def _filled(make: Callable[..., Any]) -> Callable[..., Any]:
    """A tensor while a layer is called; outside it, as Keras 1 and 2 gave for a known shape, a variable."""

    def filled(shape: Any, dtype: Any = None, name: Any = None) -> Any:
        dtype = dtype or keras.config.floatx()
        if in_call() or tf.is_tensor(shape) or any(tf.is_tensor(n) or n is None for n in shape):
            return make(shape, dtype)
        return variable(make(initializing.shape(shape), dtype), dtype, name)

    return filled


OWN["zeros"] = _filled(lambda shape, dtype: tf.zeros(shape, dtype))
OWN["ones"] = _filled(lambda shape, dtype: tf.ones(shape, dtype))


@_own
def get_value(x: Any) -> Any:
    return keras.ops.convert_to_numpy(x)


@_own
def set_value(x: Any, value: Any) -> None:
    x.assign(value)


@_own
def batch_get_value(tensors: Any) -> Any:
    return [get_value(x) for x in tensors]


@_own
def batch_set_value(pairs: Any) -> None:
    for x, value in pairs:
        x.assign(value)


OWN["eval"] = get_value


@_own
def count_params(x: Any) -> int:
    return int(np.prod(int_shape(x)))


@_own
def update(x: Any, new_x: Any) -> Any:
    return x.assign(_tensor(new_x))


@_own
def update_add(x: Any, increment: Any) -> Any:
    return x.assign_add(_tensor(increment))


@_own
def update_sub(x: Any, decrement: Any) -> Any:
    return x.assign_sub(_tensor(decrement))


@_own
def moving_average_update(x: Any, value: Any, momentum: Any) -> Any:
    return x.assign(x * momentum + _tensor(value) * (1.0 - momentum))


@_own
def random_uniform_variable(shape: Any, low: Any = 0, high: Any = 1, dtype: Any = None, **options: Any) -> Any:
    return variable(np.random.uniform(low, high, initializing.shape(shape)).astype(dtype or "float32"), dtype)


@_own
def random_normal_variable(shape: Any, mean: Any = 0, scale: Any = 1, dtype: Any = None, **options: Any) -> Any:
    return variable(np.random.normal(mean, scale, initializing.shape(shape)).astype(dtype or "float32"), dtype)


def _random(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keras 1 called the deviation `std`."""

    def drawn(shape: Any, *args: Any, std: Any = None, **kwargs: Any) -> Any:
        if std is not None:
            kwargs["stddev"] = std
        args = tuple(0.0 if i == 0 and a is None else a for i, a in enumerate(args))
        seed = kwargs.pop("seed", None)
        return function(shape, *args, **{k: v for k, v in kwargs.items() if v is not None}, seed=seed)

    return drawn


OWN["random_normal"] = _random(tf.random.normal)
OWN["random_uniform"] = _random(tf.random.uniform)
OWN["truncated_normal"] = _random(tf.random.truncated_normal)


@_own
def random_binomial(shape: Any, p: Any = 0.0, dtype: Any = None, seed: Any = None) -> Any:
    return tf.cast(tf.random.uniform(shape, seed=seed) <= p, dtype or keras.config.floatx())


@_own
def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Until Keras 2.2.4, the axes between the batch and the last two are matched (tensorflow_backend.py, `batch_dot`);
    since 2.3, each of one is combined with each of the other."""
    from reconstruct.runtimes import legacy_code

    x, y = _tensor(x), _tensor(y)
    ranks = x.shape.rank, y.shape.rank
    if legacy_code.WRITER[0] >= (2, 3, 0) or (max(ranks) < 4 and ranks[0] == ranks[1]):
        return legacy.batch_dot(x, y, axes)
    axes = (axes, axes) if isinstance(axes, int) else axes
    missing = abs(ranks[0] - ranks[1])
    if ranks[0] > ranks[1]:
        y = tf.reshape(y, tf.concat([tf.shape(y), [1] * missing], axis=0))
    elif missing:
        x = tf.reshape(x, tf.concat([tf.shape(x), [1] * missing], axis=0))
    if ranks == (2, 2) and axes is not None and axes[0] == axes[1]:
        return tf.reduce_sum(x * y, axes[0], keepdims=True)
    turned = (False, False) if axes is None else (axes[0] != x.shape.rank - 1, axes[1] == y.shape.rank - 1)
    out = tf.matmul(x, y, adjoint_a=turned[0], adjoint_b=turned[1])
    if missing:
        at = ranks[0] + ranks[1] - 3 if ranks[0] > ranks[1] else ranks[0] - 1
        out = tf.squeeze(out, list(range(at, at + missing)))
    return tf.expand_dims(out, 1) if out.shape.rank == 1 else out


@_own
def learning_phase() -> int:
    return int(training())


@_own
def set_learning_phase(value: Any) -> None:
    """Keras 3 has no phase of its own: calls say whether they train."""


def _given(value: Any) -> Any:
    return value() if callable(value) else value


@_own
def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    phase = bool(training) if isinstance(training, bool | int) else bool(learning_phase())
    return _given(x) if phase else _given(alt)


@_own
def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    return in_train_phase(alt, x, training)


@_own
def softmax(x: Any, axis: int = -1) -> Any:
    return tf.nn.softmax(_floating(x), axis=axis)


@_own
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return tf.reduce_logsumexp(x, axis=axis, keepdims=keepdims)


@_own
def argmin(x: Any, axis: int = -1) -> Any:
    return tf.argmin(x, axis)


@_own
def ndim(x: Any) -> Any:
    shape = int_shape(x)
    return None if shape is None else len(shape)


@_own
def shape(x: Any) -> Any:
    return tf.shape(_tensor(x))


@_own
def is_keras_tensor(x: Any) -> bool:
    return isinstance(x, keras.KerasTensor)


@_own
def is_tensor(x: Any) -> bool:
    return bool(tf.is_tensor(x))


@_own
def is_variable(x: Any) -> bool:
    return isinstance(x, keras.Variable | tf.Variable)


@_own
def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    return x


@_own
def identity(x: Any, name: Any = None) -> Any:
    return tf.identity(x)


@_own
def image_dim_ordering() -> str:
    return "th" if keras.config.image_data_format() == "channels_first" else "tf"


@_own
def normalize_data_format(value: Any) -> Any:
    return value or keras.config.image_data_format()


@_own
def set_image_dim_ordering(value: Any) -> None:
    """The setting is the process's; code of one file may not change it."""


OWN["set_image_data_format"] = OWN["set_floatx"] = OWN["set_epsilon"] = set_image_dim_ordering


@_own
def manual_variable_initialization(value: Any) -> None:
    """Of TensorFlow 1."""


@_own
def get_session() -> Any:
    return None


@_own
def set_session(session: Any) -> None:
    """Of TensorFlow 1."""


@_own
def get_variable_shape(x: Any) -> Any:
    return int_shape(x)


@_own
def cast(x: Any, dtype: Any) -> Any:
    return tf.cast(_tensor(x), dtype)


@_own
def unstack(x: Any, axis: int = 0) -> Any:
    return tf.unstack(x, axis=axis)


@_own
def slice_(x: Any, start: Any, size: Any) -> Any:
    return tf.slice(x, start, size)


@_own
def cumsum(x: Any, axis: int = 0) -> Any:
    return tf.cumsum(x, axis=axis)


@_own
def erf(x: Any) -> Any:
    return tf.math.erf(x)


@_own
def asymmetric_temporal_padding(x: Any, left_pad: int = 1, right_pad: int = 1) -> Any:
    return tf.pad(x, [[0, 0], [left_pad, right_pad], [0, 0]])


def _local_conv(x: Any, kernel: Any, kernel_size: Any, strides: Any, output_shape: Any, rank: int) -> Any:
    """Each place with a kernel of its own (keras/backend/tensorflow_backend.py 2.2.4, `_local_conv`), channels last."""
    places = np.ndindex(*output_shape)
    features = []
    for place in places:
        window = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, strides, kernel_size, strict=True))
        features.append(tf.reshape(x[(slice(None), *window, slice(None))], [1, tf.shape(x)[0], kernel.shape[1]]))
    found = tf.matmul(tf.concat(features, axis=0), _tensor(kernel))
    return tf.transpose(tf.reshape(found, [*output_shape, -1, kernel.shape[2]]), [rank, *range(rank), rank + 1])


@_own
def local_conv1d(inputs: Any, kernel: Any, kernel_size: Any, strides: Any, data_format: Any = None) -> Any:
    return _local_conv(inputs, kernel, kernel_size, strides, (kernel.shape[0],), 1)


@_own
def local_conv2d(
    inputs: Any, kernel: Any, kernel_size: Any, strides: Any, output_shape: Any, data_format: Any = None
) -> Any:
    return _local_conv(inputs, kernel, kernel_size, strides, output_shape, 2)


OWN["py_all"], OWN["py_any"], OWN["py_sum"] = all, any, sum
OWN["tf"] = old_tensorflow.facade(tf)  # `K.tf` of the TensorFlow backend, until 2.3
OWN["np"] = np
