"""The choices that a form leaves open, and the orders in which values for them are tried."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Layer
from reconstruct.inference.context import ACTIVATION_LAYERS, Context, with_field
from reconstruct.inference.numerical import numerical
from reconstruct.inference.structure import Form
from reconstruct.inference.wiring import before

Key = tuple[int, str]
Values = dict[Key, Any]


@dataclass
class Open:
    """The open choices of a form: by node and field the alternatives, each with its cost."""

    form: Form
    fields: dict[Key, list[tuple[Any, float]]]
    contexts: Sequence[Context] = ()

    def best(self) -> Values:
        return {key: alternatives[0][0] for key, alternatives in self.fields.items()}

    def cost(self, values: Values) -> float:
        """The form's cost and that of each choice; a choice made once costs little where it is made again."""
        total, seen = self.form.cost, set()
        for key, value in values.items():
            own = next((c for v, c in self.fields[key] if v == value), 9.0)
            kind = self.kind(key), value
            total += own * (0.25 if kind in seen else 1.0)
            seen.add(kind)
        return total

    def kind(self, key: Key) -> tuple[Any, ...]:
        """What is likely to be chosen alike: the same field of layers of a kind at like places."""
        layer = self.form.layers[key[0]]
        assert layer is not None
        alternatives = self.fields[key]
        place = tuple(v for v, _ in alternatives[:2])
        group = "Conv" if "Conv" in layer.class_name else layer.class_name
        apart = layer.class_name in ACTIVATION_LAYERS
        behind_conv = apart and any("Conv" in n.class_name for n in before(self.form.wiring, key[0]))
        return group, key[1], place, behind_conv

    def layers(self, values: Values) -> list[Layer | None]:
        made = list(self.form.layers)
        for (i, name), value in values.items():
            layer = made[i]
            assert layer is not None
            made[i] = with_field(layer, name, value)
        for i, node in enumerate(self.form.wiring.nodes):
            if node.twin is not None:
                made[i] = made[node.twin]
        return made


def opened(form: Form, contexts: Sequence[Context]) -> Open:
    """The choices that a form leaves open."""
    fields: dict[Key, list[tuple[Any, float]]] = {}
    for i, layer in enumerate(form.layers):
        if layer is not None and form.wiring.nodes[i].twin is None:
            for name, alternatives in numerical(layer, contexts[i]).items():
                fields[i, name] = alternatives
    each = Open(form, fields, contexts)
    kinds: dict[tuple[Any, ...], list[Key]] = {}
    for key in fields:
        if key[1] in MEASURED:
            kinds.setdefault(each.kind(key), []).append(key)
    for keys in kinds.values():
        fields.update(_measured({key: fields[key] for key in keys}, contexts))
    return each


MEASURED = ("activation", "alpha", "negative_slope")
# Models of which hidden layers of a kind have different activations: 12 of 174
UNLIKE = 2.7


def _measured(
    alike: Mapping[Key, list[tuple[Any, float]]], contexts: Sequence[Context]
) -> dict[Key, list[tuple[Any, float]]]:
    """What is open of layers of a kind with what their weights tell. Where one value for all of them is likelier than
    what each tells alone, what it costs beforehand is shared, and others are what is unlike."""
    told = {key: contexts[key[0]].measured for key in alike}
    costs = {key: {value: cost + told[key].get(value, 0.0) for value, cost in found} for key, found in alike.items()}
    common = _common({key: dict(found) for key, found in alike.items()}, told, costs) if any(told.values()) else None
    if common is not None:
        for key, found in alike.items():
            costs[key] = {value: cost + UNLIKE for value, cost in costs[key].items()}
            costs[key][common] = dict(found)[common] / len(alike) + told[key].get(common, 0.0)
    return {key: sorted(found.items(), key=lambda item: item[1]) for key, found in costs.items()}


def _common(
    prior: Mapping[Key, Mapping[Any, float]],
    told: Mapping[Key, Mapping[Any, float]],
    costs: Mapping[Key, Mapping[Any, float]],
) -> Any:
    """The value that layers of a kind have in common. That they have no activation is told of each alone: it depends on
    what follows. What several layers tell counts once: statistics of all of a kind told most of it."""
    if len(prior) < 2:
        return None
    shared = set.intersection(*(set(found) for found in prior.values()))
    once = {value: max(found[value] for found in prior.values()) for value in shared}
    together = {value: cost + max(t.get(value, 0.0) for t in told.values()) for value, cost in once.items()}
    best = min(together, key=lambda value: (together[value], str(value)))
    alone = {key: min(found, key=lambda value: found[value]) for key, found in costs.items()}
    if best == "linear" or not shared >= set(alone.values()):
        return None
    different = set(alone.values())
    apart = sum(once[value] for value in different) + max(told[key].get(value, 0.0) for key, value in alone.items())
    return best if together[best] <= apart + UNLIKE * (len(different) - 1) else None


LEAST_UNIFORM = 3  # layers
MOST_COST = 7.0  # of an alternative that is tried in place of another


def moves(each: Open, values: Values) -> Iterator[Values]:
    """The values with each of the changes made."""
    for _, keys, value in changes(each, values):
        yield {**values, **dict.fromkeys(keys, value)}


def changes(each: Open, values: Values) -> Iterator[tuple[float, Sequence[Key], Any]]:
    """One choice changed, and then all choices of a kind changed alike: one wrong gate among several can hide that
    another is right. Each with what the new value costs."""
    groups: dict[Any, list[Key]] = {}
    for key, alternatives in each.fields.items():
        groups.setdefault(each.kind(key), []).append(key)
        for value, cost in alternatives:
            if value != values[key] and cost < MOST_COST:
                yield cost, [key], value
    for keys in groups.values():
        if len(keys) > 1:
            costs = [dict(each.fields[key]) for key in keys]
            for value in costs[0]:  # what one layer's weights speak against may be right of all others
                least = min(cost.get(value, MOST_COST) for cost in costs)
                if least < MOST_COST:
                    yield least, keys, value


def uniform(each: Open) -> Iterator[Values]:
    """The likeliest values with one activation for all hidden layers of any class, and for all but the first."""
    hidden = [key for key in each.fields if key[1] == "activation" and not each.contexts[key[0]].last]
    if len(hidden) < LEAST_UNIFORM:
        return
    best = each.best()
    shared = set.intersection(*({value for value, _ in each.fields[key]} for key in hidden))
    for value in (value for value, _ in each.fields[hidden[-1]] if value in shared):
        for keys in (hidden, hidden[1:]):
            yield {**best, **dict.fromkeys(keys, value)}


def patterns(each: Open, alike: bool = True) -> Iterator[Values]:
    """Values with all layers of a kind alike, or each for itself, the likeliest first."""
    groups: dict[Any, list[Key]] = {}
    for key in each.fields:
        groups.setdefault(each.kind(key) if alike else key, []).append(key)
    keys = list(groups.values())
    costs = [[c for _, c in each.fields[group[0]]] for group in keys]
    weights = [1.0 + 0.02 * (len(group) - 1) for group in keys]
    start = tuple(0 for _ in keys)

    def total(at: Sequence[int]) -> float:
        return sum(costs[i][k] * w for i, (k, w) in enumerate(zip(at, weights, strict=True)))

    heap = [(total(start), start)]
    known = {start}
    while heap:
        _, at = heapq.heappop(heap)
        yield {key: each.fields[group[0]][k][0] for k, group in zip(at, keys, strict=True) for key in group}
        for i in range(len(at)):
            if at[i] + 1 < len(costs[i]):
                after = (*at[:i], at[i] + 1, *at[i + 1 :])
                if after not in known:
                    known.add(after)
                    heapq.heappush(heap, (total(after), after))
