"""What is different between two models: architecture, tensors, training, and the rules that stand between them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reconstruct.differences import canonical, tensors
from reconstruct.differences.view import LayerView, TensorView, View
from reconstruct.rules.engine import Change

# What a name ends at in the text of a call
_TOKENS = re.compile(r"([\[\](), =]|[:@]\d+)")
# The name of a variable in a `.keras` file where no class says how it is called
_NUMBERED = re.compile(r"(.*/)?vars/\d+$")
# Fields that follow from the input of a layer, and that only the config of a built layer says
_KNOWN_WHEN_BUILT = ("batch_shape", "attention_axes", "input_dtype")
ABSENT = "(default)"


@dataclass(frozen=True)
class Entry:
    """One difference; `path` is the layer's, `what` the field or the tensor in it.

    `kind` is layer_removed, layer_added, layer_renamed, class, field, rewired, inputs, outputs, tensor_removed,
    tensor_added, tensor_renamed, tensor_moved, tensor_shape, tensor_dtype, tensor_values or training.
    """

    kind: str
    path: str
    what: str
    message: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class Difference:
    """Of `a` and `b`. `rules` are the changes that bring one of them to the form of the other and that mean nothing
    new; `entries` is everything else, empty for two models of the same meaning."""

    a: Mapping[str, str]
    b: Mapping[str, str]
    rules: tuple[Change, ...] = ()
    entries: tuple[Entry, ...] = ()
    tensors_compared: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "a": dict(self.a),
            "b": dict(self.b),
            "rules": [asdict(change) for change in self.rules],
            "differences": [asdict(entry) for entry in self.entries],
            "tensors_compared": self.tensors_compared,
        }


def compare(a: View, b: View) -> Difference:
    """The difference between two models, `a` being the one before."""
    pairs = _pairs(a.layers, b.layers)
    entries: list[Entry] = []
    for path in a.layers:
        if path not in pairs and not _within(path, a.layers, pairs):
            entries.append(Entry("layer_removed", path, "", _described(a.layers[path])))
    for path in b.layers:
        if path not in pairs.values() and not _within(path, b.layers, pairs.values()):
            entries.append(Entry("layer_added", path, "", _described(b.layers[path])))
    names = {a.layers[p].name: b.layers[q].name for p, q in pairs.items() if a.layers[p].name != b.layers[q].name}
    for path, other in pairs.items():
        entries += _of_layer(other, a.layers[path], b.layers[other], names, path)
    entries += _ends("inputs", a.inputs, b.inputs, names)
    entries += _ends("outputs", a.outputs, b.outputs, names)
    compared, changed = _of_tensors(a, b, pairs)
    order = {path: i for i, path in enumerate((*a.layers, *b.layers))}
    entries = sorted([*entries, *changed], key=lambda e: order.get(e.path, -1))
    entries += _fields("training", "", "", a.training, b.training)
    return Difference(_stated(a), _stated(b), _rules(a.changes, b.changes), tuple(entries), compared)


def _stated(view: View) -> dict[str, str]:
    return {"source": view.source, "container": view.container, "writer": view.writer}


def _rules(a: Sequence[Change], b: Sequence[Change]) -> tuple[Change, ...]:
    """What was done to one of the two alone."""
    keys = [{(c.rule, c.path) for c in changes} for changes in (a, b)]
    only = [c for c in a if (c.rule, c.path) not in keys[1]]
    return (*only, *(c for c in b if (c.rule, c.path) not in keys[0]))


def _pairs(a: Mapping[str, LayerView], b: Mapping[str, LayerView]) -> dict[str, str]:
    """Which layer of `a` is which of `b`, by their paths: those of the same path, then those that are alike but for
    their name, first with the same values, then with the same settings and shapes."""
    pairs: dict[str, str] = {}
    by_depth = sorted(a, key=lambda p: p.count("/"))
    for depth in range(max((p.count("/") for p in (*a, *b)), default=0) + 1):
        level = [p for p in by_depth if p.count("/") == depth]
        for path in level:
            there = _translated(path, pairs)
            if there is not None and there in b and there not in pairs.values():
                pairs[path] = there
        for alike in (_by_values, _by_shapes):
            free = [q for q in b if q.count("/") == depth and q not in set(pairs.values())]
            places = defaultdict(list)
            for q in free:
                places[q.rpartition("/")[0], alike(b[q])].append(q)
            for path in level:
                parent = _translated_parent(path, pairs)
                if path in pairs or parent is None:
                    continue
                candidates = places[parent, alike(a[path])]
                if candidates:
                    pairs[path] = candidates.pop(0)
    return {path: pairs[path] for path in a if path in pairs}


def _translated_parent(path: str, pairs: Mapping[str, str]) -> str | None:
    parent = path.rpartition("/")[0]
    return pairs.get(parent) if parent else ""


def _translated(path: str, pairs: Mapping[str, str]) -> str | None:
    parent = _translated_parent(path, pairs)
    return None if parent is None else f"{parent}/{path.rpartition('/')[2]}" if parent else path


def _by_values(layer: LayerView) -> Any:
    return layer.class_name, repr(layer.config), tuple((n, t.hash) for n, t in sorted(layer.tensors.items()))


def _by_shapes(layer: LayerView) -> Any:
    return layer.class_name, repr(layer.config), tuple((n, t.shape) for n, t in sorted(layer.tensors.items()))


def _within(path: str, layers: Mapping[str, LayerView], paired: Iterable[str]) -> bool:
    """Whether the layer around it is unpaired as well, which is then named alone."""
    parent = path.rpartition("/")[0]
    return bool(parent) and parent in layers and parent not in set(paired)


def _described(layer: LayerView) -> str:
    shapes = ", ".join(f"{name} {tensor.shape}" for name, tensor in layer.tensors.items())
    return f"{layer.class_name} {layer.name}" + (f" with {shapes}" if shapes else "")


def _of_layer(path: str, a: LayerView, b: LayerView, names: Mapping[str, str], before: str) -> Iterator[Entry]:
    if a.name != b.name:
        yield Entry("layer_renamed", path, "", f"was {before}", before, path)
    if a.class_name != b.class_name:
        yield Entry("class", path, "", f"{a.class_name} -> {b.class_name}", a.class_name, b.class_name)
    yield from _fields("field", path, "", a.config, b.config)
    inputs = tuple(_renamed(text, names) for text in a.inputs)
    if inputs != b.inputs:
        message = f"{'; '.join(inputs) or 'nothing'} -> {'; '.join(b.inputs) or 'nothing'}"
        yield Entry("rewired", path, "inputs", message, list(inputs), list(b.inputs))


def _ends(kind: str, a: Sequence[str], b: Sequence[str], names: Mapping[str, str]) -> Iterator[Entry]:
    renamed = [_renamed(text, names) for text in a]
    if renamed != list(b):
        message = f"{', '.join(renamed)} -> {', '.join(b)}"
        yield Entry(kind, "", kind, message, renamed, list(b))


def _renamed(text: str, names: Mapping[str, str]) -> str:
    return "".join(names.get(token, token) for token in _TOKENS.split(text)) if names else text


def _fields(kind: str, path: str, prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Entry]:
    for name in sorted({*a, *b}):
        before, after = a.get(name, ABSENT), b.get(name, ABSENT)
        what = f"{prefix}{name}"
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from _fields(kind, path, f"{what}.", before, after)
        elif name in _KNOWN_WHEN_BUILT and ABSENT in (before, after):
            continue
        elif not canonical.same(before, after):
            yield Entry(kind, path, what, f"{_shown(before)} -> {_shown(after)}", before, after)


def _shown(value: Any) -> str:
    return value if value == ABSENT else repr(value)


def _of_tensors(a: View, b: View, pairs: Mapping[str, str]) -> tuple[int, list[Entry]]:
    """How many tensors were compared, and what is different."""
    held: dict[str, list[str]] = defaultdict(list)  # hash to tensors of `a`, for those that changed places
    holds: dict[str, list[str]] = defaultdict(list)
    for layers, into in ((a.layers, held), (b.layers, holds)):
        for path, layer in layers.items():
            for name, tensor in layer.tensors.items():
                into[tensor.hash].append(f"{path}/{name}")
    entries: list[Entry] = []
    compared = 0
    for path, other in pairs.items():
        before, after = a.layers[path].tensors, b.layers[other].tensors
        compared += len(before.keys() & after.keys())
        lost = {n: t for n, t in before.items() if n not in after}
        new = {n: t for n, t in after.items() if n not in before}
        for name, tensor in list(lost.items()):
            now = next((n for n, t in new.items() if t.hash == tensor.hash), None)
            if now is not None:
                if not (_NUMBERED.match(name) or _NUMBERED.match(now)):
                    entries.append(Entry("tensor_renamed", other, now, f"was {name}", name, now))
                del lost[name], new[now]
        entries += [Entry("tensor_removed", other, n, f"{t.dtype} {t.shape}") for n, t in lost.items()]
        entries += [Entry("tensor_added", other, n, f"{t.dtype} {t.shape}") for n, t in new.items()]
        for name in (n for n in before if n in after):
            if before[name].hash != after[name].hash:
                here = f"{path}/{name}"
                entries.append(_changed(other, name, here, before[name], after[name], held, holds))
    return compared, entries


def _changed(
    path: str,
    name: str,
    here: str,
    a: TensorView,
    b: TensorView,
    held: Mapping[str, Sequence[str]],
    holds: Mapping[str, Sequence[str]],
) -> Entry:
    """One tensor that has the same place and other values."""
    came = [place for place in held.get(b.hash, ()) if place != here]
    went = [place for place in holds.get(a.hash, ()) if place != here]
    if came:
        swapped = next((place for place in came if place in went), None)
        message = f"swapped with {swapped}" if swapped else f"holds what {came[0]} held"
        return Entry("tensor_moved", path, name, message, here, came[0])
    found = tensors.difference(a.values(), b.values()) if a.values is not None and b.values is not None else None
    relation = f"; {found.relation}" if found is not None and found.relation else ""
    if a.shape != b.shape:
        return Entry("tensor_shape", path, name, f"{a.shape} -> {b.shape}{relation}", list(a.shape), list(b.shape))
    if a.dtype != b.dtype:
        apart = f"; largest change {found.largest:.3g}" if found is not None and found.largest else ""
        return Entry("tensor_dtype", path, name, f"{a.dtype} -> {b.dtype}{apart}", a.dtype, b.dtype)
    if found is None:
        message = f"mean {a.mean:.6g} -> {b.mean:.6g}, standard deviation {a.std:.6g} -> {b.std:.6g}"
        return Entry("tensor_values", path, name, message)
    message = f"{found.changed} of {found.size} numbers, largest change {found.largest:.3g}, mean {found.mean:.3g}"
    amount = {"largest": found.largest, "mean": found.mean, "changed": found.changed}
    return Entry("tensor_values", path, name, f"{message}{relation}", None, amount)
