"""The plainest of the forms that a model may have: authors make layers of a kind alike, or all but the first."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from reconstruct.inference.choices import STRUCTURAL_FIELDS, structural
from reconstruct.inference.context import Context
from reconstruct.inference.structure import Form

MOST_COMPARED = 60
AGAIN = 0.25  # of the cost of a choice, where it is made once more


def plainest(found: Iterator[Form], alike: Iterator[Form], contexts: Sequence[Context]) -> Iterator[Form]:
    """The forms of both streams, of the first ones those in front in which few different choices are made."""
    first = [*itertools.islice(found, MOST_COMPARED), *itertools.islice(alike, MOST_COMPARED)]
    yield from sorted(first, key=lambda form: cost(form, contexts))
    yield from found


def cost(form: Form, contexts: Sequence[Context]) -> float:
    """The cost of a form in which a choice that another layer of the kind has made already costs less."""
    total = form.cost
    seen = set()
    for i, (node, layer) in enumerate(zip(form.wiring.nodes, form.layers, strict=True)):
        if layer is None or not node.inputs or node.twin is not None:
            continue
        chosen = {k: layer.config[k] for k in STRUCTURAL_FIELDS if k in layer.config}
        below = [form.shapes[j] for j in node.inputs]
        own = next((o.cost for o in structural(node.layer, below, contexts[i]) if o.layer == layer), 0.0)
        kind = layer.class_name, repr(sorted(chosen.items()))
        if chosen and kind in seen:
            total -= (1 - AGAIN) * own
        seen.add(kind)
    return total


__all__ = ["cost", "plainest"]
