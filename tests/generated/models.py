"""Small random models, as plain data: the one strategy `recipes`, and what makes models and files of them.

A `Recipe` prints as the code that makes it, so one that failed can be kept as it is. It is drawn with the Keras that is
to write it at hand, whose symbolic calls tell the shapes; the same recipe and seed give the same model and weights.
"""

from __future__ import annotations

import contextlib
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

Shape = tuple[int | None, ...]  # with the batch axis

CONTAINERS = ("keras", "h5", "keras-dir", "json+weights.h5", "json+h5")
WRITERS = ("keras", "tf_keras")


@dataclass(frozen=True)
class Spec:
    """A layer: its class and arguments, among which may be further layers and models."""

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A model. `calls` are (number of a layer, numbers of tensors); tensors are counted from the inputs on."""

    inputs: tuple[tuple[Shape, str], ...]
    layers: tuple[Spec | Recipe, ...]
    calls: tuple[tuple[int, tuple[int, ...]], ...]
    outputs: tuple[int, ...]
    sequential: bool = False
    seed: int = 0


def keras_of(writer: str) -> Any:
    """The Keras that is called `keras` or `tf_keras`."""
    if writer == "keras":
        import keras

        return keras
    import tf_keras

    return tf_keras


def can_write(writer: str, container: str) -> bool:
    """Whether that Keras writes such a container: weights of the older kind beside a JSON only tf_keras does."""
    return container != "json+h5" or writer == "tf_keras"


# --- from a recipe to a model and a file


def build(recipe: Recipe, keras: Any) -> Any:
    """The model of a recipe, with weights that its seed decides."""
    model = _model(recipe, keras, "model")
    rng = np.random.default_rng(recipe.seed)
    for variable in model.weights:
        name = str(getattr(variable, "path", variable.name))
        value = np.asarray(variable)
        if value.dtype.kind != "f":
            continue
        made = rng.uniform(0.5, 1.5, value.shape) if "variance" in name else 0.4 * rng.standard_normal(value.shape)
        variable.assign(made.astype(value.dtype))
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state"):  # Normalization computes with numbers made of its variables
            layer.finalize_state()
    return model


def _model(recipe: Recipe, keras: Any, name: str) -> Any:
    inputs = [_input(keras, shape, dtype) for shape, dtype in recipe.inputs]
    layers = [layer_of(spec, keras, i) for i, spec in enumerate(recipe.layers)]
    if recipe.sequential:
        (shape, dtype), *_ = recipe.inputs
        return keras.Sequential([_input_layer(keras, shape, dtype), *layers], name=name)
    tensors = list(inputs)
    for number, arguments in recipe.calls:
        tensors.append(called(layers[number], [tensors[i] for i in arguments]))
    outputs = [tensors[i] for i in recipe.outputs]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0], name=name)


def layer_of(spec: Spec | Recipe, keras: Any, number: int = 0) -> Any:
    """The layer or nested model that is meant, not yet built; models are named by their number among the layers."""
    if isinstance(spec, Recipe):
        return _model(spec, keras, f"inner_{number}")
    options = {k: _value(v, keras) for k, v in spec.options.items()}
    return getattr(keras.layers, spec.class_name)(**options)


def _value(value: Any, keras: Any) -> Any:
    if isinstance(value, Spec | Recipe):
        return layer_of(value, keras)
    if isinstance(value, list) and value and isinstance(value[0], Spec):
        return [layer_of(v, keras) for v in value]
    return value


def called(layer: Any, tensors: Sequence[Any]) -> Any:
    """What the layer gives; attention takes query and value, the others one tensor or a list."""
    if type(layer).__name__ in ("MultiHeadAttention", "GroupedQueryAttention"):
        return layer(tensors[0], tensors[-1])
    many = type(layer).__name__ in ("Attention", "AdditiveAttention")
    return layer(list(tensors) if many or len(tensors) > 1 else tensors[0])


def _input(keras: Any, shape: Shape, dtype: str) -> Any:
    return keras.Input(shape=shape[1:], dtype=dtype)


def _input_layer(keras: Any, shape: Shape, dtype: str) -> Any:
    if keras.__name__ == "keras":
        return keras.layers.InputLayer(shape=shape[1:], dtype=dtype)
    return keras.layers.InputLayer(input_shape=shape[1:], dtype=dtype)


def write(model: Any, container: str, folder: Path) -> Path:
    """Save the model in `folder` as such a container; the path is the one to give to `recover`."""
    if container in ("keras", "h5"):
        path = folder / f"model.{container}"
        model.save(path)
        return path
    if container == "keras-dir":
        model.save(folder / "packed.keras")
        with zipfile.ZipFile(folder / "packed.keras") as archive:
            archive.extractall(folder / "model")
        return folder / "model"
    path = folder / "model.json"
    path.write_text(model.to_json())
    model.save_weights(folder / f"model.{container.removeprefix('json+')}")
    return path


# --- the arguments of every stock layer

_ACTIVATIONS = (
    "elu exponential gelu hard_sigmoid leaky_relu linear log_softmax mish relu relu6 selu sigmoid silu softmax "
    "softplus softsign swish tanh"
).split()
_ONLY_KERAS_3 = (
    "celu hard_silu hard_swish hard_tanh hard_shrink log_sigmoid soft_shrink sparse_plus sparse_sigmoid "
    "sparsemax squareplus tanh_shrink"
).split()
_INITIALIZERS = ("zeros", "ones", "he_normal", "glorot_uniform", "lecun_uniform", "random_normal", "truncated_normal")

Options = st.SearchStrategy[dict[str, Any]]


def _choose(required: Mapping[str, Any], **optional: Any) -> Options:
    return st.fixed_dictionaries(dict(required), optional=optional)


_flag = st.booleans()
_few = st.integers(1, 4)
_regularizer = st.sampled_from([None, "l1", "l2", "l1_l2"])
_constraint = st.sampled_from([None, "max_norm", "non_neg", "unit_norm"])
_rate = st.sampled_from([0.1, 0.5])


def _kernel(prefix: str = "kernel") -> dict[str, Any]:
    return {
        f"{prefix}_initializer": st.sampled_from(_INITIALIZERS),
        f"{prefix}_regularizer": _regularizer,
        f"{prefix}_constraint": _constraint,
    }


def _sizes(rank: int, most: int = 3) -> st.SearchStrategy[Any]:
    return st.integers(1, most) | st.tuples(*[st.integers(1, most)] * rank)


@dataclass(frozen=True)
class Family:
    """Layers that take tensors of such a shape, with the strategy of their arguments."""

    classes: tuple[str, ...]
    fits: Callable[[Shape], bool]
    options: Callable[[str, Shape, bool], Options]  # class, shape, whether Keras 3 is to make it
    only: str | None = None  # the writer that alone has them


def _rank(*ranks: int) -> Callable[[Shape], bool]:
    return lambda shape: len(shape) in ranks


def _activation(keras_3: bool) -> st.SearchStrategy[str]:
    return st.sampled_from(_ACTIVATIONS + (_ONLY_KERAS_3 if keras_3 else []))


def _bias(**others: Any) -> dict[str, Any]:
    return {"use_bias": _flag, "bias_initializer": st.sampled_from(_INITIALIZERS[:2]), "trainable": _flag, **others}


def _dense(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({"units": _few}, activation=_activation(keras_3), **_bias(), **_kernel())


def _einsum_dense(name: str, shape: Shape, keras_3: bool) -> Options:
    letters = "abcdef"[: len(shape) - 1]
    output = [*shape[1:-1], 3]
    return _choose(
        {"equation": st.just(f"z{letters},{letters[-1]}y->z{letters[:-1]}y"), "output_shape": st.just(output)},
        bias_axes=st.just("y"),
        activation=_activation(keras_3),
    )


def _conv(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 2
    depthwise, transposed = name.startswith("Depthwise"), name.endswith("Transpose")
    separable = name.startswith("Separable")
    required = {"kernel_size": _sizes(rank)} | ({} if depthwise else {"filters": _few})
    optional: dict[str, Any] = {"activation": _activation(keras_3), **_bias()}
    optional["padding"] = st.sampled_from(["valid", "same", *(["causal"] if name == "Conv1D" else [])])
    if depthwise or separable:
        optional |= {"depth_multiplier": st.integers(1, 2), "strides": st.integers(1, 2)}
        optional |= _kernel("depthwise") if not separable else {**_kernel("depthwise"), **_kernel("pointwise")}
        return _choose(required, **optional)
    optional |= _kernel()
    if transposed:
        return _choose(required, **optional, strides=_sizes(rank, 2))
    channels = shape[-1] or 1
    groups = [g for g in (1, 2) if channels % g == 0]
    plain = _choose(required, **optional, strides=_sizes(rank, 2))
    dilated = _choose(required, **optional, dilation_rate=_sizes(rank, 2))
    grouped = _choose({**required, "filters": st.sampled_from([2, 4]), "groups": st.sampled_from(groups)}, **optional)
    return st.one_of(plain, dilated, grouped)


def _locally_connected(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose(
        {"filters": _few, "kernel_size": _sizes(len(shape) - 2)},
        activation=_activation(keras_3),
        use_bias=_flag,
        implementation=st.sampled_from([1, 2]),
    )


def _pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 2
    padding = st.sampled_from(["valid", "same"])
    return _choose({}, pool_size=_sizes(rank), strides=st.none() | st.integers(1, 2), padding=padding)


def _adaptive_pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({"output_size": st.just(2) | st.tuples(*(st.integers(2, n or 2) for n in shape[1:-1]))})


def _adaptive(rank: int) -> Callable[[Shape], bool]:
    """TensorFlow 2.21 dies where Keras 3.15.1 makes windows of one more than the input has, as for one output."""
    return lambda shape: len(shape) == rank and all((n or 0) >= 2 for n in shape[1:-1])


def _global_pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({}, keepdims=_flag)


_RNN_ACTIVATION = st.sampled_from(["tanh", "relu", "sigmoid", "softsign", "linear"])


def _cell(name: str, keras_3: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"activation": _RNN_ACTIVATION, **_bias(), **_kernel(), **_kernel("recurrent")}
    found["recurrent_initializer"] = st.sampled_from(["orthogonal", "glorot_uniform", "identity"])
    found |= {"dropout": _rate, "recurrent_dropout": _rate}
    if "Simple" not in name:
        found["recurrent_activation"] = st.sampled_from(["sigmoid", "hard_sigmoid", "tanh"])
    if "LSTM" in name:
        found["unit_forget_bias"] = _flag
    if "GRU" in name:
        found["reset_after"] = _flag
    return found


def _recurrent(name: str, shape: Shape, keras_3: bool) -> Options:
    ways = {"return_sequences": _flag, "go_backwards": _flag, "unroll": _flag}
    return _choose({"units": _few}, **_cell(name, keras_3), **ways)


def _conv_recurrent(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 3
    return _choose(
        {"filters": _few, "kernel_size": _sizes(rank, 2)},
        padding=st.sampled_from(["valid", "same"]),
        activation=_RNN_ACTIVATION,
        recurrent_activation=st.sampled_from(["sigmoid", "hard_sigmoid"]),
        return_sequences=_flag,
        go_backwards=_flag,
        use_bias=_flag,
    )


def _rnn(name: str, shape: Shape, keras_3: bool) -> Options:
    classes = ("SimpleRNNCell", "LSTMCell", "GRUCell")
    cell = st.sampled_from(classes).flatmap(
        lambda c: _choose({"units": _few}, **_cell(c, keras_3)).map(lambda options: Spec(c, options))
    )
    return _choose({"cell": cell | st.lists(cell, min_size=1, max_size=2)}, return_sequences=_flag, go_backwards=_flag)


def _bidirectional(name: str, shape: Shape, keras_3: bool) -> Options:
    inner = st.sampled_from(["SimpleRNN", "LSTM", "GRU"]).flatmap(
        lambda c: _recurrent(c, shape, keras_3).map(lambda options: Spec(c, options))
    )
    return _choose({"layer": inner}, merge_mode=st.sampled_from(["concat", "sum", "mul", "ave"]))


def _time_distributed(name: str, shape: Shape, keras_3: bool) -> Options:
    step = (shape[0], *shape[2:])
    inner = [f for f in FAMILIES if f.fits(step) and not {"TimeDistributed", "Bidirectional"} & set(f.classes)]
    inner = [f for f in inner if f.only is None or (f.only == "keras") == keras_3]
    simple = [
        f for f in inner if set(f.classes) & {"Dense", "Conv1D", "Conv2D", "LSTM", "BatchNormalization", "Flatten"}
    ]

    def spec(choice: tuple[Family, str]) -> st.SearchStrategy[Spec]:
        return choice[0].options(choice[1], step, keras_3).map(lambda options: Spec(choice[1], options))

    return _choose({"layer": st.sampled_from([(f, c) for f in simple for c in f.classes]).flatmap(spec)})


def _multi_head_attention(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose(
        {"num_heads": st.integers(1, 3), "key_dim": _few},
        value_dim=_few,
        use_bias=_flag,
        dropout=_rate,
        output_shape=_few,
        **_kernel(),
    )


def _group_query_attention(name: str, shape: Shape, keras_3: bool) -> Options:
    heads = st.sampled_from([(1, 1), (2, 1), (4, 2)])
    return heads.flatmap(
        lambda n: _choose(
            {"head_dim": _few, "num_query_heads": st.just(n[0]), "num_key_value_heads": st.just(n[1])},
            use_bias=_flag,
            use_gate=_flag,
            dropout=_rate,
        )
    )


def _attention(name: str, shape: Shape, keras_3: bool) -> Options:
    if name == "AdditiveAttention":
        return _choose({}, use_scale=_flag, dropout=_rate)
    return _choose({}, use_scale=_flag, dropout=_rate, score_mode=st.sampled_from(["dot", "concat"]))


def _batch_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    axis = st.sampled_from([-1, len(shape) - 1, 1])
    return _choose(
        {},
        axis=axis,
        momentum=st.sampled_from([0.9, 0.99]),
        epsilon=st.sampled_from([1e-3, 1e-5, 0.1]),
        center=_flag,
        scale=_flag,
        trainable=_flag,
    )


def _layer_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    last = len(shape) - 1
    axis = st.sampled_from([-1, last, [last], *([[last - 1, last]] if last > 1 else [])])
    return _choose({}, axis=axis, epsilon=st.sampled_from([1e-3, 1e-6, 0.1]), center=_flag, scale=_flag)


def _group_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    channels = shape[-1] or 1
    groups = st.sampled_from([-1, 1, channels])
    return _choose({"groups": groups}, epsilon=st.sampled_from([1e-3, 0.1]), center=_flag, scale=_flag)


def _normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    given = {
        "axis": st.just(-1),
        "mean": st.just([0.5] * (shape[-1] or 1)),
        "variance": st.just([2.0] * (shape[-1] or 1)),
    }
    return _choose(given) | _choose({}, axis=st.just(-1), invert=_flag)


def _activations(name: str, shape: Shape, keras_3: bool) -> Options:
    slope = "negative_slope" if keras_3 else "alpha"
    return {
        "Activation": _choose({"activation": _activation(keras_3)}),
        "ReLU": _choose(
            {},
            max_value=st.sampled_from([None, 6.0, 1.0]),
            negative_slope=st.sampled_from([0.0, 0.1]),
            threshold=st.sampled_from([0.0, 0.5]),
        ),
        "LeakyReLU": _choose({}, **{slope: st.sampled_from([0.1, 0.3])}),
        "ELU": _choose({}, alpha=st.sampled_from([1.0, 0.5])),
        "PReLU": _choose({}, shared_axes=st.sampled_from([None, *([[1]] if len(shape) > 2 else [])])),
        "Softmax": _choose({}, axis=st.sampled_from([-1, 1])),
        "ThresholdedReLU": _choose({}, theta=st.sampled_from([1.0, 0.2])),
    }[name]


_OF_A_FACTOR = (  # with Keras 3 alone
    "RandomColorDegeneration RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
    "RandomSaturation RandomSharpness"
).split()


def _in_training_only(name: str, shape: Shape, keras_3: bool) -> Options:
    return {
        "GaussianNoise": _choose({"stddev": _rate}),
        "ActivityRegularization": _choose({}, l1=_rate, l2=_rate),
        "RandomFlip": _choose({}, mode=st.sampled_from(["horizontal", "vertical"]), seed=st.just(3)),
        "RandomRotation": _choose({"factor": _rate}, fill_mode=st.sampled_from(["constant", "reflect"])),
        "RandomZoom": _choose({"height_factor": _rate}, width_factor=_rate),
        "RandomTranslation": _choose({"height_factor": _rate, "width_factor": _rate}),
        "RandomContrast": _choose({"factor": _rate}),
        "RandomBrightness": _choose({"factor": _rate}),
        "RandomCrop": _choose({"height": st.integers(2, 4), "width": st.integers(2, 4)}),
        "RandomShear": _choose({}, x_factor=_rate, y_factor=_rate),
        "RandomPosterization": _choose({"factor": st.integers(1, 8)}),
        **dict.fromkeys(_OF_A_FACTOR, _choose({"factor": _rate})),
    }.get(name, _choose({}))


def _dropout(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({"rate": _rate}, seed=st.sampled_from([None, 5])) if name == "Dropout" else _choose({"rate": _rate})


def _places(name: str, shape: Shape, keras_3: bool) -> Options:
    """Layers that move numbers and compute nothing."""
    size = int(np.prod([n or 1 for n in shape[1:]]))
    rank = len(shape) - 2
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return {
        "Flatten": _choose({}),
        "Identity": _choose({}),
        "Reshape": _choose({"target_shape": st.sampled_from([(size,), (-1,), (size, 1), (1, size), (-1, 1)])}),
        "Permute": _choose({"dims": st.permutations(range(1, len(shape))).map(tuple)}),
        "RepeatVector": _choose({"n": st.integers(1, 3)}),
        "Rescaling": _choose({"scale": st.sampled_from([0.5, 2.0])}, offset=st.sampled_from([0.0, -1.0])),
        "UnitNormalization": _choose({}, axis=st.sampled_from([-1, 1])),
        "ZeroPadding1D": _choose({}, padding=st.integers(0, 2) | pair),
        "ZeroPadding2D": _choose({}, padding=st.integers(0, 2) | pair | st.tuples(pair, pair)),
        "ZeroPadding3D": _choose({}, padding=st.integers(0, 2) | st.tuples(pair, pair, pair)),
        "Cropping1D": _choose({"cropping": st.integers(0, 1)}),
        "Cropping2D": _choose({"cropping": st.integers(0, 1) | st.tuples(st.integers(0, 1), st.integers(0, 1))}),
        "Cropping3D": _choose({"cropping": st.integers(0, 1)}),
        "UpSampling1D": _choose({}, size=st.integers(1, 2)),
        "UpSampling2D": _choose({}, size=_sizes(rank, 2), interpolation=st.sampled_from(["nearest", "bilinear"])),
        "UpSampling3D": _choose({}, size=_sizes(rank, 2)),
        "Resizing": _choose(
            {"height": st.integers(2, 6), "width": st.integers(2, 6)},
            interpolation=st.sampled_from(["bilinear", "nearest", "bicubic", "area"]),
            crop_to_aspect_ratio=_flag,
        ),
        "CenterCrop": _choose({"height": st.integers(1, 3), "width": st.integers(1, 3)}),
    }[name]


def _bins(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({"bin_boundaries": st.sampled_from([[0.0], [-0.5, 0.25, 1.0]])})


def _in_inference_too(name: str, shape: Shape, keras_3: bool) -> Options:
    """Layers of images that do what they do in inference, too."""
    return _choose({}, value_range=st.sampled_from([(0, 1), (-4, 4)]))


def _spectrogram(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose(
        {"frame_length": st.integers(2, 3), "fft_length": st.just(4), "frame_step": st.integers(1, 2)},
        mode=st.sampled_from(["log", "magnitude", "psd", "real", "imag", "stft"]),
        window=st.sampled_from(["hann", "hamming", None]),
        padding=st.sampled_from(["valid", "same"]),
        expand_dims=_flag,
    )


def _masking(name: str, shape: Shape, keras_3: bool) -> Options:
    return _choose({}, mask_value=st.sampled_from([0.0, -1.0]))


def _spectral(name: str, shape: Shape, keras_3: bool) -> Options:
    inner = "Dense" if len(shape) < 4 else "Conv2D"
    make = _dense if inner == "Dense" else _conv
    return _choose({"layer": make(inner, shape, keras_3).map(lambda options: Spec(inner, options))})


_image = _rank(4)
FAMILIES = (
    Family(("Dense",), _rank(2, 3, 4), _dense),
    Family(("EinsumDense",), _rank(2, 3, 4), _einsum_dense),
    Family(("Conv1D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose"), _rank(3), _conv),
    Family(("Conv2D", "SeparableConv2D", "DepthwiseConv2D", "Conv2DTranspose"), _image, _conv),
    Family(("Conv3D", "Conv3DTranspose"), _rank(5), _conv),
    Family(("LocallyConnected1D",), _rank(3), _locally_connected, "tf_keras"),
    Family(("LocallyConnected2D",), _image, _locally_connected, "tf_keras"),
    Family(("MaxPooling1D", "AveragePooling1D"), _rank(3), _pooling),
    Family(("MaxPooling2D", "AveragePooling2D"), _image, _pooling),
    Family(("MaxPooling3D", "AveragePooling3D"), _rank(5), _pooling),
    Family(("AdaptiveMaxPooling1D", "AdaptiveAveragePooling1D"), _adaptive(3), _adaptive_pooling, "keras"),
    Family(("AdaptiveMaxPooling2D", "AdaptiveAveragePooling2D"), _adaptive(4), _adaptive_pooling, "keras"),
    Family(("AdaptiveMaxPooling3D", "AdaptiveAveragePooling3D"), _adaptive(5), _adaptive_pooling, "keras"),
    Family(("GlobalMaxPooling1D", "GlobalAveragePooling1D"), _rank(3), _global_pooling),
    Family(("GlobalMaxPooling2D", "GlobalAveragePooling2D"), _image, _global_pooling),
    Family(("GlobalMaxPooling3D", "GlobalAveragePooling3D"), _rank(5), _global_pooling),
    Family(("SimpleRNN", "LSTM", "GRU"), _rank(3), _recurrent),
    Family(("RNN",), _rank(3), _rnn),
    Family(("Bidirectional",), _rank(3), _bidirectional),
    Family(("TimeDistributed",), _rank(3, 4, 5), _time_distributed),
    Family(("ConvLSTM1D",), _image, _conv_recurrent),
    Family(("ConvLSTM2D",), _rank(5), _conv_recurrent),
    Family(("MultiHeadAttention",), _rank(3), _multi_head_attention),
    Family(("GroupQueryAttention",), _rank(3), _group_query_attention, "keras"),
    Family(("Attention", "AdditiveAttention"), _rank(3), _attention),
    Family(("BatchNormalization",), _rank(2, 3, 4, 5), _batch_normalization),
    Family(("LayerNormalization",), _rank(2, 3, 4), _layer_normalization),
    Family(("GroupNormalization",), _rank(2, 3, 4), _group_normalization),
    Family(("Normalization",), _rank(2, 3, 4), _normalization),
    Family(("RMSNormalization",), _rank(2, 3, 4), lambda *_: _choose({}), "keras"),
    Family(("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax"), _rank(2, 3, 4), _activations),
    Family(("ThresholdedReLU",), _rank(2, 3, 4), _activations, "tf_keras"),
    Family(("GaussianNoise", "ActivityRegularization"), _rank(2, 3, 4), _in_training_only),
    Family(("Dropout", "GaussianDropout", "AlphaDropout"), _rank(2, 3, 4), _dropout),
    Family(("SpatialDropout1D",), _rank(3), _dropout),
    Family(("SpatialDropout2D",), _image, _dropout),
    Family(("SpatialDropout3D",), _rank(5), _dropout),
    Family(("Flatten",), _rank(3, 4, 5), _places),
    Family(("Reshape", "Permute"), _rank(2, 3, 4, 5), _places),
    Family(("Identity", "Rescaling", "UnitNormalization"), _rank(2, 3, 4), _places),
    Family(("RepeatVector",), _rank(2), _places),
    Family(("ZeroPadding1D", "Cropping1D", "UpSampling1D"), _rank(3), _places),
    Family(("ZeroPadding2D", "Cropping2D", "UpSampling2D", "Resizing", "CenterCrop"), _image, _places),
    Family(("ZeroPadding3D", "Cropping3D", "UpSampling3D"), _rank(5), _places),
    Family(
        ("RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness"),
        lambda shape: len(shape) == 4 and shape[-1] in (1, 3),
        _in_training_only,
    ),
    Family(("RandomCrop",), _image, _in_training_only),
    Family(
        ("RandomShear", "RandomPosterization", *_OF_A_FACTOR),
        lambda shape: len(shape) == 4 and shape[-1] == 3,
        _in_training_only,
        "keras",
    ),
    Family(("AutoContrast", "Solarization"), _image, _in_inference_too, "keras"),
    Family(("STFTSpectrogram",), _rank(3), _spectrogram, "keras"),
    Family(("Discretization",), _rank(2, 3), _bins),
    Family(("Masking",), _rank(3), _masking),
    Family(("SpectralNormalization",), _rank(2, 3, 4), _spectral),
)
_ATTENTION = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")  # they take two tensors
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_MOST_NUMBERS = 600  # that a tensor may have in a row


# --- drawing a recipe


@contextlib.contextmanager
def _own_random() -> Iterator[None]:
    """Keras takes seeds from `random`, whose state is Hypothesis's while it draws."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@dataclass
class _Draft:
    """A model while it is drawn: symbolic tensors of the Keras that will write it, and what made them."""

    keras: Any
    inputs: list[tuple[Shape, str]] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    layers: list[Spec | Recipe] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)
    calls: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    @property
    def keras_3(self) -> bool:
        return bool(self.keras.__name__ == "keras")

    def shape(self, number: int) -> Shape:
        return tuple(self.tensors[number].shape)

    def add_input(self, shape: Shape, dtype: str) -> None:
        self.inputs.append((shape, dtype))
        self.tensors.append(_input(self.keras, shape, dtype))

    def add(self, spec: Spec | Recipe, arguments: tuple[int, ...]) -> bool:
        """Call a new layer; False where Keras refuses these arguments, and nothing is added."""
        try:
            with _own_random():
                layer = layer_of(spec, self.keras, len(self.layers))
                output = called(layer, [self.tensors[i] for i in arguments])
        except (ValueError, TypeError, NotImplementedError, AttributeError, ZeroDivisionError):
            return False
        if not self._usable(output):
            return False
        self.layers.append(spec)
        self.made.append(layer)
        self.calls.append((len(self.layers) - 1, arguments))
        self.tensors.append(output)
        return True

    def again(self, number: int, arguments: tuple[int, ...]) -> None:
        """Call a layer that is there already once more."""
        with _own_random():
            self.tensors.append(called(self.made[number], [self.tensors[i] for i in arguments]))
        self.calls.append((number, arguments))

    def _usable(self, output: Any) -> bool:
        if isinstance(output, list | tuple | dict):
            return False
        shape = tuple(output.shape)
        known = all(isinstance(n, int) and n > 0 for n in shape[1:])
        return known and 2 <= len(shape) <= 5 and np.prod(shape[1:]) <= _MOST_NUMBERS


_input_shapes = st.one_of(
    st.tuples(st.none(), st.integers(1, 5)),
    st.tuples(st.none(), st.integers(3, 6), st.integers(1, 4)),
    st.tuples(st.none(), st.integers(4, 7), st.integers(4, 7), st.integers(1, 3)),
    st.tuples(st.none(), st.integers(2, 4), st.integers(3, 4), st.integers(3, 4), st.integers(1, 2)),
)


@st.composite
def recipes(draw: Any, writer: str, depth: int = 0, shapes: tuple[Shape, ...] | None = None) -> Recipe:
    """Models that this Keras can write: sequential and functional, with layers that are shared or models themselves,
    several inputs and outputs, and every stock layer with arguments that it takes."""
    draft = _Draft(keras_of(writer))
    sequential = draw(_flag) if shapes is None or len(shapes) == 1 else False
    if shapes is not None:
        for shape in shapes:
            draft.add_input(shape, "float32")
    elif draw(st.integers(0, 4)) == 4:
        _tokens(draw, draft)
    else:
        draft.add_input(draw(_input_shapes), "float32")
        if not sequential and draw(st.integers(0, 2)) == 2:
            same = draw(_flag)
            draft.add_input(draft.inputs[0][0] if same else draw(_input_shapes), "float32")
    for _ in range(draw(st.sampled_from([2, 3, 4] if depth else [3, 4, 5, 6, 2, 8]))):
        _step(draw, draft, sequential, writer, depth)
    first = len(draft.inputs)
    if not draft.calls:
        draft.add(Spec("Activation", {"activation": "tanh"}), (0,))
    used = {i for _, arguments in draft.calls for i in arguments}
    ends = tuple(i for i in range(first, len(draft.tensors)) if i not in used)
    if not sequential and depth == 0 and draw(st.integers(0, 4)) == 4:
        inner = draw(st.integers(first, len(draft.tensors) - 1))
        ends = tuple(dict.fromkeys((*ends, inner)))
    if depth:
        ends = ends[-1:]
    recipe = Recipe(
        tuple(draft.inputs), tuple(draft.layers), tuple(draft.calls), ends, sequential, draw(st.integers(0, 2**16))
    )
    return _needed(recipe)


def _needed(recipe: Recipe) -> Recipe:
    """The recipe without what none of its outputs needs: Keras drops that, too. Inputs stay; the first call of one that
    is not used is not missed, for Keras keeps unused inputs."""
    count = len(recipe.inputs)
    needed = set(recipe.outputs)
    for i in reversed(range(len(recipe.calls))):
        if count + i in needed:
            needed.update(recipe.calls[i][1])
    kept = [i for i in range(len(recipe.calls)) if count + i in needed]
    numbers = {old: old for old in range(count)} | {count + old: count + new for new, old in enumerate(kept)}
    layers = sorted({recipe.calls[i][0] for i in kept})
    places = {old: new for new, old in enumerate(layers)}
    calls = tuple((places[recipe.calls[i][0]], tuple(numbers[a] for a in recipe.calls[i][1])) for i in kept)
    outputs = tuple(numbers[o] for o in recipe.outputs)
    return Recipe(
        recipe.inputs, tuple(recipe.layers[i] for i in layers), calls, outputs, recipe.sequential, recipe.seed
    )


def _tokens(draw: Any, draft: _Draft) -> None:
    """An input of whole numbers, and the layer that takes them."""
    shape = (None, draw(st.integers(3, 6)))
    draft.add_input(shape, "int32")
    count = draw(st.integers(3, 9))
    embedding = _choose({"input_dim": st.just(count), "output_dim": _few}, mask_zero=_flag, trainable=_flag)
    kinds: dict[str, Options] = {
        "Embedding": embedding,
        "CategoryEncoding": _choose(
            {"num_tokens": st.just(count)}, output_mode=st.sampled_from(["multi_hot", "count"])
        ),
        "IntegerLookup": _choose({"vocabulary": st.just(list(range(2, count)))}),
        "Hashing": _choose({"num_bins": st.just(count)}),
    }
    if draft.keras_3:
        kinds["ReversibleEmbedding"] = embedding
    kind = draw(st.sampled_from(["Embedding", "Embedding", *kinds]))
    draft.add(Spec(kind, draw(kinds[kind])), (0,))
    if kind in ("Hashing", "IntegerLookup"):  # which give whole numbers
        draft.add(Spec("Embedding", draw(embedding)), (1,))


def _step(draw: Any, draft: _Draft, sequential: bool, writer: str, depth: int) -> None:
    """One more layer, or one more call of a layer."""
    floats = [i for i in range(len(draft.tensors)) if "int" not in str(draft.tensors[i].dtype)]
    if not floats:
        return
    at = floats[-1] if sequential else draw(st.sampled_from(floats[::-1]))
    shape = draft.shape(at)
    what = draw(st.integers(0, 9))
    if what == 9 and not sequential:
        same = [i for i in floats if draft.shape(i) == shape]
        _merge(draw, draft, at, draw(st.sampled_from(same)))
    elif what == 8 and not sequential:
        other = [
            (n, args)
            for n, args in draft.calls
            if len(args) == 1
            and draft.shape(args[0]) == shape
            and draft.tensors[args[0]].dtype == draft.tensors[at].dtype
        ]
        if other:
            draft.again(draw(st.sampled_from(other))[0], (at,))
    elif what == 7 and depth < 2:
        draft.add(draw(recipes(writer, depth + 1, (shape,))), (at,))
    else:
        families = [f for f in FAMILIES if f.fits(shape) and f.only in (None, writer)]
        choices = [(f, c) for f in families for c in f.classes if not (sequential and c in _ATTENTION)]
        family, name = draw(st.sampled_from(choices))
        options = draw(family.options(name, shape, draft.keras_3))
        draft.add(Spec(name, options), (at, at) if name in _ATTENTION else (at,))


def _merge(draw: Any, draft: _Draft, one: int, other: int) -> None:
    if one == other:
        return
    name = draw(st.sampled_from([*_MERGES, "Concatenate", "Dot"]))
    options: dict[str, Any] = {}
    if name == "Concatenate":
        options = draw(_choose({}, axis=st.sampled_from([-1, len(draft.shape(one)) - 1])))
    if name == "Dot":
        options = draw(_choose({"axes": st.just(len(draft.shape(one)) - 1)}, normalize=_flag))
    draft.add(Spec(name, options), (one, other))
