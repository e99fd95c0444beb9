"""The variables of a layer that is not Keras's own, by the names that its code gives them, in either container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconstruct.artifact import Layer, Tensor
from reconstruct.stock import slots


def named(layer: Layer, own: Sequence[str], parts: Mapping[str, Sequence[str]] | None = None) -> dict[str, Tensor]:
    """The tensors of `layer` by the last part of their names.

    HDF5 has the names (`kernel`, `batch_normalization/gamma`). A `.keras` file has numbers in the order of creation:
    `vars/0` is the first of `own`, and `batchnorm/vars/0` the first of `parts["batchnorm"]`, the layer that is kept
    under that attribute.
    """
    found: dict[str, Tensor] = {}
    for key, tensor in layer.weights.items():
        *path, last = key.split("/")
        if path[-1:] == ["vars"] and last.isdigit():
            group = path[-2] if len(path) > 1 else ""
            names = (parts or {}).get(group.lstrip("_"), ()) if group else own
            last = names[int(last)] if int(last) < len(names) else key
        found.setdefault(last.split(":")[0], tensor)
    return found


def handed_down(wrapper: Layer) -> Layer:
    """A wrapper whose layer has its own tensors, which a `.keras` file keeps under `layer/`; the others stay."""
    inside = {n.removeprefix("layer/"): t for n, t in wrapper.weights.items() if n.startswith("layer/")}
    if not inside:
        return wrapper
    inner = wrapper.children["layer"]
    own = slots(inner.class_name, inner.config)
    if own is not None and len(own) == len(inside):
        inside = {slot.name: tensor for slot, tensor in zip(own, inside.values(), strict=True)}
    return wrapper.replace(
        weights={n: t for n, t in wrapper.weights.items() if not n.startswith("layer/")},
        children={**wrapper.children, "layer": inner.replace(weights=inside)},
    )
