"""The plainest of the forms that a model may have: authors make convolutions and pools of a kind alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from reconstruct.artifact import Layer
from reconstruct.inference.choices import STRUCTURAL_FIELDS, structural
from reconstruct.inference.context import Context, Option
from reconstruct.inference.shapes import Shape, per_axis, spatial
from reconstruct.inference.structure import Form
from reconstruct.inference.tied import opens_block

Options = dict[tuple[int, tuple[Shape, ...]], list[Option]]

MOST_COMPARED = 60
AGAIN = 0.15  # of the cost of a choice, where a layer before has made it
CHANGED = 1.0  # where padding or pool are not those of the layer before of the kind
CHANGED_FIRST = 0.3  # behind the first, which many give its input's shape and nothing else
BLOCKS = 0.7  # where all is alike but the first layer of each block


def plainest(found: Iterator[Form], alike: Iterator[Form], contexts: Sequence[Context]) -> Iterator[Form]:
    """The forms of both streams, of the first ones those in front in which few different choices are made."""
    first = [*itertools.islice(found, MOST_COMPARED), *itertools.islice(alike, MOST_COMPARED)]
    known: Options = {}
    yield from sorted(first, key=lambda form: _cost(form, contexts, known))
    yield from found


def _cost(form: Form, contexts: Sequence[Context], known: Options) -> float:
    """The cost of a form, less for choices that a layer of the kind has made before, and more where they change.

    `known` are the options of its layers, which it keeps for the next form.
    """
    own = [_own(form, i, contexts[i], known) for i in range(len(form.layers))]
    blocks = _in_groups(form, own, lambda i: opens_block(form.wiring, i)) + BLOCKS
    return min(_in_groups(form, own, lambda i: False), blocks)


def _own(form: Form, i: int, context: Context, known: Options) -> float:
    """What the choice for one layer cost, a convolution or a pool."""
    layer, node = form.layers[i], form.wiring.nodes[i]
    if layer is None or not spatial(layer.class_name) or node.twin is not None:
        return 0.0
    below = tuple(form.shapes[j] for j in node.inputs)
    if (i, below) not in known:
        known[i, below] = list(structural(node.layer, below, context))
    return next((o.cost for o in known[i, below] if o.layer == layer), 0.0)


def _in_groups(form: Form, own: Sequence[float], apart: Callable[[int], bool]) -> float:
    """The same with layers in two groups."""
    total = form.cost
    made = set()
    looks: dict[object, list[object]] = {}
    for i, layer in enumerate(form.layers):
        if layer is None or not own[i]:
            continue
        kind = layer.class_name, str(layer.config.get("kernel_size")), apart(i)
        # A choice that costs more at one place than at another is not the same choice
        choice = kind, repr([layer.config.get(k) for k in STRUCTURAL_FIELDS]), round(own[i], 3)
        total -= (1 - AGAIN) * own[i] if choice in made and not _strides(layer) else 0.0
        made.add(choice)
        before = looks.setdefault(kind, [])
        before.append((layer.config.get("padding"), repr(layer.config.get("pool_size"))))
        if len(before) > 1 and before[-1] != before[-2]:
            total += CHANGED_FIRST if len(before) == 2 else CHANGED
    return total


def _strides(layer: Layer) -> bool:
    """Whether it is a convolution that strides, as one at a certain place of a block does and others do not."""
    return "pool_size" not in layer.config and set(per_axis(layer.config.get("strides", 1), 1)) != {1}


__all__ = ["plainest"]
