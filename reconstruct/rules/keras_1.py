"""Keras 1 to Keras 2: what concerns a model as a whole, and the order of all rules for Keras 1.

The result has the form of Keras 2 in the layers that Keras 2 has, and of Keras 3 in the others; the rules for Keras 2
do the rest.
"""

from __future__ import annotations

from reconstruct.artifact import Finding, Graph, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.rules import keras_1_layers, keras_1_merge, keras_1_weights
from reconstruct.rules.engine import Noted, Rule, keras_1, rule
from reconstruct.rules.keras_1_arguments import IMAGE_LAYERS, classes_and_arguments
from reconstruct.rules.keras_1_weights import written_on_theano

_SEQUENCES = (
    "Convolution1D",
    "AtrousConvolution1D",
    "LocallyConnected1D",
    "TimeDistributedDense",
    "SimpleRNN",
    "LSTM",
    "GRU",
)


@rule(layers=("Sequential", "Model"), writers=keras_1)
def dim_ordering_of_model(layer: Layer) -> Layer:
    """Keras 1 wrote no `dim_ordering` for padding, cropping and upsampling: it is the one of the other layers."""
    known = {n.config["dim_ordering"] for n in layer.walk() if n.config.get("dim_ordering") in ("tf", "th")}
    return _with_dim_ordering(layer, known.pop()) if len(known) == 1 else layer


def _with_dim_ordering(layer: Layer, dim_ordering: str) -> Layer:
    if _lacks_dim_ordering(layer):
        layer = layer.having(dim_ordering=dim_ordering)
    return layer.map_parts(lambda _, part: _with_dim_ordering(part, dim_ordering))


def _lacks_dim_ordering(layer: Layer) -> bool:
    unsaid = layer.config.get("dim_ordering") in (None, "default") and "data_format" not in layer.config
    return layer.class_name in IMAGE_LAYERS and unsaid


@rule(layers=IMAGE_LAYERS, writers=keras_1, effect="approximate")
def dim_ordering_unsaid(layer: Layer) -> Layer | Noted:
    """Where no layer of the model says the `dim_ordering`, "tf" is assumed, the default of Keras 1.1 and 1.2."""
    if not _lacks_dim_ordering(layer):
        return layer
    found = Finding(
        "dim_ordering_assumed",
        "warning",
        layer.path,
        f"the file does not say where {layer.name} has its channels; they are taken to be last",
        hint="if the model was made with image_dim_ordering 'th', its outputs are wrong",
    )
    return Noted(layer.having(dim_ordering="tf"), (found,))


@rule(layers=("Sequential",), writers=keras_1, effect="neutral")
def input_layer_of_sequential(layer: Layer) -> Layer:
    """The first layer of a Keras 1 Sequential carried the shape and dtype of the input, or its last axes."""
    if layer.graph is None or not layer.graph.layers:
        return layer
    first, *others = layer.graph.layers
    shape = first.config.get("batch_input_shape")
    if shape is None and first.config.get("input_dim") and first.class_name not in ("InputLayer", "Embedding"):
        length = [first.config.get("input_length")] if first.class_name in _SEQUENCES else []
        shape = [None, *length, first.config["input_dim"]]
    if shape is None and first.class_name == "Embedding":
        shape = [None, first.config.get("input_length")]
    if shape is None or first.class_name == "InputLayer":
        return layer
    name = f"{first.name}_input"
    while any(n.name == name for n in layer.graph.layers):
        name += "_"
    dtype = first.config.get("input_dtype") or ("int32" if first.class_name == "Embedding" else "float32")
    config = {"batch_input_shape": list(shape), "dtype": dtype, "sparse": False, "name": name}
    entry = Layer("InputLayer", name, config, path=f"{layer.path}/{name}")
    first = first.without("batch_input_shape", "input_dtype")
    return layer.replace(graph=Graph((entry, first, *others)))


@rule(layers=("Deconvolution2D",), writers=keras_1)
def output_shape_of_deconvolution(layer: Layer) -> Layer:
    """Keras 1 wrote the output shape of Deconvolution2D; Keras 3 has `output_padding` where strides leave a choice."""
    shape = layer.config.get("output_shape")
    if shape is None:
        return layer
    sides = shape[2:4] if layer.config.get("dim_ordering") == "th" else shape[1:3]
    same = layer.config.get("border_mode") == "same"
    kernel = [layer.config["nb_row"], layer.config["nb_col"]]
    strides = layer.config.get("subsample", [1, 1])
    layer = layer.without("output_shape")
    if None in sides:
        return layer
    # The sizes that a convolution with these strides takes to the same input: of `stride` many, one is meant.
    if same:
        short = [-n % s for n, s in zip(sides, strides, strict=True)]
        paddings = [s - r - k % 2 for r, s, k in zip(short, strides, kernel, strict=True)]
        usual = not any(short)
    else:
        paddings = [(n - k) % s for n, s, k in zip(sides, strides, kernel, strict=True)]
        usual = paddings == [max(s - k, 0) for s, k in zip(strides, kernel, strict=True)]
    if usual:
        return layer
    if any(p >= s for p, s in zip(paddings, strides, strict=True)):
        raise NotEquivalent(f"no output_padding of Keras 3 gives the output shape {shape} of {layer.name}")
    return layer.having(output_padding=paddings)


@rule(layers=("BatchNormalization",), writers=lambda writer: writer.major == 1 and writer.keras is None)
def running_std_of_keras_1_0(layer: Layer) -> Layer | Noted:
    """`running_std` holds the variance since Keras 1.0.6 and held the standard deviation before; no file says which."""
    if "running_std" not in layer.weights or layer.config.get("epsilon", 1e-3) >= 1e-5:
        return layer
    found = Finding(
        "running_std_ambiguous",
        "warning",
        layer.path,
        f"running_std of {layer.name} is taken as a variance, as in Keras 1.0.6 and later; Keras 1.0.5 and older, "
        "in whose files epsilon is as small, wrote a standard deviation",
        hint="compare with outputs of the original: --examples",
    )
    return Noted(layer, (found,))


RULES: tuple[Rule, ...] = (
    dim_ordering_of_model,
    dim_ordering_unsaid,
    input_layer_of_sequential,
    *keras_1_merge.RULES,
    running_std_of_keras_1_0,
    *keras_1_layers.RULES,
    *keras_1_weights.RULES,
    output_shape_of_deconvolution,
    classes_and_arguments,
)

__all__ = ["RULES", "written_on_theano"]
