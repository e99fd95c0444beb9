"""What the tensors leave open, as data: for each layer the alternatives of a field, each with its cost.

These decide shapes (strides, padding, pool sizes, return_sequences), so that shapes decide between them. Those that do
not (activations, slopes, epsilons) are in `numerical.py`: only examples decide them, or priors where there are none.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconstruct.architectures.matching import fitted, pooled
from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.shapes import (
    ALL_RECURRENT,
    ENLARGING,
    MERGES,
    RECURRENT,
    Shape,
    output_shape,
    pools,
    spatial,
)

WITH_ACTIVATION = (
    "Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D"
).split()
ACTIVATION_LAYERS = ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "ThresholdedReLU")
UNLISTED = "activation_of_"  # in front of the names of activations that a file does not list
PASSED = (
    "BatchNormalization LayerNormalization GroupNormalization Dropout SpatialDropout1D SpatialDropout2D GaussianNoise "
    "AlphaDropout MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D Add GlobalAveragePooling2D "
    "GlobalMaxPooling2D ZeroPadding2D Reshape Flatten"
).split()


@dataclass(frozen=True)
class Option:
    """A layer as it may be, or None where there is none at all."""

    layer: Layer | None
    cost: float


@dataclass(frozen=True)
class Context:
    """What stands around a layer: those that follow, nearest first; whether no weights follow; who wrote the file."""

    following: tuple[Layer, ...] = ()
    last: bool = False
    classes: frozenset[str] = frozenset()
    apart: bool = False  # whether the activations of hidden layers are layers of their own
    enlarged: bool = False  # whether it stands in a decoder, where images have been made larger or of numbers
    version: tuple[int, int, int] = (3, 0, 0)
    era: str = "since"  # of the default of gates: before_2_3, between, since
    softmax: float = 0.0  # how much the last bias speaks for softmax, as a cost that linear has more
    target: Shape | None = None  # the shape of the output, where examples show it
    entered: int | None = None  # how many numbers the model takes
    beside: tuple[int, ...] = ()  # how many numbers the other outputs of the model have
    steps: int | None = None  # how many steps its first input has
    guessed: bool = False  # whether the sizes of the input are guesses, which only the plainest structures should fit
    oblong: bool = False  # whether the sides of square images may be treated unlike, too
    task: str | None = None
    discriminates: bool = False  # whether the file is called after a discriminator
    told: Mapping[str, float] = field(default_factory=dict)  # what the name of the file says of the last activation
    measured: Mapping[Any, float] = field(default_factory=dict)  # what statistics say of an activation or its slope
    fixed: Mapping[str, Any] = field(default_factory=dict)  # fields that the user has set


def with_field(layer: Layer, name: str, value: Any) -> Layer:
    """The layer with a field set, in the layers that it wraps where it wraps some."""
    if layer.class_name == "Bidirectional" and name != "merge_mode":
        return layer.replace(children={k: c.having(**{name: value}) for k, c in layer.children.items()})
    if layer.class_name == "TimeDistributed":
        return layer.replace(children={k: with_field(c, name, value) for k, c in layer.children.items()})
    return layer.having(**{name: value})


def field_of(layer: Layer, name: str) -> Any:
    """The value that `with_field` sets."""
    if layer.children and name != "merge_mode":
        return field_of(next(iter(layer.children.values())), name)
    return layer.config.get(name)


def inner(layer: Layer) -> Layer:
    """The layer that computes, inside its wrappers."""
    return inner(next(iter(layer.children.values()))) if layer.children else layer


def slope_field(old: bool) -> str:
    """What LeakyReLU calls its slope: Keras 3 gave it another name (layers/activations/leaky_relu.py)."""
    return "alpha" if old else "negative_slope"


def weighted(layer: Layer) -> bool:
    """Whether there are weights in it, in the layers that it wraps, or in the model that it is."""
    return any(n.weights for n in layer.walk())


# Structure


def structural(layer: Layer, shapes: Sequence[Shape], context: Context) -> Iterator[Option]:
    """The forms that the layer may have on inputs of these shapes, shapes not yet checked."""
    for option in _structural(layer, shapes, context):
        if option.layer is None or all(
            field_of(option.layer, k) in (v, None) or _listed(field_of(option.layer, k)) == _listed(v)
            for k, v in context.fixed.items()
            if k in STRUCTURAL_FIELDS
        ):
            yield option


# The fields that decide shapes, and what a recurrent layer gives on
STRUCTURAL_FIELDS = (
    "strides padding pool_size size return_sequences return_state merge_mode target_shape n dims axis dilation_rate "
    "cropping"
).split()


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, list | tuple) else value


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
        yield from _convolutions(layer, n, shape, context, oblong)
    elif name == "ConvLSTM2D":
        for option in _convolutions(layer, n, shape, context, oblong):
            for every, cost in ((False, 0.3), (True, 1.2)):
                yield Option(with_field(option.layer or layer, "return_sequences", every), option.cost + cost)
    elif name.endswith("Transpose"):
        for (stride, a), (padding, b) in itertools.product(
            priors.STRIDE_TRANSPOSED.items(), priors.PADDING_TRANSPOSED.items()
        ):
            yield Option(layer.having(strides=[stride] * n, padding=padding), a + b)
    elif pools(name):
        for kind, cost in _kinds(ranked):
            yield from (Option(o.layer, cost + o.cost) for o in _poolings(kind, n, shape, context, oblong))
    elif name.startswith("UpSampling"):
        for factor, cost in priors.UP.items():
            yield Option(ranked.having(size=factor if n == 1 else [factor] * n), cost)
        if n == 2 and oblong:
            yield Option(ranked.having(size=[1, 2]), 4.5)
            yield Option(ranked.having(size=[2, 1]), 4.5)
    elif name.startswith(("ZeroPadding", "Cropping")):
        key = "padding" if name.startswith("Zero") else "cropping"
        for margin, cost in ((1, 0.4), (2, 1.5), (3, 1.5), (4, 3.5), (5, 4.0)):
            yield Option(ranked.having(**{key: [margin] * n if n > 1 else margin}), cost)
        for one_side in ([0, 1], [1, 0]):
            yield Option(ranked.having(**{key: [one_side] * n if n > 1 else one_side}), 2.0)
    elif name in (*ALL_RECURRENT, "Bidirectional"):
        yield from _recurrent(layer, context, decodes=len(shapes) > 1)
    elif name == "Reshape":
        yield from _reshapes(layer, shape, context)
    elif name == "Lambda" and len(shapes) == 1 and len(shape) == 3 and shape[-1] in (1, 3):
        # On an image, as in models that drive (Udacity's "Behavioral cloning"): its function is not in the file
        yield Option(Layer("Rescaling", layer.name, {"name": layer.name}, path=layer.path), 0.5)
        yield Option(layer, 3.0)
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
        yield from (Option(kind, cost) for kind, cost in _kinds(ranked))
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
        yield from _between(shape, layer, context)
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


def _convolutions(layer: Layer, n: int, shape: Shape, context: Context, oblong_too: bool) -> Iterator[Option]:
    kernel = layer.config["kernel_size"]
    single = all(k == 1 for k in kernel)
    # Without Flatten the sizes are kept, in images to images and in deep classifiers alike
    kept = "Flatten" not in context.classes or layer.class_name.startswith(("Separable", "Depthwise"))
    costs = priors.PADDING_KEPT if kept or context.classes & (ENLARGING | {"Concatenate", "Add"}) else priors.PADDING
    ends_in_numbers = any(c == "Dense" or c.startswith("Global") for c in context.classes)
    unlike = ENLARGING | {"Add", "Bidirectional", *ALL_RECURRENT}  # before recurrent layers 4 of 5 are the same
    if ends_in_numbers and not context.enlarged and not context.classes & unlike and (n == 1 or max(kernel) % 2 == 0):
        costs = priors.PADDING_UNSAID
    if any(k == size for k, size in zip(kernel, shape[-n - 1 :], strict=False) if k > 3):  # over all of an axis
        costs = {**costs, "valid": 0.1, "same": 2.5}
    paddings = {"valid": 0.0} if single else {k: v for k, v in costs.items() if n == 1 or k != "causal"}
    # A decoder does not make smaller again what it has made larger
    change = (priors.SMALLER_IN_DECODER if context.enlarged else 0.0) - (1.0 if max(kernel) >= 5 and n > 1 else 0.0)
    by_stride = priors.STRIDE
    if layer.class_name == "Conv2D" and not single and _nothing_pools(context):
        by_stride = priors.STRIDE_ALONE
    if "Add" in context.classes and (single or _doubles(layer)):
        by_stride = priors.STRIDE_OF_SHORTCUT if single else priors.STRIDE_WHERE_DOUBLED
    if layer.class_name == "Conv2D" and list(kernel) in ([8, 8], [4, 4]) and "Flatten" in context.classes:
        by_stride = {**by_stride, kernel[0] // 2: 0.6}  # of agents that see (Mnih et al. 2015, Nature 518, methods)
    strides = [([s] * n, cost + (change if s > 1 else 0.0)) for s, cost in by_stride.items()]
    if n == 2 and oblong_too:
        strides += [([1, 2], 5.0), ([2, 1], 5.0)]
    for (stride, a), (padding, b) in itertools.product(strides, paddings.items()):
        if layer.class_name.startswith(("Separable", "Depthwise")) and len(set(stride)) > 1:
            continue
        yield Option(layer.having(strides=stride, padding=padding), a + b)
    if not single and n < 3 and not context.guessed and not layer.class_name.startswith(("Separable", "Depthwise")):
        for dilation, padding in itertools.product((2, 4, 8, 16)[: 4 if n == 1 else 1], ("same", "causal")[: 3 - n]):
            yield Option(layer.having(strides=[1] * n, padding=padding, dilation_rate=[dilation] * n), 5.0)


def _nothing_pools(context: Context) -> bool:
    """Whether the file says that no layer makes images smaller, though they end in numbers or are made larger again."""
    if "Reshape" in context.classes and "Flatten" not in context.classes:  # a decoder, which starts with numbers
        return False
    ends = context.classes & (ENLARGING | {"Flatten"}) and not context.classes & {"Add", "Concatenate"}
    return bool(ends) and "GAP" not in context.classes and not any("Pooling" in c for c in context.classes)


def _kinds(pooling: Layer) -> Iterator[tuple[Layer, float]]:
    """Of the maximum or of the average, where the name of the layer says neither."""
    yield pooling, 0.0
    if not re.search("max|av|gap|gmp", pooling.name.lower()):
        here, other = ("Max", "Average") if "Max" in pooling.class_name else ("Average", "Max")
        yield pooling.replace(class_name=pooling.class_name.replace(here, other)), 1.5


def _doubles(layer: Layer) -> bool:
    kernel = layer.weights.get("kernel")
    return kernel is not None and kernel.shape[-1] == 2 * kernel.shape[-2]


def _poolings(layer: Layer, n: int, shape: Shape, context: Context, oblong_too: bool) -> Iterator[Option]:
    whole = shape[0] if len(shape) == n + 1 and len(set(shape[:-1])) == 1 else None
    flattened = context.following[:1] and context.following[0].class_name in ("Flatten", "Dense")
    if whole is not None and whole > 3 and flattened and layer.class_name.startswith("Average"):  # as in ResNets
        yield Option(layer.having(pool_size=[whole] * n, strides=[whole] * n, padding="valid"), 1.5)
    by_size = priors.POOL_OF_SIGNAL if n == 1 else priors.POOL
    for (size, a), (padding, b) in itertools.product(by_size.items(), priors.POOL_PADDING.items()):
        yield Option(layer.having(pool_size=[size] * n, strides=[size] * n, padding=padding), a + b)
        if size in _OVERLAPPING:
            yield Option(layer.having(pool_size=[size] * n, strides=[2] * n, padding=padding), _OVERLAPPING[size] + b)
        if size in (2, 3):
            yield Option(layer.having(pool_size=[size] * n, strides=[1] * n, padding=padding), 4.0 + b)
        if size == 2 and n == 2 and padding == "valid":  # of images with channels last, as old code has it by mistake
            yield Option(
                layer.having(pool_size=[2, 2], strides=[2, 2], padding=padding, data_format="channels_first"), 6.0
            )
    if n == 2 and 1 in shape[:2]:  # of which one axis alone is left, as of signals of several channels
        for (size, a), (padding, b) in itertools.product(priors.POOL_OF_STEPS.items(), priors.POOL_PADDING.items()):
            pool = [1, size] if shape[0] == 1 else [size, 1]
            yield Option(layer.having(pool_size=pool, strides=pool, padding=padding), a + b)
    elif n == 2 and oblong_too:
        for oblong in ([1, 2], [2, 1], [2, 4], [4, 2], [1, 3], [3, 1], [1, 4], [4, 1], [2, 3], [3, 2]):
            yield Option(layer.having(pool_size=oblong, strides=oblong, padding="valid"), 4.5)


_OVERLAPPING = {3: 2.4, 4: 5.0, 5: 5.0}  # pools that go on by 2


def _recurrent(layer: Layer, context: Context, decodes: bool) -> Iterator[Option]:
    """Whether all steps are given on: always where another recurrent layer follows, which shapes know, and hardly ever
    not where it `decodes` from the states of another."""
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


def gaps(shape: Shape) -> Iterator[Option]:
    """What may stand between two layers of a file that does not list layers without weights."""
    yield Option(None, 0.05)
    n = len(shape) - 1
    if 1 <= n <= 3:
        for size, cost in ((2, 1.2), (3, 3.5), (4, 3.8)):
            pool = Layer(f"MaxPooling{n}D", "", {"pool_size": [size] * n, "strides": [size] * n, "padding": "valid"})
            yield Option(pool, cost)
            yield Option(pool.having(padding="same"), cost + 1.2)
        three = Layer(f"MaxPooling{n}D", "", {"pool_size": [3] * n, "strides": [2] * n, "padding": "valid"})
        yield Option(three, 3.6)
        yield Option(three.having(padding="same"), 4.0)
        yield Option(Layer("Flatten", ""), 1.5)
        yield Option(Layer(f"GlobalAveragePooling{n}D", ""), 1.9)
        yield Option(Layer(f"GlobalMaxPooling{n}D", ""), 3.0)
        yield Option(Layer(f"UpSampling{n}D", "", {"size": 2 if n == 1 else [2] * n}), 2.5)


def _between(shape: Shape, layer: Layer, context: Context) -> Iterator[Option]:
    """The same between two convolutions: where channels become more, sizes usually become less, and the reverse."""
    change = layer.config.get("channels", 0)
    normalized = context.following[:1] and context.following[0].class_name == "BatchNormalization"
    for option in gaps(shape):
        name = option.layer.class_name if option.layer is not None else ""
        cost = option.cost
        if not name:
            cost = 0.7 if change or context.enlarged else cost
        elif normalized:
            cost += 2.0
        elif name == "Flatten":
            cost += 0.65 if change else 0.0
        elif name.startswith("Up") and context.enlarged and sum(map(weighted, context.following)) == 1:
            cost -= 1.0  # a generator gives an image in the size of the last but one, more often than not
        elif name.startswith("Up"):
            cost -= 1.8 if change < 0 or context.enlarged else 0.0
        elif context.enlarged:
            cost += priors.SMALLER_IN_DECODER
        elif context.discriminates:
            cost += 1.5
        elif change > 0 and name.startswith("Max"):
            cost -= 0.6
        yield Option(option.layer, cost)


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
