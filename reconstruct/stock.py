"""Facts about the layers that Keras itself has: which variables they own, in which order, and which are trained.

The order is the one of `layer.weights` in every Keras from 2.0 to 3.15 (each layer's `build`); what Keras 1 had
instead stands in `KERAS_1_SLOTS` (Keras 1.2.2, `keras/layers/*.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Slot:
    """A variable of a layer."""

    name: str
    trained: bool = True


RECURRENT = ("SimpleRNN", "LSTM", "GRU", "CuDNNLSTM", "CuDNNGRU", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
RECURRENT_CELLS = ("SimpleRNNCell", "LSTMCell", "GRUCell", "ConvLSTM2DCell")
LOOKUPS = ("IntegerLookup", "StringLookup", "TextVectorization")  # tables of words or whole numbers
WRAPPERS = ("TimeDistributed", "Bidirectional", "RNN", "StackedRNNCells", "SpectralNormalization")

_KERNEL_BIAS = (
    "Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose EinsumDense "
    "LocallyConnected1D LocallyConnected2D Convolution1D Convolution2D Convolution3D "
    "Convolution2DTranspose Deconvolution2D AtrousConvolution1D AtrousConvolution2D AtrousConv1D AtrousConv2D "
).split()
_NO_WEIGHTS = (
    "InputLayer Activation Dropout Flatten Reshape Permute RepeatVector Lambda Masking Add Subtract Multiply Average "
    "Maximum Minimum Concatenate Dot Merge ReLU LeakyReLU ELU Softmax ThresholdedReLU "
    "MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D GlobalAveragePooling2D "
    "GlobalAveragePooling3D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D "
    "Cropping1D Cropping2D Cropping3D SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianNoise "
    "GaussianDropout AlphaDropout ActivityRegularization Rescaling Resizing CenterCrop RandomFlip RandomRotation "
    "RandomZoom RandomTranslation RandomContrast RandomBrightness RandomCrop RandomHeight RandomWidth "
    "CategoryEncoding Discretization Hashing HashedCrossing UnitNormalization TFOpLambda SlicingOpLambda Identity "
    "MaxPool1D MaxPool2D MaxPool3D AvgPool1D AvgPool2D AvgPool3D"
).split()


# Every layer class of Keras 3.15.1: the names in `vars(keras.layers)` that are subclasses of `keras.layers.Layer`.
LAYERS = frozenset(
    (
        "Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D "
        "AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention "
        "AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D "
        "BatchNormalization Bidirectional CategoryEncoding CenterCrop Concatenate "
        "ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose Conv3D "
        "Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D "
        "Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CutMix Dense "
        "DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding Equalization Flatten "
        "FlaxLayer GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D "
        "GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D "
        "GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization "
        "GroupQueryAttention HashedCrossing Hashing Identity InputLayer IntegerLookup JaxLayer LSTM LSTMCell Lambda "
        "Layer LayerNormalization LeakyReLU Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D "
        "MaxPooling2D MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization "
        "PReLU Permute Pipeline RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration "
        "RandomColorJitter RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip "
        "RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization "
        "RandomRotation RandomSaturation RandomSharpness RandomShear RandomTranslation RandomZoom ReLU RepeatVector "
        "Rescaling Reshape Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D "
        "SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D "
        "SpatialDropout2D SpatialDropout3D SpectralNormalization StackedRNNCells StringLookup Subtract TFSMLayer "
        "TextVectorization TimeDistributed TorchModuleWrapper UnitNormalization UpSampling1D UpSampling2D "
        "UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D"
    ).split()
)

# Every activation that Keras 3.15.1 knows by name (`ALL_OBJECTS_DICT` of keras/src/activations/__init__.py).
ACTIVATIONS = frozenset(
    (
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
        "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
        "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold"
    ).split()
)


def _bias(config: Mapping[str, Any]) -> bool:
    # Keras 1 calls it `bias`; EinsumDense has a bias where `bias_axes` names axes.
    if "bias_axes" in config and "use_bias" not in config:
        return config["bias_axes"] is not None
    return bool(config.get("use_bias", config.get("bias", True)))


def _kernel_bias(config: Mapping[str, Any]) -> list[str]:
    return ["kernel", "bias"] if _bias(config) else ["kernel"]


def _recurrent(config: Mapping[str, Any]) -> list[str]:
    return ["kernel", "recurrent_kernel", "bias"] if _bias(config) else ["kernel", "recurrent_kernel"]


def _multi_head_attention(config: Mapping[str, Any]) -> list[str]:
    dense = ("query", "key", "value", "attention_output")
    return [f"{d}/{v}" for d in dense for v in (("kernel", "bias") if _bias(config) else ("kernel",))]


def _attention(config: Mapping[str, Any]) -> list[str]:
    scale = ["scale"] if config.get("use_scale") else []
    return scale + (["concat_score_weight"] if config.get("score_mode") == "concat" else [])


def _normalization(config: Mapping[str, Any], trained: bool = True) -> list[str]:
    return [n for n, flag in (("gamma", "scale"), ("beta", "center")) if config.get(flag, True)]


def slots(class_name: str, config: Mapping[str, Any], major: int = 3) -> tuple[Slot, ...] | None:
    """The variables of a stock layer that is neither wrapper nor model, or None for a class that is not stock.

    `major` is the major version of Keras that the config is written for.

    >>> [s.name for s in slots("BatchNormalization", {"scale": False})]
    ['beta', 'moving_mean', 'moving_variance']
    """
    if class_name == "Highway" and not is_highway(config):
        return None
    if class_name in KERAS_1_SLOTS and (major == 1 or class_name in ("MaxoutDense", "Highway")):
        names = KERAS_1_SLOTS[class_name]
        if config.get("consume_less") == "gpu":  # whole kernels (Keras 1.2.2, layers/recurrent.py)
            names = ["W", "U", "b"]
        if not _bias(config):
            names = [n for n in names if n not in ("b", "b_carry")]
        return tuple(Slot(n, not n.startswith("running_")) for n in names)
    if class_name in _NO_WEIGHTS:
        return ()
    if class_name in ("BatchNormalization", "BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization"):
        trained = [Slot(n) for n in _normalization(config)]
        renorm = ("moving_stddev", "renorm_mean", "renorm_stddev") if config.get("renorm") else ()
        return (*trained, *(Slot(n, False) for n in ("moving_mean", "moving_variance", *renorm)))
    if class_name == "Normalization":
        if config.get("mean") is not None:  # given, not learnt, as in EfficientNetV2 and ConvNeXt
            return ()
        return tuple(Slot(n, False) for n in ("mean", "variance", "count"))
    if class_name in ("IntegerLookup", "StringLookup") and config.get("vocabulary") is not None:
        return ()  # a table of the config
    if class_name == "LayerScale" and "projection_dim" in config:  # applications/convnext.py
        return (Slot("gamma"),)
    if is_another(class_name, config):
        return None
    if class_name == "StochasticDepth" and "drop_path_rate" in config:
        return ()
    names_of = {
        "Embedding": lambda c: ["embeddings"],
        "PReLU": lambda c: ["alpha"],
        "DepthwiseConv1D": lambda c: ["depthwise_kernel", "bias"][: 1 + _bias(c)],
        "DepthwiseConv2D": lambda c: ["depthwise_kernel", "bias"][: 1 + _bias(c)],
        "SeparableConv1D": lambda c: ["depthwise_kernel", "pointwise_kernel", "bias"][: 2 + _bias(c)],
        "SeparableConv2D": lambda c: ["depthwise_kernel", "pointwise_kernel", "bias"][: 2 + _bias(c)],
        "LayerNormalization": lambda c: _normalization(c),
        "GroupNormalization": lambda c: _normalization(c),
        "RMSNormalization": lambda c: ["scale"],
        "MultiHeadAttention": _multi_head_attention,
        "GroupQueryAttention": _multi_head_attention,
        "Attention": _attention,
        "AdditiveAttention": lambda c: ["scale"] if c.get("use_scale", True) else [],
    }.get(class_name)
    if class_name in _KERNEL_BIAS:
        names_of = _kernel_bias
    if class_name in RECURRENT or class_name in RECURRENT_CELLS:
        names_of = _recurrent
    return tuple(Slot(n) for n in names_of(config)) if names_of else None


# Fields that every config of the class has (tf.keras since it has it; Keras 3)
_ALWAYS_WRITTEN = {"Attention": "use_scale", "MultiHeadAttention": "num_heads"}


def is_another(class_name: str, config: Mapping[str, Any]) -> bool:
    """Whether it only has the name of a class of Keras: of gists, of keras-multi-head, or of anybody.

    >>> is_another("MultiHeadAttention", {"head_num": 4})
    True
    """
    return class_name in _ALWAYS_WRITTEN and _ALWAYS_WRITTEN[class_name] not in config


_OF_HIGHWAY = frozenset(
    "name trainable dtype input_dtype batch_input_shape input_dim init transform_bias activation weights bias "
    "W_regularizer b_regularizer activity_regularizer W_constraint b_constraint".split()
)


def is_highway(config: Mapping[str, Any]) -> bool:
    """Whether a Highway is that of Keras 1 (1.2.2, layers/core.py), and not a class of that name from elsewhere."""
    return config.keys() <= _OF_HIGHWAY


def foreign_activation(value: Any) -> str | None:
    """The name of an activation, as configs of any Keras write it, that Keras 3 does not have; None if it has it."""
    if isinstance(value, str):
        return None if value in ACTIVATIONS else value
    if not isinstance(value, Mapping):
        return None
    name, config = value.get("class_name"), value.get("config")
    if name == "__lambda__":
        return "lambda"
    if name == "function" and isinstance(config, str):
        package = str(value.get("module") or value.get("registered_name") or "builtins")
        own = package.startswith(("keras", "tf_keras", "builtins", "function")) or package == config
        return None if own and config in ACTIVATIONS else config
    return None if name in LAYERS else str(name)


def _gates(*gates: str) -> list[str]:
    return [f"{kind}_{gate}" for gate in gates for kind in ("W", "U", "b")]


KERAS_1_SLOTS: dict[str, Sequence[str]] = {
    **dict.fromkeys(
        "Dense TimeDistributedDense MaxoutDense Convolution1D Convolution2D Convolution3D Deconvolution2D "
        "AtrousConvolution1D AtrousConvolution2D AtrousConv1D AtrousConv2D Conv1D Conv2D Conv3D Deconv2D "
        "LocallyConnected1D LocallyConnected2D".split(),
        ("W", "b"),
    ),
    "Highway": ["W", "W_carry", "b", "b_carry"],
    "SeparableConvolution2D": ["depthwise_kernel", "pointwise_kernel", "b"],
    "SeparableConv2D": ["depthwise_kernel", "pointwise_kernel", "b"],
    "SimpleRNN": ["W", "U", "b"],
    "LSTM": _gates("i", "c", "f", "o"),
    "GRU": _gates("z", "r", "h"),
    "ConvLSTM2D": _gates("i", "c", "f", "o"),
    "BatchNormalization": ["gamma", "beta", "running_mean", "running_std"],
    "Embedding": ["W"],
    "PReLU": ["alphas"],
    "ParametricSoftplus": ["alphas", "betas"],
    "SReLU": ["t_left", "a_left", "t_right", "a_right"],
}
