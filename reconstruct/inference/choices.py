"""What the tensors leave open, as data: for each layer the alternatives of a field, each with its cost.

These decide shapes (strides, padding, pool sizes, return_sequences), so that shapes decide between them. Those that do
not (activations, slopes, epsilons) are in `numerical.py`: only examples decide them, or priors where there are none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from reconstruct.architectures.matching import fitted, pooled
from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.context import ACTIVATION_LAYERS, Context, Option, field_of, inner, means, with_field
from reconstruct.inference.resizing import between, convolutions, gaps, kinds, poolings
from reconstruct.inference.shapes import (
    MERGES,
    RECURRENT,
    Shape,
    output_shape,
    pools,
    spatial,
)


def structural(layer: Layer, shapes: Sequence[Shape], context: Context) -> Iterator[Option]:
    """The forms that the layer may have on inputs of these shapes, shapes not yet checked."""
    for option in _structural(layer, shapes, context):
        if option.layer is None or all(
            (own := field_of(option.layer, k)) is None or means(v, own)
            for k, v in context.fixed.items()
            if k in STRUCTURAL_FIELDS
        ):
            yield option


# The fields that decide shapes, and what a recurrent layer gives on
STRUCTURAL_FIELDS = (
    "strides padding pool_size size return_sequences return_state merge_mode target_shape n dims axis dilation_rate "
    "cropping"
).split()


def _structural(layer: Layer, shapes: Sequence[Shape], context: Context) -> Iterator[Option]:
    name = layer.class_name
    shape = shapes[0] if shapes else ()
    ranked = _ranked(layer, shape)
    n = spatial(ranked.class_name)
    # Sides are treated alike unless the image itself is oblong, or nothing else fits
    oblong = not context.guessed and len(shape) == 3 and (shape[0] != shape[1] or context.oblong)
    if layer.is_model:
        yield from _known(fitted(layer, shape), context)
    elif name in ("Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "SeparableConv2D", "DepthwiseConv2D"):
        yield from convolutions(layer, n, shape, context, oblong)
    elif name == "ConvLSTM2D":
        for option in convolutions(layer, n, shape, context, oblong):
            for every, cost in ((False, 0.3), (True, 1.2)):
                yield Option(with_field(option.layer or layer, "return_sequences", every), option.cost + cost)
    elif name.endswith("Transpose"):
        for (stride, a), (padding, b) in itertools.product(
            priors.STRIDE_TRANSPOSED.items(), priors.PADDING_TRANSPOSED.items()
        ):
            yield Option(layer.having(strides=[stride] * n, padding=padding), a + b)
    elif pools(name):
        for kind, cost in kinds(ranked):
            yield from (Option(o.layer, cost + o.cost) for o in poolings(kind, n, shape, context, oblong))
    elif name.startswith("UpSampling"):
        for factor, cost in priors.UP.items():
            yield Option(ranked.having(size=factor if n == 1 else [factor] * n), cost)
        if n == 2 and oblong:
            yield Option(ranked.having(size=[1, 2]), 4.5)
            yield Option(ranked.having(size=[2, 1]), 4.5)
    elif name.startswith(("ZeroPadding", "Cropping")):
        key = "padding" if name.startswith("Zero") else "cropping"
        none = ((0, 2.0),) if key == "cropping" else ()  # of what fits already
        for margin, cost in ((1, 0.4), (2, 1.5), (3, 1.5), (4, 3.5), (5, 4.0), *none):
            yield Option(ranked.having(**{key: [margin] * n if n > 1 else margin}), cost)
        for one_side in ([0, 1], [1, 0]):
            yield Option(ranked.having(**{key: [one_side] * n if n > 1 else one_side}), 2.0)
    elif name in (*RECURRENT, "Bidirectional"):
        yield from _recurrent(layer, context, decodes=len(shapes) > 1)
    elif name == "Reshape":
        yield from _reshapes(layer, shape, context)
    elif name == "Lambda" and len(shapes) == 1 and len(shape) == 3 and {shape[0], shape[-1]} & {1, 3}:
        # On an image, as in models that drive (Udacity's "Behavioral cloning"), with its channels last, or first in
        # what reads them last by mistake: its function is not in the file
        yield Option(Layer("Rescaling", layer.name, {"name": layer.name}, path=layer.path), 0.5)
        yield Option(layer, 3.0)
    elif name == "Lambda" and len(shapes) == 1 and context.last and context.target is not None:
        # Behind the numbers that a model gives: they are scaled, as actors do it to the bounds of an action
        yield Option(Layer("Rescaling", layer.name, {"name": layer.name, "offset": 0.0}, path=layer.path), 0.5)
    elif name == "RepeatVector":
        yield from _repeats(layer, context)
    elif name == "TimeDistributed" and not layer.children:
        if len(shape) > 1:
            yield from _at_each_step(layer, shape)
    elif name == "Permute" and "dims" in layer.config:
        yield Option(layer, 0.0)
    elif name == "Permute":
        for dims in itertools.permutations(range(1, len(shape) + 1)):
            yield Option(layer.having(dims=list(dims)), 0.5 if dims != tuple(range(1, len(shape) + 1)) else 3.0)
    elif name in ("BatchNormalization",):
        size = next(iter(layer.weights.values())).shape[0]
        for i in range(len(shape) - 1, -1, -1):
            if shape[i] in (size, None):
                last = i == len(shape) - 1
                yield Option(layer if last else layer.having(axis=i + 1), 0.0 if last else 4.0)
    elif name == "Unknown":
        yield from _anything(layer, shape)
    elif name.startswith("Global"):
        yield from (Option(kind, cost) for kind, cost in kinds(ranked))
        if n == 1:  # as in Keras's own example of a transformer for time series
            yield Option(ranked.having(data_format="channels_first"), 4.0)
    elif name == "Dot":
        axes = ((2, 1), (2, 2), (1, 1)) if len(shape) == 2 else ((1, 1),)
        yield from (Option(layer.having(axes=list(pair)), 0.2 + 0.6 * k) for k, pair in enumerate(axes))
    elif name in MERGES:
        yield Option(layer, 0.0)
        if name == "Concatenate" and len(shape) > 1:
            for axis in range(1, len(shape)):
                yield Option(layer.having(axis=axis), 3.0)
    elif name == "Merge":
        for class_name, cost in (("Concatenate", 0.5), ("Add", 1.0), ("Multiply", 3.0), ("Average", 4.0)):
            yield Option(layer.replace(class_name=class_name), cost)
    elif name == "GAP":
        yield from between(shape, layer, context)
    else:
        yield Option(layer, 0.0)


def _ranked(layer: Layer, shape: Shape) -> Layer:
    """Pooling and its kin for as many axes as there are: names of authors do not say it."""
    n = spatial(layer.class_name)
    if n and len(shape) in (2, 3, 4) and n != len(shape) - 1 and not layer.weights:
        return layer.replace(class_name=layer.class_name.replace(f"{n}D", f"{len(shape) - 1}D"))
    return layer


def _known(model: Layer, context: Context) -> Iterator[Option]:
    """A model of a known architecture, perhaps with `pooling`, which no file lists; Dense layers want it."""
    following = next((n for n in context.following if "Dropout" not in n.class_name), None)
    dense = following is not None and following.class_name == "Dense"
    yield Option(model, 4.0 if dense else 0.0)
    if dense:
        yield Option(pooled(model, "GlobalAveragePooling2D"), 0.2)
        yield Option(pooled(model, "GlobalMaxPooling2D"), 2.5)


def _recurrent(layer: Layer, context: Context, decodes: bool) -> Iterator[Option]:
    """Whether all steps are given on: always where another recurrent layer follows, which shapes know, and hardly ever
    not where it `decodes` from the states of another."""
    if layer.config.get("return_state") and layer.config.get("return_sequences"):  # of a decoder
        yield Option(layer, 0.0)
        return
    if layer.config.get("return_state"):  # of an encoder that a decoder starts from
        yield Option(layer.having(return_sequences=False), 0.0)
        if layer.class_name == "LSTM":  # its output may stand for both states
            yield Option(layer.having(return_sequences=False, return_state=False), 3.0)
        return
    merges: Sequence[tuple[str | None, float]] = ((None, 0.0),)
    if layer.class_name == "Bidirectional":
        merges = (("concat", 0.05), ("sum", 3.5), ("ave", 4.5), ("mul", 5.0))
    for mode, a in merges:
        base = layer if mode is None else layer.having(merge_mode=mode)
        yield Option(with_field(base, "return_sequences", False), a + 0.3)
        every = 0.1 if decodes else 1.4 if context.last else 1.2
        yield Option(with_field(base, "return_sequences", True), a + every)


def _reshapes(layer: Layer, shape: Shape, context: Context) -> Iterator[Option]:
    if layer.config.get("target_shape"):
        yield Option(layer, 0.0)
        return
    if None in shape:
        return
    size = math.prod(n for n in shape if n is not None)
    if context.target is not None and context.last and None not in context.target:
        yield Option(layer.having(target_shape=list(context.target)), 0.1)
    following = next((n for n in context.following if n.weights or n.children), None)
    for n, channels in _wanted(following):
        places = size // channels if channels and size % channels == 0 else 0
        if n == 1 and places:
            yield Option(layer.having(target_shape=[places, channels]), 0.3)
        for height in range(1, places + 1) if n == 2 else ():
            if places % height == 0:
                cost = 0.3 + abs(math.log(height / (places // height)))
                yield Option(layer.having(target_shape=[height, places // height, channels]), cost)
    behind = next((n for n in context.following if n.class_name not in ACTIVATION_LAYERS), None)
    if len(shape) == 1 and behind is not None and behind.class_name == "Concatenate":
        # As what a label makes is joined with an image (Mirza and Osindero 2014, arXiv 1411.1784)
        for side in (side for side in (7, 28, 8, 32, 4, 64, 16, 14) if size % side**2 == 0):
            yield Option(layer.having(target_shape=[side, side, size // side**2]), 0.5 if size == side**2 else 1.0)
    if following is None:
        yield from (Option(layer.having(target_shape=list(made)), cost) for made, cost in last_shapes(size, context))
    if len(shape) == 1 and context.following[:1] and context.following[0].class_name in ("Multiply", "Add"):
        yield Option(layer.having(target_shape=[1, 1, size]), 0.4)  # a gate for each channel (arXiv 1709.01507)
    if following is None or following.class_name == "Dense":
        yield Option(layer.having(target_shape=[size]), 2.5 if len(shape) == 1 else 1.0)
        yield Option(layer.having(target_shape=[size, 1]), 2.0)
        yield Option(layer.having(target_shape=[1, size]), 2.0)


def last_shapes(size: int, context: Context) -> Iterator[tuple[tuple[int, ...], float]]:
    """What a model may give at last: a picture, or steps of as many numbers as it takes."""
    for channels, cost in ((1, 0.9), (3, 1.2)):
        side = math.isqrt(size // channels)
        if side > 7 and side * side * channels == size:
            yield (side, side, channels), cost
            if channels == 1:
                yield (side, side), 1.3
    if context.entered and size % context.entered == 0 and context.entered not in (1, size):
        yield (size // context.entered, context.entered), 0.8


def _wanted(layer: Layer | None) -> Iterator[tuple[int, int]]:
    """The number of axes and of channels that a layer takes."""
    if layer is None:
        return
    core = inner(layer)
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    if core.class_name in RECURRENT and kernel is not None:
        yield 1, kernel.shape[0]
    elif "Conv" in core.class_name and kernel is not None:
        yield spatial(core.class_name), kernel.shape[-1 if core.class_name.endswith("Transpose") else -2]
    elif core.class_name == "Dense" and kernel is not None:
        yield 1, kernel.shape[0]
    elif core.class_name == "BatchNormalization":
        yield 2, next(iter(core.weights.values())).shape[0]
        yield 1, next(iter(core.weights.values())).shape[0]


def _repeats(layer: Layer, context: Context) -> Iterator[Option]:
    if context.target is not None and len(context.target) > 1 and context.target[0] is not None:
        yield Option(layer.having(n=context.target[0]), 0.1)
    if context.steps is not None:  # as in an autoencoder of sequences
        yield Option(layer.having(n=context.steps), 0.5)
    for i, n in enumerate((10, 20, 30, 1, 5, 7, 12, 24, 3, 4, 50, 100)):
        yield Option(layer.having(n=n), 3.0 + 0.1 * i)


def _anything(layer: Layer, shape: Shape) -> Iterator[Option]:
    """A layer without weights whose name says nothing."""
    yield Option(layer.replace(class_name="Activation"), 0.7)
    yield Option(layer.replace(class_name="Dropout"), 0.7)
    for option in gaps(shape):
        if option.layer is not None:
            yield Option(option.layer.replace(name=layer.name, path=layer.path), option.cost)


def _at_each_step(layer: Layer, shape: Shape) -> Iterator[Option]:
    """A TimeDistributed without weights, of which a file says no more."""
    each = Layer("Unknown", f"{layer.name}_each", {"name": f"{layer.name}_each"})
    for option in _anything(each, shape[1:]):
        if option.layer is not None:
            yield Option(layer.replace(children={"layer": option.layer}), option.cost)


def fits(option: Option, shapes: Sequence[Shape]) -> Shape | None:
    """What an option makes of shapes, None where it cannot take them."""
    return shapes[0] if option.layer is None else output_shape(option.layer, shapes)
