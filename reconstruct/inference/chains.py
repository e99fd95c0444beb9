"""Chains: layers one after the other, in the order of the file or in one that it leaves open."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from reconstruct.artifact import Layer
from reconstruct.inference.channels import Channels, given_by, may_take, taken_by
from reconstruct.inference.context import ACTIVATION_LAYERS, inner, weighted
from reconstruct.inference.shapes import MERGING, spatial
from reconstruct.inference.structure import Node, Wiring

MOST_CHAINS = 80


def channels_first(layers: Sequence[Layer], flatten: bool = False) -> Iterator[Layer]:
    """The layers of a model whose images have channels first, as Theano wants them: they are turned at the start, and
    back before they are flattened or given. Where `flatten` is told so too, it turns them itself before it flattens
    them (Keras 2.2, layers/core.py, Flatten.call), so that they stay as they are.
    """
    entry = [n for n in layers if n.class_name == "InputLayer"][:1]
    yield from entry
    flat = False
    yield Layer("Permute", "channels_last", {"dims": [2, 3, 1]})
    for layer in layers:
        if layer.class_name == "InputLayer":
            continue
        if not flat and layer.class_name in ("Flatten", "Reshape"):
            flat = True
            if not flatten:
                yield Layer("Permute", "channels_first", {"dims": [3, 1, 2]})
        flat = flat or layer.class_name.startswith("Global")
        yield layer
    if not flat:
        yield Layer("Permute", "channels_first", {"dims": [3, 1, 2]})


def reordered(layers: Sequence[Layer]) -> Iterator[Wiring]:
    """Chains of layers whose order is read off where they lie in the file, the likeliest first.

    Layers without weights are small, and HDF5 puts them where room was left, so each may belong elsewhere.
    """
    layers = _each_behind_its_own(layers)
    fixed = [i for i, n in enumerate(layers) if not _moves(n)]
    moving = [i for i, n in enumerate(layers) if _moves(n)]
    places = [sum(j < i for j in fixed) for i in moving]
    found: list[tuple[float, int, list[Layer]]] = []
    possible = itertools.combinations_with_replacement(range(1, len(fixed)), len(moving)) if len(moving) < 7 else ()
    for number, slots in enumerate(itertools.chain([tuple(places)], itertools.islice(possible, 5000))):
        order = [
            layers[i]
            for k, f in enumerate(fixed, 1)
            for i in (f, *(m for m, slot in zip(moving, slots, strict=True) if slot == k))
        ]
        pairs = list(itertools.pairwise(order))
        # Pooling and upsampling meet in the middle of some encoders with decoders, two of a kind hardly anywhere
        side_by_side = sum((1.5 if a.class_name == b.class_name else 0.9) for a, b in pairs if _moves(a) and _moves(b))
        at_once = sum(a.class_name == "InputLayer" and b.class_name.startswith(_RESIZING) for a, b in pairs)
        moved = sum(abs(a - b) for a, b in zip(slots, places, strict=True))
        found.append((side_by_side + 3.0 * at_once + 0.6 * moved, number, order))
    known: set[tuple[str, ...]] = set()
    for cost, _, order in sorted(found, key=lambda item: item[:2])[:MOST_CHAINS]:
        names = tuple(n.name for n in order)
        if names not in known:
            known.add(names)
            yield replace(chain(order), cost=cost if cost else 0.0, reason="the order of layers follows from the file")


def _each_behind_its_own(layers: Sequence[Layer]) -> Sequence[Layer]:
    """The layers with each activation behind its normalisation, where there are as many and half of them stand so."""
    norms = [i for i, n in enumerate(layers) if n.class_name == "BatchNormalization"]
    acts = [n for n in layers if n.class_name in ACTIVATION_LAYERS]
    behind = sum(layers[i + 1].class_name in ACTIVATION_LAYERS for i in norms if i + 1 < len(layers))
    if len(acts) != len(norms) or not len(norms) > behind >= len(norms) / 2:
        return layers
    given = iter(acts)
    found = []
    for layer in layers:
        if layer.class_name not in ACTIVATION_LAYERS:
            found += [layer, next(given)] if layer.class_name == "BatchNormalization" else [layer]
    return found


_RESIZING = ("MaxPooling", "AveragePooling", "UpSampling")


def _moves(layer: Layer) -> bool:
    return layer.class_name.startswith((*_RESIZING, "ZeroPadding"))


def chain(layers: Sequence[Layer], gaps: bool = False, boundaries: frozenset[str] = frozenset()) -> Wiring:
    """Each layer called on the one before; with gaps, another may stand before each layer with weights, and two where
    one model ends and the next begins."""
    rest = [n for n in layers if n.class_name != "InputLayer"]
    entry = next((n for n in layers if n.class_name == "InputLayer"), Layer("InputLayer", "input", path="model/input"))
    nodes = [Node(entry)]
    for i, layer in enumerate(rest):
        if gaps and weighted(layer) and i:
            changes = [_change(rest[:i], layer)]
            before = next((n for n in reversed(rest[:i]) if n.class_name != "BatchNormalization"), rest[0])
            if (
                before.class_name == "Dense" and spatial(inner(layer).class_name) > 1
            ):  # as a decoder goes on from numbers
                nodes.append(Node(Layer("Reshape", f"reshape_{i}", {"name": f"reshape_{i}"}), (len(nodes) - 1,)))
            elif layer.class_name == "Dense" and spatial(rest[i - 1].class_name):  # pooled as most are, then flattened
                changes = [1, 0]
            if layer.name in boundaries:  # as where an encoder has made the image smaller and a decoder begins
                both = "filters" in rest[i - 1].config and "filters" in layer.config
                changes = [1, -1] if both else changes * 2
            for change in changes:
                nodes.append(Node(Layer("GAP", f"gap_{i}", {"channels": change}), (len(nodes) - 1,)))
        nodes.append(Node(layer, (len(nodes) - 1,)))
    return Wiring(tuple(nodes), (len(nodes) - 1,))


def _change(before: Sequence[Layer], layer: Layer) -> int:
    """Whether a convolution gives more channels (1) or less (-1) than the one before it."""
    a = next((n.config.get("filters") for n in reversed(before) if n.class_name != "BatchNormalization"), None)
    b = layer.config.get("filters")
    return 0 if not isinstance(a, int) or not isinstance(b, int) else (b > a) - (b < a)


def towers(layers: Sequence[Layer]) -> tuple[list[Layer], list[Node]] | None:
    """The layers with those before the first merge once for each input, and what these are called on, where they are a
    chain that each of several inputs can go through: such a tower stands in the file once."""
    entries = list(itertools.takewhile(lambda n: n.class_name == "InputLayer", layers))
    rest = layers[len(entries) :]
    tower = list(itertools.takewhile(lambda n: n.class_name not in (*MERGING, "Lambda", "InputLayer"), rest))
    if len(entries) < 2 or len(tower) == len(rest) or not any(weighted(n) for n in tower):
        return None
    if any(n.is_model for n in tower):
        return None
    gaps = all(weighted(n) for n in tower)
    tensor = Channels(None, None)
    for k, layer in enumerate(tower):
        wanted = taken_by(layer)
        if (k and layer.class_name == "Embedding") or (wanted is not None and not may_take(wanted, tensor)):
            return None
        unlisted = gaps and spatial(layer.class_name)  # what flattens it is not listed
        tensor = Channels(None, None) if unlisted else given_by(layer, tensor)
    nodes = [Node(n) for n in entries]
    before = list(range(len(entries)))
    for each in chain(tower, gaps=gaps).nodes[1:]:
        first = len(nodes)
        for k in range(len(entries)):
            nodes.append(Node(each.layer, (before[k],), first if k else None))
            before[k] = first + k
    return [*(n.layer for n in nodes), *rest[len(tower) :]], nodes
