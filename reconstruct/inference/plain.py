"""The plainest of the forms that a model may have: authors make convolutions and pools of a kind alike."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from reconstruct.inference.choices import STRUCTURAL_FIELDS, structural
from reconstruct.inference.context import Context
from reconstruct.inference.shapes import spatial
from reconstruct.inference.structure import Form

MOST_COMPARED = 60
NEXT, LATER = 0.15, 0.6  # of the cost of a choice, where it is made once more, by the next of its kind or a later one


def plainest(found: Iterator[Form], alike: Iterator[Form], contexts: Sequence[Context]) -> Iterator[Form]:
    """The forms of both streams, of the first ones those in front in which few different choices are made."""
    first = [*itertools.islice(found, MOST_COMPARED), *itertools.islice(alike, MOST_COMPARED)]
    yield from sorted(first, key=lambda form: cost(form, contexts))
    yield from found


def cost(form: Form, contexts: Sequence[Context]) -> float:
    """The cost of a form in which a choice costs less that another layer of the kind and at a like place has made."""
    total = form.cost
    seen = set()
    before: dict[str, object] = {}
    for i, (node, layer) in enumerate(zip(form.wiring.nodes, form.layers, strict=True)):
        if layer is None or not spatial(layer.class_name) or node.twin is not None:
            continue
        chosen = {k: layer.config[k] for k in STRUCTURAL_FIELDS if k in layer.config}
        below = [form.shapes[j] for j in node.inputs]
        own = next((o.cost for o in structural(node.layer, below, contexts[i]) if o.layer == layer), 0.0)
        choice = layer.class_name, repr(sorted(chosen.items())), round(own, 3)
        if choice in seen:
            total -= (1 - (NEXT if before[layer.class_name] == choice else LATER)) * own
        seen.add(choice)
        before[layer.class_name] = choice
    return total


__all__ = ["cost", "plainest"]
