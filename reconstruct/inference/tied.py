"""Forms in which all layers of a kind are made alike: what an author writes in a loop."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.choices import STRUCTURAL_FIELDS, fits, structural
from reconstruct.inference.context import Context, Option
from reconstruct.inference.ends import cost_of_ends
from reconstruct.inference.shapes import Shape, pools, spatial
from reconstruct.inference.structure import Form, Wiring, propagated


def tied(
    wiring: Wiring, contexts: Sequence[Context], start: Sequence[Shape], targets: Sequence[Shape | None], until: float
) -> Iterator[Form]:
    """Forms in which all layers of a kind are made alike, by cost.

    `start` are the shapes of the inputs, which must be known.
    """
    ranks = _ranks(wiring, contexts, start)
    if ranks is None:
        return
    groups: dict[object, list[int]] = {}
    options: dict[object, list[Option]] = {}
    for i, node in enumerate(wiring.nodes):
        if not node.inputs or node.layer.class_name == "GAP":
            continue
        found = list(structural(node.layer, [ranks[j] for j in node.inputs], contexts[i]))
        if len(found) > 1:
            kernel = node.layer.config.get("kernel_size")
            key = (
                node.layer.class_name,
                str(kernel),
                len(found),
                "return_state" in node.layer.config,
                opens_block(wiring, i),
            )
            groups.setdefault(key, []).append(i)
            if key[-1]:
                found = [replace(o, cost=o.cost - OPENED_PADDED) if _padded(o) else o for o in found]
            options.setdefault(key, sorted(found, key=lambda o: o.cost))
    keys = list(groups)
    if not keys or all(len(groups[k]) == 1 for k in keys):
        return
    heap = [(sum(options[k][0].cost for k in keys), tuple(0 for _ in keys))]
    known = {heap[0][1]}
    while heap and time.monotonic() < until:
        cost, at = heapq.heappop(heap)
        layers: list[Layer | None] = [n.layer if n.layer.class_name != "GAP" else None for n in wiring.nodes]
        for kind, number in zip(keys, at, strict=True):
            made = options[kind][number].layer
            for i in groups[kind]:
                layers[i] = _like(wiring.nodes[i].layer, made)
        shapes = propagated(wiring, layers, start, targets)
        if shapes is not None:
            each = sum(options[k][n].cost * len(groups[k]) for k, n in zip(keys, at, strict=True))
            each += cost_of_ends(wiring, start, [shapes[i] for i in wiring.outputs])
            yield Form(wiring, tuple(layers), shapes, each)
        for i, kind in enumerate(keys):
            after = (*at[:i], at[i] + 1, *at[i + 1 :])
            if after[i] < len(options[kind]) and after not in known:
                known.add(after)
                more = options[kind][after[i]].cost - options[kind][at[i]].cost
                heapq.heappush(heap, (cost + more, after))


def _ranks(wiring: Wiring, contexts: Sequence[Context], start: Sequence[Shape]) -> list[Shape] | None:
    """The shape of each output with the plainest form of each layer, sizes of no meaning: only ranks and channels."""
    shapes: list[Shape] = []
    given = iter(start)
    for i, node in enumerate(wiring.nodes):
        if not node.inputs:
            shape = next(given)
            words = any(wiring.nodes[j].layer.class_name == "Embedding" for j in wiring.users(i))
            kept = 0 if words else 1  # channels, which words have not
            shapes.append((*(None for _ in shape[kept:]), *shape[len(shape) - kept :]))
            continue
        below = [shapes[j] for j in node.inputs]
        ranked = (fits(o, below) for o in structural(node.layer, below, contexts[i]))
        found = next((s for s in ranked if s is not None), None)
        if found is None and node.layer.class_name == "Dense" and below[0][-1:] == (None,):  # behind Flatten
            found = (*below[0][:-1], node.layer.weights["kernel"].shape[1])
        if found is None:
            return None
        shapes.append(found)
    return shapes


def opens_block(wiring: Wiring, i: int) -> bool:
    """Whether a convolution is the first of a block: authors pad that one alone, as in Keras's examples/cifar10_cnn.py,
    and not every second time."""
    if not spatial(wiring.nodes[i].layer.class_name) or not any(pools(n.layer.class_name) for n in wiring.nodes):
        return False
    at = wiring.nodes[i].inputs[0]
    while wiring.nodes[at].inputs and wiring.nodes[at].layer.class_name in ("Dropout", "SpatialDropout2D"):
        at = wiring.nodes[at].inputs[0]
    return not wiring.nodes[at].inputs or pools(wiring.nodes[at].layer.class_name)


OPENED_PADDED = 0.05


def _padded(option: Option) -> bool:
    return option.layer is not None and option.layer.config.get("padding") == "same"


def _like(layer: Layer, made: Layer | None) -> Layer | None:
    """The layer with the form of another of its kind."""
    if made is None:
        return None
    if layer.children:
        children = {k: _like(c, made.children[k]) or c for k, c in layer.children.items()}
        return layer.replace(config={**layer.config, **_form(made)}, children=children)
    return layer.replace(class_name=made.class_name, config={**layer.config, **_form(made)})


def _form(layer: Layer) -> dict[str, Any]:
    return {k: v for k, v in layer.config.items() if k in STRUCTURAL_FIELDS}
