"""Which tensor of a Keras 3 weights file (`model.weights.h5`) belongs to which variable of which layer.

The file is a tree by attribute and class: `layers/dense_1/vars/0` is the first variable of the second Dense
(Keras 3, saving/saving_lib.py: `_save_container_state` counts classes in the order of `model.layers`). Keras 2.12 to
2.15 wrote the same with some differences, handled here where they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import h5py

from reconstruct.artifact import Finding, Group, Layer, Tensor
from reconstruct.errors import ReadError
from reconstruct.naming import numbered, snake_case
from reconstruct.readers.lost import LOST_AND_FOUND, SALVAGED
from reconstruct.readers.parse import subclassed
from reconstruct.stock import LAYERS, WRAPPERS, slots

if TYPE_CHECKING:
    from reconstruct.readers.h5 import H5Source

Tree: TypeAlias = "dict[str, Tree | Tensor]"

# Attributes that hold the layers of a model, in the order of preference. Keras 2.12 wrote the second one.
_CONTAINERS = ("layers", "_layer_checkpoint_dependencies")
# Classes that are written under another name than theirs: Keras 3 exports GroupedQueryAttention without "ed".
_GROUPS = {"Model": "functional", "GroupQueryAttention": "grouped_query_attention"}
# At the root, the file keeps what does not belong to the model (Keras 3, trainers/trainer.py).
_NOT_THE_MODEL = (
    *("optimizer", "metrics", "_metrics", "compile_metrics", "_compile_metrics", "loss_tracker"),
    LOST_AND_FOUND,
)


def tree(source: H5Source, group: h5py.Group) -> Tree:
    """All tensors of the file by their path. Keras 2.15 on Windows wrote `layers\\dense` as one name."""
    root: Tree = {}
    for node, where in _nodes(source, group):
        if isinstance(node, h5py.Group):
            _enter(root, where)
        else:
            _enter(root, where[:-1])[where[-1]] = source.tensor(node, "/".join(where))
    return root


def _nodes(source: H5Source, group: h5py.Group) -> Iterator[tuple[Any, list[str]]]:
    """Every group and dataset below `group`, once, with its path; outer groups come before what is in them.

    Raises `ReadError` for more objects, or deeper groups, than the limits allow.
    """
    limits = source.limits
    seen = {h5py.h5o.get_info(group.id).addr}
    todo: list[tuple[h5py.Group, list[str]]] = [(group, [])]
    while todo:
        group, path = todo.pop()
        for key in group:
            node = source.get(group, key)
            where = [*path, *key.split("\\")]
            address = h5py.h5o.get_info(node.id).addr
            if address in seen:  # it has two names, or holds itself
                continue
            seen.add(address)
            for code, count, name in (("E_H5_COUNT", len(seen), "h5_objects"), ("E_H5_DEPTH", len(where), "h5_depth")):
                if count > getattr(limits, name):
                    message = f"{source.name} has more than the limit {name}={getattr(limits, name)} allows"
                    hint = f"Keras writes no such file; if you trust it, raise the limit: --limit {name}=…"
                    raise ReadError(message, path="/".join(where)[:200], hint=hint, code=code)
            if isinstance(node, h5py.Group):
                todo.append((node, where))
                yield node, where
            elif isinstance(node, h5py.Dataset):
                yield node, where


def _enter(tree: Tree, path: list[str]) -> Tree:
    for part in path:
        below = tree.setdefault(part, {})
        tree = below if isinstance(below, dict) else {}
    return tree


def tensors(tree: Tree) -> Iterator[Tensor]:
    """Every tensor of the model: not those of the optimizer, of metrics and of random generators; and what may be one,
    since its name is lost."""
    for path, tensor in _paths(tree):
        if path[0] not in _NOT_THE_MODEL or (path[0] == LOST_AND_FOUND and not tensor.lost):
            yield tensor


def unnamed(source: H5Source, root: h5py.Group) -> tuple[Tensor, ...]:
    """What `salvage` kept under a name that it made up, in a file whose lists name all others (Keras 1 and 2)."""
    if SALVAGED not in root.attrs:
        return ()
    paths: list[str] = []
    root.visit(lambda path: paths.append(path) if LOST_AND_FOUND in path else None)
    nodes = ((path, source.get(root, path)) for path in paths if not path.startswith("optimizer_weights/"))
    found = (source.tensor(node, path) for path, node in nodes if isinstance(node, h5py.Dataset))
    return tuple(tensor for tensor in found if not tensor.lost)


def optimizer_tensors(tree: Tree) -> tuple[Tensor, ...]:
    """The variables of the optimizer in their order, `optimizer/vars/0` first; none where it was not saved."""
    group = tree.get("optimizer")
    found = list(_paths(group)) if isinstance(group, dict) else []
    if any(tensor.lost for _, tensor in found):  # a state without a part of it is none
        return ()
    return tuple(tensor for _, tensor in sorted(found, key=lambda item: _order(item[0])))


@dataclass
class _Node:
    """A group of the file: where it stands in the file, what it is called, and what is in it."""

    address: int = 0
    named: str | None = None
    tensors: dict[str, Tensor] = field(default_factory=dict)
    parts: dict[str, _Node] = field(default_factory=dict)

    def enter(self, path: Sequence[str]) -> _Node:
        node = self
        for part in path:
            node = node.parts.setdefault(part, _Node())
        return node

    @property
    def place(self) -> int:
        """HDF5 allocates as it writes, but gives freed room to groups now and then: the last of a group and all that
        is in it, groups and arrays, tells best when it was written."""
        return max([self.address, *(part.place for part in self.parts.values())])


def groups(source: H5Source, group: h5py.Group) -> tuple[Group, ...]:
    """The layers that a file of weights lists, in the order in which Keras wrote them, which is the model's.

    The file keeps no order of creation (Keras 3, saving/saving_lib.py, `H5IOStore`), but where in the file a group
    lies tells it. The counters of a class never contradict it in a file that Keras wrote: `dense` before `dense_1`.
    """
    root = _Node()
    for node, where in _nodes(source, group):
        if isinstance(node, h5py.Group):
            entered = root.enter(where)
            entered.address = h5py.h5o.get_info(node.id).addr
            name = source.attribute(node, "name")
            entered.named = name if isinstance(name, str) else None
        else:
            holder = root.enter(where[:-1])
            holder.tensors[where[-1]] = source.tensor(node, "/".join(where))
            holder.address = max(holder.address, h5py.h5o.get_info(node.id).addr)
    return _listed(root, ())


_LAYER_KINDS = frozenset(name.lower() for name in LAYERS)
# Parts of a layer, not of a model: what a recurrent layer, a wrapper and an attention call their own layers.
_INNER = re.compile(r"vars|cells?|layer|forward_layer|backward_layer|_?(query|key|value|output)_dense|.*_generator")


def _listed(node: _Node, path: tuple[str, ...]) -> tuple[Group, ...]:
    counted: list[tuple[str, _Node, bool]] = []
    for key, part in node.parts.items():
        if key in _CONTAINERS:
            counted += [(k, p, True) for k, p in part.parts.items()]
        elif not _INNER.fullmatch(key) and (path or key not in _NOT_THE_MODEL):
            counted.append((key, part, False))
    ordered = sorted(counted, key=lambda item: item[1].place)
    for base in {numbered(key)[0] for key, _, by_class in counted if by_class}:
        places = [i for i, (key, _, by_class) in enumerate(ordered) if by_class and numbered(key)[0] == base]
        in_order = sorted((ordered[i] for i in places), key=lambda item: numbered(item[0])[1])
        for i, item in zip(places, in_order, strict=True):
            ordered[i] = item
    ordered.sort(key=lambda item: item[0] not in ("input_layer", "input_1"))  # a model's first layer, where it has one
    return tuple(_as_group(key, part, by_class, (*path, key)) for key, part, by_class in ordered)


def _as_group(key: str, node: _Node, by_class: bool, path: tuple[str, ...]) -> Group:
    own = node.parts.get("vars")
    name = (own.named if own is not None else None) or key
    kind = numbered(key)[0] if by_class else None
    inner = [(path, tensor) for path, tensor in _tensors_of(node, ()) if not path[0].endswith("_generator")]
    # An attention layer has layers of its own, too; only models and classes of others have a model's
    stock = kind is not None and kind.replace("_", "") in _LAYER_KINDS
    parts = () if stock else _listed(node, path)
    attribute = "" if by_class else key
    if parts:
        return Group(name, kind, (), parts, attribute)
    ordered = sorted(inner, key=lambda item: _order(item[0]))
    return Group(name, kind, tuple(replace(tensor, name="/".join(p)) for p, tensor in ordered), (), attribute)


def _tensors_of(node: _Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    for key, tensor in node.tensors.items():
        yield (*path, key), tensor
    for key, part in node.parts.items():
        yield from _tensors_of(part, (*path, key))


def attach(model: Layer, tree: Tree) -> tuple[Layer, list[Finding]]:
    """The model with each tensor at its layer; what is left over is a finding."""
    findings: list[Finding] = []
    key = subclassed(model)
    if key is None:
        model = _attach(model, tree, findings)
    else:
        own = {name: node for name, node in tree.items() if name not in _NOT_THE_MODEL}
        model = model.map_parts(lambda k, part: part.replace(weights=_weights_by_path(own)) if k == key else part)
    used = {s for layer in model.walk() for t in layer.weights.values() for s in t.sources}
    left = [t.name for t in tensors(tree) if not used.issuperset(t.sources)]
    if left:
        names = ", ".join(left[:5]) + (", …" if len(left) > 5 else "")
        findings.append(
            Finding("weights_without_layer", "warning", "model", f"{len(left)} tensors belong to no layer: {names}")
        )
    return model, findings


def _attach(layer: Layer, tree: Tree, findings: list[Finding]) -> Layer:
    if layer.graph:
        container = next((tree[c] for c in _CONTAINERS if tree.get(c)), {})
        places = _places(layer, container) if isinstance(container, dict) else {}
        return layer.map_parts(lambda key, part: _attach(part, places[key], findings) if key in places else part)
    if layer.children and _has_own(layer, tree):  # what they are, only its code knows
        found = sorted(_paths(tree), key=lambda item: _order(item[0]))
        return layer.replace(weights={"/".join(path): tensor for path, tensor in found})
    if layer.children:
        cells = tree.get("cells")
        places = _places(layer, cells) if isinstance(cells, dict) else {}
        places.update({key: node for key, node in tree.items() if isinstance(node, dict)})
        own = tree.get("vars")
        if isinstance(own, dict):  # variables of the wrapper itself
            ordered = sorted(_paths(own), key=lambda item: _order(item[0]))
            layer = layer.replace(weights={"/".join(("vars", *path)): tensor for path, tensor in ordered})
        return layer.map_parts(lambda key, part: _attach(part, places[key], findings) if key in places else part)
    return layer.replace(weights=_own_weights(layer, tree, findings))


def _has_own(layer: Layer, tree: Tree) -> bool:
    """Whether a wrapper that Keras does not have holds tensors beside those of the layers in it."""
    foreign = layer.package is not None and not layer.package.startswith(("keras", "tf_keras"))
    if layer.class_name in WRAPPERS and not foreign:
        return False
    return any(True for key, node in tree.items() if key not in layer.children for _ in _paths({key: node}))


def _places(model: Layer, container: Tree) -> dict[str, Tree]:
    """The group of each layer. Classes are counted; where a counter skips, as in Keras 2.12, order decides."""
    wanted: dict[str, list[str]] = {}
    for key, part in model.parts():
        wanted.setdefault(_GROUPS.get(part.class_name) or snake_case(part.class_name), []).append(key)
    places = {}
    for base, keys in wanted.items():
        names = [f"{base}_{i}" if i else base for i in range(len(keys))]
        if not all(n in container for n in names):
            names = sorted(
                (n for n in container if re.fullmatch(rf"{re.escape(base)}(_\d+)?", n)), key=lambda n: numbered(n)[1]
            )
        for key, name in zip(keys, names, strict=False):
            node = container[name]
            if isinstance(node, dict):
                places[key] = node
    return places


def group_names(model: Layer) -> dict[str, str]:
    """What Keras 3 calls the group of each layer of a model, by the key of the part: classes are counted."""
    counted: dict[str, int] = {}
    found = {}
    for key, part in model.parts():
        base = _GROUPS.get(part.class_name) or snake_case(part.class_name)
        number = counted[base] = counted.get(base, -1) + 1
        found[key] = f"{base}_{number}" if number else base
    return found


def _own_weights(layer: Layer, tree: Tree, findings: list[Finding]) -> dict[str, Tensor]:
    found = sorted(_paths(tree), key=lambda item: _order(item[0]))
    own = slots(layer.class_name, layer.config)
    if own is not None and len(found) == len(own):
        return {slot.name: tensor for slot, (_, tensor) in zip(own, found, strict=True)}
    if own is not None and found:
        findings.append(
            Finding(
                "unexpected_weights",
                "warning",
                layer.path,
                f"{layer.class_name} {layer.name} should have {len(own)} variables, the file has {len(found)}",
            )
        )
    return _weights_by_path(tree)


def _weights_by_path(tree: Tree) -> dict[str, Tensor]:
    return {"/".join(path): tensor for path, tensor in sorted(_paths(tree), key=lambda item: _order(item[0]))}


def _paths(tree: Tree, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Tensor]]:
    for key, node in tree.items():
        if isinstance(node, Tensor):
            yield (*path, key), node
        elif key not in ("seed_generator", "random_generator"):
            yield from _paths(node, (*path, key))


def _order(path: tuple[str, ...]) -> tuple[Any, ...]:
    """The order of `layer.weights`: own variables first, then those of attributes, numbers as numbers.

    MultiHeadAttention has query, key, value, output; the file `query_dense` …, tf_keras `_query_dense` ….
    """
    attention = ("query", "key", "value", "output")
    first = path[0].lstrip("_")
    rank = next((i for i, part in enumerate(attention, 1) if first.startswith(part)), 0 if first == "vars" else 5)
    return rank, [(p.isdigit(), int(p) if p.isdigit() else 0, p) for p in path]
