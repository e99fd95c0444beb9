"""The stock layers, by the shapes that they take, and the arguments that each may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.generated.models import Shape, Spec

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


def choose(required: Mapping[str, Any], **optional: Any) -> Options:
    return st.fixed_dictionaries(dict(required), optional=optional)


flag = st.booleans()
few = st.integers(1, 4)
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
    return {"use_bias": flag, "bias_initializer": st.sampled_from(_INITIALIZERS[:2]), "trainable": flag, **others}


def _dense(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({"units": few}, activation=_activation(keras_3), **_bias(), **_kernel())


def _einsum_dense(name: str, shape: Shape, keras_3: bool) -> Options:
    letters = "abcdef"[: len(shape) - 1]
    output = [*shape[1:-1], 3]
    return choose(
        {"equation": st.just(f"z{letters},{letters[-1]}y->z{letters[:-1]}y"), "output_shape": st.just(output)},
        bias_axes=st.just("y"),
        activation=_activation(keras_3),
    )


def _conv(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 2
    depthwise, transposed = name.startswith("Depthwise"), name.endswith("Transpose")
    separable = name.startswith("Separable")
    required = {"kernel_size": _sizes(rank)} | ({} if depthwise else {"filters": few})
    optional: dict[str, Any] = {"activation": _activation(keras_3), **_bias()}
    optional["padding"] = st.sampled_from(["valid", "same", *(["causal"] if name == "Conv1D" else [])])
    if depthwise or separable:
        optional |= {"depth_multiplier": st.integers(1, 2), "strides": st.integers(1, 2)}
        optional |= _kernel("depthwise") if not separable else {**_kernel("depthwise"), **_kernel("pointwise")}
        return choose(required, **optional)
    optional |= _kernel()
    if transposed:
        return choose(required, **optional, strides=_sizes(rank, 2))
    channels = shape[-1] or 1
    groups = [g for g in (1, 2) if channels % g == 0]
    plain = choose(required, **optional, strides=_sizes(rank, 2))
    dilated = choose(required, **optional, dilation_rate=_sizes(rank, 2))
    grouped = choose({**required, "filters": st.sampled_from([2, 4]), "groups": st.sampled_from(groups)}, **optional)
    return st.one_of(plain, dilated, grouped)


def _locally_connected(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose(
        {"filters": few, "kernel_size": _sizes(len(shape) - 2)},
        activation=_activation(keras_3),
        use_bias=flag,
        implementation=st.sampled_from([1, 2]),
    )


def _pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 2
    padding = st.sampled_from(["valid", "same"])
    return choose({}, pool_size=_sizes(rank), strides=st.none() | st.integers(1, 2), padding=padding)


def _adaptive_pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({"output_size": st.just(2) | st.tuples(*(st.integers(2, n or 2) for n in shape[1:-1]))})


def _adaptive(rank: int) -> Callable[[Shape], bool]:
    """TensorFlow 2.21 dies where Keras 3.15.1 makes windows of one more than the input has, as for one output."""
    return lambda shape: len(shape) == rank and all((n or 0) >= 2 for n in shape[1:-1])


def _global_pooling(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({}, keepdims=flag)


_RNN_ACTIVATION = st.sampled_from(["tanh", "relu", "sigmoid", "softsign", "linear"])


def _cell(name: str, keras_3: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"activation": _RNN_ACTIVATION, **_bias(), **_kernel(), **_kernel("recurrent")}
    found["recurrent_initializer"] = st.sampled_from(["orthogonal", "glorot_uniform", "identity"])
    found |= {"dropout": _rate, "recurrent_dropout": _rate}
    if "Simple" not in name:
        found["recurrent_activation"] = st.sampled_from(["sigmoid", "hard_sigmoid", "tanh"])
    if "LSTM" in name:
        found["unit_forget_bias"] = flag
    if "GRU" in name:
        found["reset_after"] = flag
    return found


def _recurrent(name: str, shape: Shape, keras_3: bool) -> Options:
    ways = {"return_sequences": flag, "go_backwards": flag, "unroll": flag}
    return choose({"units": few}, **_cell(name, keras_3), **ways)


def _conv_recurrent(name: str, shape: Shape, keras_3: bool) -> Options:
    rank = len(shape) - 3
    return choose(
        {"filters": few, "kernel_size": _sizes(rank, 2)},
        padding=st.sampled_from(["valid", "same"]),
        activation=_RNN_ACTIVATION,
        recurrent_activation=st.sampled_from(["sigmoid", "hard_sigmoid"]),
        return_sequences=flag,
        go_backwards=flag,
        use_bias=flag,
    )


def _rnn(name: str, shape: Shape, keras_3: bool) -> Options:
    classes = ("SimpleRNNCell", "LSTMCell", "GRUCell")
    cell = st.sampled_from(classes).flatmap(
        lambda c: choose({"units": few}, **_cell(c, keras_3)).map(lambda options: Spec(c, options))
    )
    return choose({"cell": cell | st.lists(cell, min_size=1, max_size=2)}, return_sequences=flag, go_backwards=flag)


def _bidirectional(name: str, shape: Shape, keras_3: bool) -> Options:
    inner = st.sampled_from(["SimpleRNN", "LSTM", "GRU"]).flatmap(
        lambda c: _recurrent(c, shape, keras_3).map(lambda options: Spec(c, options))
    )
    return choose({"layer": inner}, merge_mode=st.sampled_from(["concat", "sum", "mul", "ave"]))


def _time_distributed(name: str, shape: Shape, keras_3: bool) -> Options:
    step = (shape[0], *shape[2:])
    inner = [f for f in FAMILIES if f.fits(step) and not {"TimeDistributed", "Bidirectional"} & set(f.classes)]
    inner = [f for f in inner if f.only is None or (f.only == "keras") == keras_3]
    simple = [
        f for f in inner if set(f.classes) & {"Dense", "Conv1D", "Conv2D", "LSTM", "BatchNormalization", "Flatten"}
    ]

    def spec(choice: tuple[Family, str]) -> st.SearchStrategy[Spec]:
        return choice[0].options(choice[1], step, keras_3).map(lambda options: Spec(choice[1], options))

    return choose({"layer": st.sampled_from([(f, c) for f in simple for c in f.classes]).flatmap(spec)})


def _multi_head_attention(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose(
        {"num_heads": st.integers(1, 3), "key_dim": few},
        value_dim=few,
        use_bias=flag,
        dropout=_rate,
        output_shape=few,
        **_kernel(),
    )


def _group_query_attention(name: str, shape: Shape, keras_3: bool) -> Options:
    heads = st.sampled_from([(1, 1), (2, 1), (4, 2)])
    return heads.flatmap(
        lambda n: choose(
            {"head_dim": few, "num_query_heads": st.just(n[0]), "num_key_value_heads": st.just(n[1])},
            use_bias=flag,
            use_gate=flag,
            dropout=_rate,
        )
    )


def _attention(name: str, shape: Shape, keras_3: bool) -> Options:
    if name == "AdditiveAttention":
        return choose({}, use_scale=flag, dropout=_rate)
    return choose({}, use_scale=flag, dropout=_rate, score_mode=st.sampled_from(["dot", "concat"]))


def _batch_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    axis = st.sampled_from([-1, len(shape) - 1, 1])
    return choose(
        {},
        axis=axis,
        momentum=st.sampled_from([0.9, 0.99]),
        epsilon=st.sampled_from([1e-3, 1e-5, 0.1]),
        center=flag,
        scale=flag,
        trainable=flag,
    )


def _layer_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    last = len(shape) - 1
    axis = st.sampled_from([-1, last, [last], *([[last - 1, last]] if last > 1 else [])])
    return choose({}, axis=axis, epsilon=st.sampled_from([1e-3, 1e-6, 0.1]), center=flag, scale=flag)


def _group_normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    channels = shape[-1] or 1
    groups = st.sampled_from([-1, 1, channels])
    return choose({"groups": groups}, epsilon=st.sampled_from([1e-3, 0.1]), center=flag, scale=flag)


def _normalization(name: str, shape: Shape, keras_3: bool) -> Options:
    given = {
        "axis": st.just(-1),
        "mean": st.just([0.5] * (shape[-1] or 1)),
        "variance": st.just([2.0] * (shape[-1] or 1)),
    }
    return choose(given) | choose({}, axis=st.just(-1), invert=flag)


def _activations(name: str, shape: Shape, keras_3: bool) -> Options:
    slope = "negative_slope" if keras_3 else "alpha"
    return {
        "Activation": choose({"activation": _activation(keras_3)}),
        "ReLU": choose(
            {},
            max_value=st.sampled_from([None, 6.0, 1.0]),
            negative_slope=st.sampled_from([0.0, 0.1]),
            threshold=st.sampled_from([0.0, 0.5]),
        ),
        "LeakyReLU": choose({}, **{slope: st.sampled_from([0.1, 0.3])}),
        "ELU": choose({}, alpha=st.sampled_from([1.0, 0.5])),
        "PReLU": choose({}, shared_axes=st.sampled_from([None, *([[1]] if len(shape) > 2 else [])])),
        "Softmax": choose({}, axis=st.sampled_from([-1, 1])),
        "ThresholdedReLU": choose({}, theta=st.sampled_from([1.0, 0.2])),
    }[name]


_OF_A_FACTOR = (  # with Keras 3 alone
    "RandomColorDegeneration RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective "
    "RandomSaturation RandomSharpness"
).split()


def _in_training_only(name: str, shape: Shape, keras_3: bool) -> Options:
    return {
        "GaussianNoise": choose({"stddev": _rate}),
        "ActivityRegularization": choose({}, l1=_rate, l2=_rate),
        "RandomFlip": choose({}, mode=st.sampled_from(["horizontal", "vertical"]), seed=st.just(3)),
        "RandomRotation": choose({"factor": _rate}, fill_mode=st.sampled_from(["constant", "reflect"])),
        "RandomZoom": choose({"height_factor": _rate}, width_factor=_rate),
        "RandomTranslation": choose({"height_factor": _rate, "width_factor": _rate}),
        "RandomContrast": choose({"factor": _rate}),
        "RandomBrightness": choose({"factor": _rate}),
        **dict.fromkeys(("RandomHeight", "RandomWidth"), choose({"factor": _rate})),
        "RandomCrop": choose({"height": st.integers(2, 4), "width": st.integers(2, 4)}),
        "RandomShear": choose({}, x_factor=_rate, y_factor=_rate),
        "RandomPosterization": choose({"factor": st.integers(1, 8)}),
        "AugMix": choose({}, num_chains=st.integers(1, 3), factor=_rate),
        "CutMix": choose({}, factor=_rate),
        "MixUp": choose({}, alpha=_rate),
        "RandAugment": choose({}, num_ops=st.integers(1, 3), factor=_rate),
        "RandomColorJitter": choose({}, brightness_factor=_rate, contrast_factor=_rate, hue_factor=_rate),
        "RandomElasticTransform": choose({}, factor=_rate, scale=_rate),
        **dict.fromkeys(_OF_A_FACTOR, choose({"factor": _rate})),
    }.get(name, choose({}))


def _dropout(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({"rate": _rate}, seed=st.sampled_from([None, 5])) if name == "Dropout" else choose({"rate": _rate})


def _places(name: str, shape: Shape, keras_3: bool) -> Options:
    """Layers that move numbers and compute nothing."""
    size = -1 if None in shape[1:] else int(np.prod(shape[1:]))  # type: ignore[arg-type]
    rank = len(shape) - 2
    pair = st.tuples(st.integers(0, 2), st.integers(0, 2))
    return {
        "Flatten": choose({}),
        "Identity": choose({}),
        "Reshape": choose({"target_shape": st.sampled_from([(size,), (-1,), (size, 1), (1, size), (-1, 1)])}),
        "Permute": choose({"dims": st.permutations(range(1, len(shape))).map(tuple)}),
        "RepeatVector": choose({"n": st.integers(1, 3)}),
        "Rescaling": choose({"scale": st.sampled_from([0.5, 2.0])}, offset=st.sampled_from([0.0, -1.0])),
        "UnitNormalization": choose({}, axis=st.sampled_from([-1, 1])),
        "ZeroPadding1D": choose({}, padding=st.integers(0, 2) | pair),
        "ZeroPadding2D": choose({}, padding=st.integers(0, 2) | pair | st.tuples(pair, pair)),
        "ZeroPadding3D": choose({}, padding=st.integers(0, 2) | st.tuples(pair, pair, pair)),
        "Cropping1D": choose({"cropping": st.integers(0, 1)}),
        "Cropping2D": choose({"cropping": st.integers(0, 1) | st.tuples(st.integers(0, 1), st.integers(0, 1))}),
        "Cropping3D": choose({"cropping": st.integers(0, 1)}),
        "UpSampling1D": choose({}, size=st.integers(1, 2)),
        "UpSampling2D": choose({}, size=_sizes(rank, 2), interpolation=st.sampled_from(["nearest", "bilinear"])),
        "UpSampling3D": choose({}, size=_sizes(rank, 2)),
        "Resizing": choose(
            {"height": st.integers(2, 6), "width": st.integers(2, 6)},
            interpolation=st.sampled_from(["bilinear", "nearest", "bicubic", "area"]),
            crop_to_aspect_ratio=flag,
        ),
        "CenterCrop": choose({"height": st.integers(1, 3), "width": st.integers(1, 3)}),
    }[name]


def _bins(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({"bin_boundaries": st.sampled_from([[0.0], [-0.5, 0.25, 1.0]])})


def _in_inference_too(name: str, shape: Shape, keras_3: bool) -> Options:
    """Layers of images that do what they do in inference, too."""
    optional = {"value_range": st.sampled_from([(0, 1), (-4, 4)])}
    if name == "ContrastLimitedAdaptiveHistogramEqualization":
        optional["tile_grid_size"] = st.sampled_from([(2, 2), (1, 2)])
    return choose({}, **optional)


def _spectrogram(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose(
        {"frame_length": st.integers(2, 3), "fft_length": st.just(4), "frame_step": st.integers(1, 2)},
        mode=st.sampled_from(["log", "magnitude", "psd", "real", "imag", "stft"]),
        window=st.sampled_from(["hann", "hamming", None]),
        padding=st.sampled_from(["valid", "same"]),
        expand_dims=flag,
    )


def _mel_spectrogram(name: str, shape: Shape, keras_3: bool) -> Options:
    """Those strides alone for which Keras 3.15.1 says itself how many frames there are; else no layer can follow."""
    count = shape[-1] or 1
    strides = [n for n in range(2, count + 3) if (count + 1) % n]
    return choose(
        {"fft_length": st.just(4), "sequence_stride": st.sampled_from(strides), "num_mel_bins": st.integers(1, 3)},
        sampling_rate=st.sampled_from([8000, 16000]),
        power_to_db=flag,
        mag_exp=st.sampled_from([1.0, 2.0]),
    )


def _pipeline(name: str, shape: Shape, keras_3: bool) -> Options:
    specs = [Spec("Rescaling", {"scale": 0.5}), Spec("CenterCrop", {"height": 2, "width": 2}), Spec("RandomFlip")]
    return choose({"layers": st.lists(st.sampled_from(specs), min_size=1, max_size=3)})


def _masking(name: str, shape: Shape, keras_3: bool) -> Options:
    return choose({}, mask_value=st.sampled_from([0.0, -1.0]))


def _spectral(name: str, shape: Shape, keras_3: bool) -> Options:
    inner = "Dense" if len(shape) < 4 else "Conv2D"
    make = _dense if inner == "Dense" else _conv
    return choose({"layer": make(inner, shape, keras_3).map(lambda options: Spec(inner, options))})


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
    Family(("ConvLSTM3D",), _rank(6), _conv_recurrent),
    Family(("MultiHeadAttention",), _rank(3), _multi_head_attention),
    Family(("GroupQueryAttention",), _rank(3), _group_query_attention, "keras"),
    Family(("Attention", "AdditiveAttention"), _rank(3), _attention),
    Family(("BatchNormalization",), _rank(2, 3, 4, 5), _batch_normalization),
    Family(("LayerNormalization",), _rank(2, 3, 4), _layer_normalization),
    Family(("GroupNormalization",), _rank(2, 3, 4), _group_normalization),
    Family(("Normalization",), _rank(2, 3, 4), _normalization),
    Family(("RMSNormalization",), _rank(2, 3, 4), lambda *_: choose({}), "keras"),
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
    Family(("RandomHeight", "RandomWidth"), _image, _in_training_only, "tf_keras"),
    Family(
        (
            *("RandomShear", "RandomPosterization", *_OF_A_FACTOR),
            *("AugMix", "CutMix", "MixUp", "RandAugment", "RandomColorJitter", "RandomElasticTransform"),
        ),
        lambda shape: len(shape) == 4 and shape[-1] == 3,
        _in_training_only,
        "keras",
    ),
    Family(("AutoContrast", "Solarization"), _image, _in_inference_too, "keras"),
    Family(
        ("ContrastLimitedAdaptiveHistogramEqualization",),
        lambda shape: len(shape) == 4 and shape[-1] in (1, 3),
        _in_inference_too,
        "keras",
    ),
    Family(("Pipeline",), _image, _pipeline, "keras"),
    Family(("STFTSpectrogram",), _rank(3), _spectrogram, "keras"),
    Family(("MelSpectrogram",), lambda shape: len(shape) == 2 and (shape[1] or 0) > 2, _mel_spectrogram, "keras"),
    Family(("Discretization",), _rank(2, 3), _bins),
    Family(("Masking",), _rank(3), _masking),
    Family(("SpectralNormalization",), _rank(2, 3, 4), _spectral),
)
