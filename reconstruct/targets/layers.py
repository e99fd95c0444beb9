"""Layers of Keras 3 as those of tf_keras 2 and of TensorFlow up to 2.15: fields, dtypes, calls, and what is not there.

Versions: Keras 3.15 on one side; on the other tf_keras 2.21, whose layers are those of TensorFlow 2.15.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from reconstruct.artifact import Call, Finding, Layer, Ref, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.objects.placeholders import is_placeholder
from reconstruct.rules.engine import Noted, Rule, rule
from reconstruct.rules.expansion import INPUT, call, stock, subgraph
from reconstruct.rules.fields import Field, field_rule
from reconstruct.stock import LAYERS
from reconstruct.targets.graphs import inlined, is_small_graph, tf_op
from reconstruct.targets.operations import plain

_MODELS = ("Sequential", "Functional", "Model")
_STOCK_PACKAGES = ("keras", "builtins")


_RECURRENT = "SimpleRNN LSTM GRU RNN ConvLSTM1D ConvLSTM2D ConvLSTM3D SimpleRNNCell LSTMCell GRUCell StackedRNNCells"
_RANDOM = "RandomFlip RandomRotation RandomZoom RandomTranslation RandomContrast RandomBrightness"
_IMAGES = f"{_RANDOM} Resizing CenterCrop"

FIELDS = (
    Field("*", "quantization_config", "Keras 2 cannot quantise", only=(None,)),
    Field("*", "lora_rank", "Keras 2 has no LoRA", only=(None,)),
    Field("*", "lora_alpha", "Keras 2 has no LoRA", only=(None,)),
    Field("*", "gptq_unpacked_column_size", "Keras 2 cannot quantise", only=(None,)),
    Field("*", "input_spec", "the call says it"),
    Field("InputLayer", "optional", "its default, False", only=(False, None)),
    Field(
        "InputLayer", "batch_shape", "Keras 2 calls it batch_input_shape", to="batch_input_shape", effect="preserving"
    ),
    Field("LeakyReLU", "negative_slope", "Keras 2 calls it alpha", to="alpha", effect="preserving"),
    Field(_RECURRENT, "zero_output_for_mask", "its default, False", only=(False, None)),
    Field(_RECURRENT, "use_cudnn", "it chose between equal computations"),
    Field(_RECURRENT, "seed", "used in training only"),
    Field("MultiHeadAttention", "flash_attention", "it chose between equal computations"),
    Field("MultiHeadAttention", "sliding_window", "Keras 2 has none", only=(None,)),
    Field("MultiHeadAttention", "use_gate", "its default, False", only=(False, None)),
    Field("MultiHeadAttention Attention AdditiveAttention", "seed", "used in training only"),
    Field("AdditiveAttention", "score_mode", "the class says it"),
    Field("BatchNormalization", "synchronized", "used in training only"),
    Field("BatchNormalization", "renorm", "its default, False", only=(False, None)),
    Field("BatchNormalization", "renorm_clipping", "used in training only"),
    Field("BatchNormalization", "renorm_momentum", "used in training only"),
    Field("LayerNormalization", "rms_scaling", "its default, False", only=(False, None)),
    Field("ZeroPadding1D", "data_format", "the only one there, channels_last", only=(None, "channels_last")),
    Field("Embedding", "weights", "they are in the file", only=(None,)),
    Field("IntegerLookup StringLookup", "oov_method", "its default, floormod", only=("floormod", None)),
    Field("IntegerLookup StringLookup", "salt", "its default, none", only=(None,)),
    Field(_IMAGES, "bounding_box_format", "it says nothing of images"),
    Field(_IMAGES, "data_format", "the only one there, channels_last", only=(None, "channels_last")),
    Field(_IMAGES, "factor", "inherited, and used in training only", only=(None,)),
    Field("RandomContrast", "value_range", "used in training only"),
    Field("Resizing", "pad_to_aspect_ratio", "Keras 2 cannot pad", only=(False, None)),
    Field("Resizing", "fill_mode", "of the padding"),
    Field("Resizing", "fill_value", "of the padding"),
    Field("Resizing", "antialias", "Keras 2 does not", only=(False, None)),
    Field("SpatialDropout1D SpatialDropout2D SpatialDropout3D", "noise_shape", "fixed by the class"),
)


def _row(row: Field) -> Rule:
    return field_rule(
        row,
        "Keras 2",
        lambda writer: True,
        lambda layer: layer.is_operation,
        lambda layer, value: f"{layer.class_name} {layer.name!r} has {row.field}={value!r}: {row.why}",
    )


# Layers that do nothing in inference, and that Keras 2 does not have (Keras 3.15, layers/preprocessing)
_TRAINING_ONLY = (
    "AugMix CutMix MixUp RandAugment RandomColorDegeneration RandomColorJitter RandomCrop RandomElasticTransform "
    "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective RandomPosterization "
    "RandomSaturation RandomSharpness RandomShear"
).split()
_ABSENT = {
    **dict.fromkeys(
        (f"Adaptive{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)),
        "its windows are of several sizes",
    ),
    **dict.fromkeys(
        ("AutoContrast", "Equalization", "Solarization", "ContrastLimitedAdaptiveHistogramEqualization"),
        "it changes images in inference, too",
    ),
    **dict.fromkeys(("MelSpectrogram", "STFTSpectrogram"), "Keras 2 has no spectrograms"),
    **dict.fromkeys(
        ("FlaxLayer", "JaxLayer", "TorchModuleWrapper", "TFSMLayer"), "it wraps what another framework computes"
    ),
    "GroupQueryAttention": "Keras 2 has no heads that share keys",
    "GroupedQueryAttention": "Keras 2 has no heads that share keys",
    "ReversibleEmbedding": "Keras 2 has no layer that shares the weights of an Embedding",
    "Lambda": "it holds Python code",
    "MaxNumBoundingBoxes": "Keras 2 has no bounding boxes",
    "Pipeline": "Keras 2 has no pipelines of preprocessing",
}


@rule()
def absent_layers(layer: Layer) -> Layer:
    """A class that Keras 2 does not have and nothing there computes, or that is not Keras's own."""
    if layer.is_model or layer.is_operation:
        return layer
    if is_placeholder(layer):
        raise NotEquivalent(f"{layer.name!r} is a placeholder for a layer that is missing")
    if layer.package and not layer.package.startswith(_STOCK_PACKAGES):
        raise NotEquivalent(
            f"{layer.class_name} {layer.name!r} is not Keras's own ({layer.package}), and its code is of Keras 3",
            hint="it needs a class of its own in Keras 2",
        )
    if layer.class_name in _ABSENT:
        raise NotEquivalent(f"Keras 2 has no {layer.class_name} ({layer.name!r}): {_ABSENT[layer.class_name]}")
    return layer


@rule(layers=_TRAINING_ONLY)
def training_only_layers(layer: Layer) -> Noted:
    """Keras 2 does not have this layer, which does nothing in inference; `Activation` with `linear` does the same."""
    kept = {k: v for k, v in layer.config.items() if k in ("name", "dtype")}
    message = f"{layer.class_name} {layer.name!r} does nothing in inference, and is not there in Keras 2"
    same = layer.replace(class_name="Activation", config={**kept, "activation": "linear"}, weights={}, children={})
    return Noted(same, (Finding("augmentation_dropped", "info", layer.path, message),))


@rule(effect="neutral")
def dtype_policy(layer: Layer) -> Layer:
    """Keras 3 writes a dtype policy as an object, Keras 2 a plain dtype as its name and a mixed one as `Policy`."""
    dtype = layer.config.get("dtype")
    if layer.is_operation:
        return layer
    name = dtype.get("config", {}).get("name") if isinstance(dtype, Mapping) else dtype
    if layer.is_model:
        return layer.without("dtype") if "dtype" in layer.config else layer
    if isinstance(dtype, Mapping) and dtype.get("class_name") == "Policy":
        return layer
    if isinstance(dtype, Mapping) and dtype.get("class_name") != "DTypePolicy":
        raise NotEquivalent(f"{layer.class_name} {layer.name!r} has the dtype policy {name!r}, which Keras 2 has not")
    if isinstance(name, str) and name.startswith("mixed_"):
        return layer.having(dtype={"class_name": "Policy", "config": {"name": name}})
    return layer if dtype == name or name is None else layer.having(dtype=name)


_OBJECTS = ("initializer", "regularizer", "constraint")
_INITIALIZERS = frozenset(
    "Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LecunNormal LecunUniform Ones Orthogonal "
    "RandomNormal RandomUniform TruncatedNormal VarianceScaling Zeros".split()
)


@rule(effect="neutral")
def training_objects(layer: Layer) -> Layer:
    """Initializers, regularizers and constraints in the form that every Keras 2 reads: class and config."""
    changed: dict[str, Any] = {}
    for name, value in layer.config.items():
        if not name.endswith(_OBJECTS) or not isinstance(value, Mapping) or layer.is_operation:
            continue
        plain = _plain_object(value)
        if name.endswith("initializer") and plain["class_name"] not in _INITIALIZERS:
            plain = {"class_name": "Zeros", "config": {}}  # the file has the values
        if plain != value:
            changed[name] = plain
    return layer.having(**changed) if changed else layer


def _plain_object(value: Mapping[str, Any]) -> dict[str, Any]:
    config = value.get("config")
    class_name = {"OrthogonalInitializer": "Orthogonal", "IdentityInitializer": "Identity"}.get(
        value["class_name"], value["class_name"]
    )
    if isinstance(config, Mapping):
        config = {k: v for k, v in config.items() if k not in ("input_axes", "output_axes")}
        config = {k: plain(v) for k, v in config.items()}
    return {"class_name": class_name, "config": config}


@rule(layers=_MODELS, effect="neutral")
def model_fields(layer: Layer) -> Layer:
    """Of a model's own fields, Keras 2 takes the name; `trainable` it keeps layer by layer."""
    kept = {k: v for k, v in layer.config.items() if k == "name" or (k == "trainable" and v is False)}
    return layer if kept == dict(layer.config) else layer.replace(config=kept)


@rule(layers=("MultiHeadAttention",), effect="neutral")
def attention_shapes(layer: Layer) -> Layer:
    """tf.keras asks for the shapes that the layer was built with; null means that the call tells."""
    names = ("query_shape", "key_shape", "value_shape")
    return layer if all(n in layer.config for n in names) else layer.having(**dict.fromkeys(names))


# The parameters of `call` after the first, where tensors may be given by position (Keras 3.15).
_PARAMETERS = {
    "MultiHeadAttention": ("value", "key", "query_mask", "value_mask", "key_mask", "attention_mask"),
    "LSTM": ("initial_state",),
    "GRU": ("initial_state",),
    "SimpleRNN": ("initial_state",),
    "Bidirectional": ("initial_state",),
    "RNN": ("initial_state",),
}
_STATEFUL = ("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")


@rule(effect="neutral")
def call_arguments(layer: Layer) -> Layer:
    """Keras 2 takes one positional argument, further ones by name, and the initial states with the input."""
    if layer.is_operation or layer.class_name in ("TFOpLambda", "SlicingOpLambda") or not layer.calls:
        return layer
    calls = tuple(_call(layer, each) for each in layer.calls)
    return layer if calls == layer.calls else layer.replace(calls=calls)


def _call(layer: Layer, each: Call) -> Call:
    kwargs = {k: v for k, v in each.kwargs.items() if v is not None and not (k == "training" and v is False)}
    args = each.args
    if not args and kwargs:
        first = next(iter(kwargs))
        args = (kwargs.pop(first),)
    names = _PARAMETERS.get(layer.class_name, ())
    if len(args) - 1 > len(names):
        if any(a is not None for a in args[1:]):
            raise NotEquivalent(f"{layer.class_name} {layer.name!r} is called with further arguments by position")
        args = args[:1]
    kwargs = {**{n: a for n, a in zip(names, args[1:], strict=False) if a is not None}, **kwargs}
    first_argument = args[0] if args else None
    if layer.class_name in _STATEFUL and "initial_state" in kwargs:
        states = kwargs.pop("initial_state")
        flat = [states] if isinstance(states, Ref) else _flat(states)
        return Call(([first_argument, *flat],), kwargs)
    return Call((first_argument,), kwargs)


def _flat(states: Any) -> list[Any]:
    return [s for state in states for s in (_flat(state) if isinstance(state, list | tuple) else [state])]


@rule(layers=("RMSNormalization",))
def rms_normalization(layer: Layer) -> Layer:
    """Keras 2 has no RMSNormalization: the mean of squares by TensorFlow functions, and EinsumDense for the scale."""
    axis = layer.config.get("axis", -1)
    scale = layer.weights.get("scale")
    if axis not in (-1, [-1]) or scale is None or len(scale.shape) != 1:
        raise NotEquivalent(f"RMSNormalization {layer.name!r} is over the axes {axis}, and Keras 2 has none")
    own = {k: v for k, v in layer.config.items() if k in ("trainable", "dtype")}
    dense = {
        **own,
        "equation": "...a,a->...a",
        "output_shape": [scale.shape[0]],
        "bias_axes": None,
        "activation": "linear",
    }
    return subgraph(
        layer,
        tf_op("square", "math.square", INPUT),
        tf_op("mean", "math.reduce_mean", Ref("square"), axis=-1, keepdims=True),
        tf_op("more", "math.add", Ref("mean"), y=float(layer.config.get("epsilon", 1e-6))),
        tf_op("root", "math.rsqrt", Ref("more")),
        tf_op("normal", "math.multiply", INPUT, y=Ref("root")),
        call(stock("EinsumDense", "scale", dense, kernel=scale), Ref("normal")),
    )


@rule(layers=("Normalization",), effect="neutral")
def counts(layer: Layer) -> Layer:
    """Keras 2 counts what a Normalization has seen with 64 bits."""
    count = layer.weights.get("count")
    if count is None or count.dtype == "int64":
        return layer
    wide = Tensor(count.name, count.shape, "int64", lambda: np.asarray(count.read()).astype("int64"), count.sources)
    return layer.with_weights(count=wide)


@rule(layers=("IntegerLookup", "StringLookup", "Hashing", "Discretization"), effect="neutral")
def whole_numbers(layer: Layer) -> Layer:
    """Indices are of 64 bits in both; Keras 2 takes no other dtype of the layer (tf_keras 2.21, index_lookup.py)."""
    indices = layer.config.get("output_mode", "int") == "int"
    return layer.having(dtype="int64") if indices and "int" not in str(layer.config.get("dtype")) else layer


@rule(layers=_MODELS)
def small_graphs(layer: Layer) -> Layer:
    """Several layers stand in the model in place of one that Keras 2 does not have."""
    return inlined(layer)


@rule()
def no_small_graph_in_wrapper(layer: Layer) -> Layer:
    """A wrapper of Keras 2 wraps a layer, and not several calls of TensorFlow."""
    for child in layer.children.values():
        if any(is_small_graph(n) for n in child.walk()):
            what = f"{layer.class_name} {layer.name!r} wraps {child.name!r}, which needs several layers in Keras 2"
            raise NotEquivalent(what)
    return layer


@rule()
def unknown_class(layer: Layer) -> Layer:
    """What is neither a layer of Keras nor a model cannot be written."""
    own = ("TFOpLambda", "SlicingOpLambda")
    if layer.is_model or layer.class_name in LAYERS or layer.class_name in own or layer.is_operation:
        return layer
    raise NotEquivalent(f"{layer.class_name} {layer.name!r} is no class of Keras 2")


BEFORE = (absent_layers, training_only_layers, dtype_policy, training_objects)
AFTER = (
    *(_row(row) for row in FIELDS),
    attention_shapes,
    rms_normalization,
    counts,
    whole_numbers,
    call_arguments,
    small_graphs,
    no_small_graph_in_wrapper,
    model_fields,
    unknown_class,
)
