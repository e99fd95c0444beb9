"""The shapes of inputs that a first layer may have been given, the likeliest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from reconstruct.artifact import Layer
from reconstruct.inference import priors
from reconstruct.inference.context import ACTIVATION_LAYERS, inner, weighted
from reconstruct.inference.hints import Hints
from reconstruct.inference.shapes import ENLARGING, MERGING, RECURRENT, Shape, spatial
from reconstruct.inference.structure import Starts, Wiring

# Where inputs may have any size, as large a one is taken while choices are made
ANY_SIZE = 512


def starts_of(wiring: Wiring, hints: Hints, sizes: str) -> Starts | None:
    """By input the shapes that it may have: what the user says, else what suits the first layers with weights.

    `sizes` are "open", "square" or "any" for images; None where the user says another number of inputs.
    """
    given = hints.shapes
    starts: dict[int, Sequence[tuple[Shape, float]]] = {}
    for k, i in enumerate(wiring.inputs):
        if given is not None:
            if len(given) != len(wiring.inputs):
                return None
            shape = given[k]
            if shape is not None:
                starts[i] = [(shape, 0.0)]
                if hints.examples is not None and None in shape:
                    starts[i] = [(tuple(hints.examples[0][k].shape[1:]), 0.0)]
                continue
        if (units := _started(wiring, i)) is not None:
            starts[i] = [((units,), 0.0)]
            continue
        first = _first_weighted(wiring, i)
        behind = {
            wiring.nodes[j].layer.class_name for j in wiring.users(i) if wiring.nodes[j].layer.path
        }  # in the file
        if sizes != "open" and _of_numbers(wiring):
            return None
        starts[i] = list(_flattened(first) if behind == {"Flatten"} else ()) or list(_start_shapes(first, sizes))
        if behind == {"Permute"}:  # as of the last few frames, which keras-rl stacks before the picture's axes
            starts[i] = [((*shape[-1:], *shape[:-1]), cost) for shape, cost in starts[i]]
        if sizes == "open" and _resized(wiring):
            # Only with sizes can skips tell where an encoder halves what its decoder doubles; they stay open after
            starts[i] = [(tuple(ANY_SIZE if n is None else n for n in shape), cost) for shape, cost in starts[i]]
        if not starts[i]:
            return None
    return starts


def _started(wiring: Wiring, index: int) -> int | None:
    """The units of a recurrent layer of which an input is a state to start with."""
    layers = [n.layer for n in wiring.nodes if index in n.inputs[1:] and n.layer.class_name in RECURRENT]
    return int(layers[0].config["units"]) if layers else None


def _resized(wiring: Wiring) -> bool:
    """Whether layers are merged in a model that makes images larger."""
    names = [node.layer.class_name for node in wiring.nodes]
    return not ENLARGING.isdisjoint(names) and not set(MERGING).isdisjoint(names)


def _of_numbers(wiring: Wiring) -> bool:
    """Whether all layers of the file are those of models that take rows of numbers, of which no number is a guess."""
    return all(n.layer.class_name in _NUMBERS for n in wiring.nodes if n.layer.path)


_NUMBERS = ("InputLayer", "Dense", "BatchNormalization", "Dropout", "Concatenate", "Add", *ACTIVATION_LAYERS)


def _first_weighted(wiring: Wiring, index: int) -> Layer | None:
    """The first layer with weights behind an input."""
    todo, seen = [index], set()
    while todo:
        at = todo.pop(0)
        layer = wiring.nodes[at].layer
        if weighted(layer) and (layer.class_name != "BatchNormalization" or not _leads_to_conv(wiring, at)):
            return layer
        for user in wiring.users(at):
            if user not in seen:
                seen.add(user)
                todo.append(user)
    return None


def _leads_to_conv(wiring: Wiring, i: int) -> bool:
    """Whether the next layer with weights is a convolution, which tells more than a normalisation before it."""
    while users := wiring.users(i):
        i = users[0]
        if weighted(wiring.nodes[i].layer):
            return bool(spatial(inner(wiring.nodes[i].layer).class_name))
    return False


def _flattened(layer: Layer | None) -> Iterator[tuple[Shape, float]]:
    """The shapes of what has axes to flatten before a Dense layer: pictures, or one step, as keras-rl gives agents the
    last few (keras-rl 0.4, examples/dqn_cartpole.py)."""
    if layer is None or layer.class_name != "Dense":
        return
    size = layer.weights["kernel"].shape[0]
    for channels in (1, 3):
        side = math.isqrt(size // channels)
        if side >= 16 and side * side * channels == size:
            yield ((side, side) if channels == 1 else (side, side, channels)), 0.0
            yield (side, side, channels), 0.5
    yield (1, size), 0.3
    yield (size,), 1.5


def _start_shapes(layer: Layer | None, sizes: str) -> Iterator[tuple[Shape, float]]:
    """The shapes that a model's input may have, as its first layer with weights tells: `sizes` is `open`, `square` or
    `any`."""
    if layer is None:
        return
    if layer.graph is not None:
        usual = tuple(layer.graph.layers[0].config["batch_shape"][1:])
        if None not in usual:
            yield usual, 0.01
        layer = next(n for n in layer.graph.layers if n.weights)
    core = inner(layer)
    wrapped = layer.class_name == "TimeDistributed"
    kernel = core.weights.get("kernel", core.weights.get("depthwise_kernel"))
    first = next(iter(core.weights.values()), None)
    n, channels = -1, 0
    if core.class_name == "Dense" and kernel is not None:
        n, channels = 0, kernel.shape[0]
    elif core.class_name in RECURRENT and kernel is not None:
        n, channels = 1, kernel.shape[0]
    elif core.class_name == "Embedding":
        yield (None,), 0.0
        for size in () if sizes == "open" else (1, *priors.SIZES, 50, 500, 1000):
            yield (size,), 1.0 + priors.SIZES.get(size, 3.0)
        return
    elif core.class_name == "MultiHeadAttention":
        n, channels = 1, core.weights["query/kernel"].shape[0]
    elif kernel is not None and "Conv" in core.class_name:
        n = spatial(core.class_name) + core.class_name.startswith("ConvLSTM")
        channels = kernel.shape[-1 if core.class_name.endswith("Transpose") else -2]
    elif core.class_name == "Normalization":
        n, channels = 2, core.weights["mean"].shape[0]
    elif first is not None and len(first.shape) == 1:  # a normalisation
        n, channels = 0, first.shape[0]
    if n < 0:
        return
    n += wrapped
    yield (*(None,) * n, channels), 0.0
    if n == 0:
        yield (None, channels), 2.0
        n = 1
    if sizes != "open":
        for found, cost in _sizes(n, sizes == "any"):
            yield (*found, channels), cost


def _sizes(n: int, any_sides: bool) -> Iterator[tuple[tuple[int, ...], float]]:
    def cost(size: int) -> float:
        return priors.SIZES.get(size, priors.SIZE_EIGHTH if size % 8 == 0 else priors.SIZE_ANY)

    if n == 1:
        for size in range(1, 2050):
            yield (size,), cost(size) * 0.7 + size / 400
    elif n == 2:
        for size in range(4, 520):
            yield (size, size), cost(size) + size / 1000
        common = sorted(priors.SIZES) if any_sides else []
        for a, b in itertools.permutations(common, 2):
            yield (a, b), cost(a) + cost(b) + 2.0
    else:
        for size in sorted(priors.SIZES):
            yield (size,) * n, cost(size)
