"""Stock layers that the user's code makes with arguments of Keras 1 and 2."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import keras
import tensorflow as tf
from keras.src.layers.convolutional.base_conv import BaseConv
from keras.src.layers.merging.base_merge import Merge

from reconstruct.runtimes.legacy_code import backend, initializing, recurrent

# keras/legacy/interfaces.py of Keras 2.2.4, which took what Keras 1 had
_RENAMED = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "filter_length": "kernel_size",
    "atrous_rate": "dilation_rate",
    "init": "kernel_initializer",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "forget_bias_init": "bias_initializer",
    "W_regularizer": "kernel_regularizer",
    "U_regularizer": "recurrent_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "U_constraint": "recurrent_constraint",
    "bias": "use_bias",
    "dim_ordering": "data_format",
    "pool_length": "pool_size",
    "stride": "strides",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "p": "rate",
    "gamma_init": "gamma_initializer",
    "beta_init": "beta_initializer",
    "keep_dims": "keepdims",
}
_FORGOTTEN = frozenset(
    "input_shape batch_input_shape input_dim input_length batch_size weights implementation consume_less mode "
    "time_major dynamic unit_forget_bias_init fused renorm virtual_batch_size adjustment".split()
)
_LISTS = ("concatenate", "add", "subtract", "multiply", "average", "maximum", "minimum", "dot")
_PRIVATE = {
    "_Merge": Merge,
    "Merge": Merge,
    "_Conv": BaseConv,
    "Conv": BaseConv,
    "Recurrent": recurrent.Recurrent,
    "Deconvolution2D": keras.layers.Conv2DTranspose,
    "Deconv2D": keras.layers.Conv2DTranspose,
    "AtrousConvolution2D": keras.layers.Conv2D,
    "AtrousConvolution1D": keras.layers.Conv1D,
    "CuDNNLSTM": keras.layers.LSTM,
    "BatchNormalizationV1": keras.layers.BatchNormalization,
    "BatchNormalizationV2": keras.layers.BatchNormalization,
    "SyncBatchNormalization": keras.layers.BatchNormalization,
}


def layer(name: str) -> Any:
    """What `keras.layers.<name>` was: a class that takes the arguments of then, or a function. None where unknown."""
    if name in ("Layer", "InputSpec", "Wrapper", "InputLayer"):
        return getattr(keras.layers, name)
    if name == "Input":
        return input_
    found = _PRIVATE.get(name) or getattr(keras.layers, name, None)
    if isinstance(found, type) and issubclass(found, keras.layers.Layer) and found.__module__.startswith("keras."):
        return _tolerant(found)
    return found if callable(found) else None


def input_(shape: Any = None, **options: Any) -> Any:
    """`Input`, whose `batch_shape` was another name for the same, and whose shape may have been one number."""
    if hasattr(shape, "__index__"):
        shape = (int(shape),)
    kept = {k: v for k, v in options.items() if k in ("batch_size", "dtype", "sparse", "batch_shape", "name")}
    return keras.Input(shape=shape, **kept)


_CONVOLVING = (keras.layers.ConvLSTM1D, keras.layers.ConvLSTM2D, keras.layers.ConvLSTM3D)


@functools.cache
def _tolerant(base: Any) -> Any:
    """The same layer, which takes what it was called with up to Keras 2.15."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given, options = adapted(base, args, kwargs)
        base.__init__(self, *given, **options)

    own = {"__init__": __init__, "__module__": base.__module__, "_legacy_stock": base}
    return type(base.__name__, (base,), own)


def adapted(base: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that a stock layer `base` of Keras 3 takes for those that code gave it up to Keras 2.15."""
    parameters = inspect.signature(base.__init__).parameters
    names = list(parameters)[1:]
    given = [_value(name, value) for name, value in zip(names, _args(base, args), strict=False)]
    return given, {**_defaults(base, names[: len(given)]), **_kwargs(parameters, kwargs)}


def _defaults(base: Any, given: list[str]) -> dict[str, Any]:
    """Defaults that changed: gates were hard_sigmoid until Keras 2.2.5, and GRU reset before (layers/recurrent.py)."""
    from reconstruct.runtimes import legacy_code

    found: dict[str, Any] = {}
    if legacy_code.WRITER[0] < (2, 3, 0) and base in (keras.layers.LSTM, keras.layers.GRU):
        found["recurrent_activation"] = backend.get("hard_sigmoid")
    if legacy_code.WRITER[0] < (3, 0, 0) and base in _CONVOLVING:
        found["recurrent_activation"] = backend.get("hard_sigmoid")  # until 2.15 (layers/rnn/conv_lstm.py)
    if legacy_code.WRITER[0] < (2, 4, 0) and base is keras.layers.GRU:
        found["reset_after"] = False
    return {name: value for name, value in found.items() if name not in given}


def _args(base: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """`Convolution2D(64, 3, 3)` of Keras 1."""
    plane = base in (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.SeparableConv2D)
    if plane and len(args) > 2 and all(hasattr(n, "__index__") for n in args[1:3]):
        return (args[0], (args[1], args[2]), *args[3:])
    return args


def _kwargs(parameters: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in kwargs.items():
        if name in ("output_dim", "nb_row", "nb_col", "axis") and name not in parameters:
            found.update(_numbers(parameters, name, value, kwargs))
            continue
        new = name if name in parameters else _RENAMED.get(name, name)
        if new in _FORGOTTEN and new not in parameters:
            continue
        found[new] = _value(new, value)
    if isinstance(found.get("axis"), list | tuple) and "momentum" in parameters:
        found["axis"] = found["axis"][0]
    if found.get("dtype", "") is None:
        del found["dtype"]
    return found


def _numbers(parameters: Any, name: str, value: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    if name == "output_dim":
        return {"units" if "units" in parameters else "output_dim": value}
    if name == "nb_row":
        return {"kernel_size": (value, kwargs.get("nb_col", value))}
    return {}


def _value(name: str, value: Any) -> Any:
    if name.endswith("_initializer"):
        return initializing.initializer(value)
    if name.endswith("activation") and value == "hard_sigmoid" and _before_keras_3():
        return backend.get("hard_sigmoid")  # 0.2 x + 0.5, which Keras 3 changed
    if name == "data_format":
        return {"tf": "channels_last", "th": "channels_first"}.get(value, value)
    if name.endswith(("_regularizer", "_constraint")):
        return None
    return value


def _before_keras_3() -> bool:
    from reconstruct.runtimes import legacy_code

    return legacy_code.WRITER[0] < (3, 0, 0)


class _LikeVariable(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, keras.Variable | tf.Variable)

    def __call__(
        cls,
        initial_value: Any = None,
        trainable: Any = True,
        *args: Any,
        dtype: Any = None,
        name: Any = None,
        **options: Any,
    ) -> Any:
        if callable(initial_value):
            initial_value = initial_value()
        value = tf.convert_to_tensor(initial_value, dtype=dtype)
        return initializing.variable(value, trainable is None or bool(trainable), name)


class Variable(metaclass=_LikeVariable):
    """`tf.Variable`: a variable of Keras 3, so that layers have it among their weights."""
