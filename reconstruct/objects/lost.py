"""Layers of a salvaged file (`reconstruct salvage`) that lost weights: placeholders, or fresh values on request."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np

from reconstruct.artifact import LOST, Artifact, Finding, Group, Layer, Tensor, constant
from reconstruct.errors import BuildError
from reconstruct.objects.missing import is_stock
from reconstruct.readers import with_variables

FRESH = "fresh_weights"
# What these start with in every Keras (`add_weight` in the layers' `build`); other names are kernels, or start at zero
_ONES = ("gamma", "moving_variance", "variance", "scale")
_RANDOM = ("kernel", "embeddings", "weight", "weights", "seg", "position")


def treated(artifact: Artifact, fresh: bool) -> tuple[Artifact, list[Finding]]:
    """The artifact with no lost tensor in it: a layer that lost one becomes a placeholder with those it has.

    If `fresh`, lost tensors of a layer of Keras whose shapes are known get initial values instead, and a layer that
    lost all keeps those that Keras starts with; a finding with its path says so. Raises `BuildError` for a
    file of weights alone that lost some.
    """
    salvaged = any(f.code == "salvaged" for f in artifact.findings)
    if not (salvaged or any(t.lost for t in artifact.tensors)):
        return artifact, []
    findings: list[Finding] = []
    if artifact.model is None:
        return _of_weights_alone(artifact, fresh, findings), findings
    needy = with_variables(artifact.model, artifact.dialect.major) if salvaged else []
    bare = {id(layer) for layer in needy if not layer.weights}

    def visit(layer: Layer) -> Layer:
        lost = [name for name, tensor in layer.weights.items() if tensor.lost]
        if id(layer) not in bare and not lost:
            return layer.map_parts(lambda _, part: visit(part))
        if fresh and is_stock(layer) and len(lost) == len(layer.weights):
            findings.append(_fresh(layer.path, f"all weights of {layer.name} are"))
            return layer.replace(weights={})
        if fresh and is_stock(layer) and all(layer.weights[name].shape for name in lost):
            return _refreshed(layer, findings)
        what = f"{', '.join(lost[:10])} of" if lost else "all weights of"
        kept = {name: tensor for name, tensor in layer.weights.items() if not tensor.lost}
        return layer.having(lost=f"the file lost {what} this layer").replace(package=LOST, weights=kept)

    model = visit(artifact.model)
    kept = tuple(f for f in artifact.findings if f.code != "weights_missing" or not salvaged)
    tensors = tuple(tensor for tensor in artifact.tensors if not tensor.lost)
    return artifact.replace(model=model, tensors=tensors, findings=kept), findings


def _of_weights_alone(artifact: Artifact, fresh: bool, findings: list[Finding]) -> Artifact:
    """Raises `BuildError` where something is lost and may not be made anew: only a config could say what a layer is
    that lacks weights."""
    lost = [tensor for tensor in artifact.tensors if tensor.lost]
    unknown = [tensor.name for tensor in lost if not fresh or not tensor.shape]
    if unknown:
        message = f"the file lost {', '.join(unknown[:5])}, and has no config that says what takes their place"
        hint = "put the config beside it as JSON; --fresh-weights gives weights of known shape initial values"
        raise BuildError(message, path=artifact.source, hint=hint)
    made = {id(tensor): constant(tensor.name, initial(tensor.name, tensor)) for tensor in lost}
    findings += [_fresh(tensor.name, f"{tensor.name} {tensor.shape} is") for tensor in lost]

    def visit(group: Group) -> Group:
        tensors = tuple(made.get(id(tensor), tensor) for tensor in group.tensors)
        return replace(group, tensors=tensors, parts=tuple(visit(part) for part in group.parts))

    tensors = tuple(made.get(id(tensor), tensor) for tensor in artifact.tensors)
    return artifact.replace(tensors=tensors, groups=tuple(visit(group) for group in artifact.groups))


def _refreshed(layer: Layer, findings: list[Finding]) -> Layer:
    """The layer with initial values for what it lost."""
    weights = dict(layer.weights)
    for name, tensor in layer.weights.items():
        if tensor.lost:
            weights[name] = constant(tensor.name, initial(name, tensor))
            findings.append(_fresh(layer.path, f"{name} {tensor.shape} of {layer.name} is"))
    return layer.replace(weights=weights)


def _fresh(path: str, what: str) -> Finding:
    return Finding(FRESH, "warning", path, f"{what} lost: initial values stand in their place", "train the layer again")


def initial(name: str, tensor: Tensor) -> np.ndarray:
    """The value that Keras would start with: Glorot's uniform for kernels, ones for scales, else zeros; always the same
    for a tensor of one name."""
    last = name.rpartition("/")[2].partition(":")[0]
    if last in _ONES:
        return np.ones(tensor.shape, tensor.dtype)
    if len(tensor.shape) < 2 or not last.endswith(_RANDOM):
        return np.zeros(tensor.shape, tensor.dtype)
    receptive = tensor.size // (tensor.shape[-1] * tensor.shape[-2])
    limit = np.sqrt(6 / (receptive * (tensor.shape[-1] + tensor.shape[-2])))
    generator = np.random.default_rng(zlib.crc32(f"{tensor.name}{tensor.shape}".encode()))
    return generator.uniform(-limit, limit, tensor.shape).astype(tensor.dtype)
