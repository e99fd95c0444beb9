"""What makes images and signals smaller or larger: strides, padding, pools, and what a file does not list."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.context import Context, Option, weighted
from reconstruct.inference.shapes import (
    ENLARGING,
    RECURRENT,
    Shape,
)


def convolutions(layer: Layer, n: int, shape: Shape, context: Context, oblong_too: bool) -> Iterator[Option]:
    """Strides, padding and dilation of a convolution over `n` axes; `oblong_too` with sides that are treated unlike."""
    kernel = layer.config["kernel_size"]
    single = all(k == 1 for k in kernel)
    # Without Flatten the sizes are kept, in images to images and in deep classifiers alike
    kept = "Flatten" not in context.classes or layer.class_name.startswith(("Separable", "Depthwise"))
    costs = priors.PADDING_KEPT if kept or context.classes & (ENLARGING | {"Concatenate", "Add"}) else priors.PADDING
    ends_in_numbers = any(c == "Dense" or c.startswith("Global") for c in context.classes)
    unlike = ENLARGING | {"Add", "Bidirectional", *RECURRENT}  # before recurrent layers 4 of 5 are the same
    if ends_in_numbers and not context.enlarged and not context.classes & unlike and (n == 1 or max(kernel) % 2 == 0):
        costs = priors.PADDING_UNSAID
    if any(k == size for k, size in zip(kernel, shape[-n - 1 :], strict=False) if k > 3):  # over all of an axis
        costs = {**costs, "valid": 0.1, "same": 2.5}
    paddings = {"valid": 0.0} if single else {k: v for k, v in costs.items() if n == 1 or k != "causal"}
    # A decoder does not make smaller again what it has made larger
    change = (priors.SMALLER_IN_DECODER if context.enlarged else 0.0) - (1.0 if max(kernel) >= 5 and n > 1 else 0.0)
    by_stride = priors.STRIDE
    if layer.class_name == "Conv2D" and not single and (context.discriminates or _nothing_pools(context)):
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


def kinds(pooling: Layer) -> Iterator[tuple[Layer, float]]:
    """Of the maximum or of the average, where the name of the layer says neither."""
    yield pooling, 0.0
    if not re.search("max|av|gap|gmp", pooling.name.lower()):
        here, other = ("Max", "Average") if "Max" in pooling.class_name else ("Average", "Max")
        yield pooling.replace(class_name=pooling.class_name.replace(here, other)), 1.5


def _doubles(layer: Layer) -> bool:
    kernel = layer.weights.get("kernel")
    return kernel is not None and kernel.shape[-1] == 2 * kernel.shape[-2]


def poolings(layer: Layer, n: int, shape: Shape, context: Context, oblong_too: bool) -> Iterator[Option]:
    """The sizes, strides and padding of a pooling over `n` axes, likewise."""
    whole = shape[0] if len(shape) == n + 1 and len(set(shape[:-1])) == 1 else None
    flattened = context.following[:1] and context.following[0].class_name in ("Flatten", "Dense")
    if whole is not None and whole > 3 and flattened and layer.class_name.startswith("Average"):  # as in ResNets
        yield Option(layer.having(pool_size=[whole] * n, strides=[whole] * n, padding="valid"), 1.5)
    elif (
        n == 1 and whole is not None and whole > 5 and flattened
    ):  # as in Keras's examples/pretrained_word_embeddings.py
        yield Option(layer.having(pool_size=[whole], strides=[whole], padding="valid"), 3.0)
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


def between(shape: Shape, layer: Layer, context: Context) -> Iterator[Option]:
    """What `gaps` has, between two convolutions: where channels become more, sizes usually become less, and the
    reverse."""
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
