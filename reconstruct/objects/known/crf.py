"""Conditional random fields of keras-contrib, TensorFlow Addons and tf2crf: all called CRF, with different configs."""

from __future__ import annotations

from reconstruct.artifact import Layer
from reconstruct.objects.known.declare import known
from reconstruct.objects.known.parts import dense, is_dense, parts_of
from reconstruct.rules.expansion import chain

_CONTRIB = ("learn_mode", "test_mode", "use_boundary")
_OURS = "reconstruct>CRF"
_DECODER = "reconstruct>ChainDecoder"


@known(
    "CRF",
    source="keras-contrib 2.0.8, layers/crf.py; TensorFlow Addons 0.23, layers/crf.py; tf2crf 0.1.33, crf.py",
    library="tensorflow-addons",
)
def crf(layer: Layer) -> Layer:
    """Keras has no loop that finds the best path through labels: a layer of our own does, as each library did."""
    if layer.package in (_OURS, _DECODER):
        return layer
    if all(field in layer.config for field in _CONTRIB):
        return _of_contrib(layer)
    return _of_addons(layer)


def _of_contrib(layer: Layer) -> Layer:
    names = ("name", "trainable", "dtype", "units", "test_mode", "use_boundary", "use_bias", "activation")
    units = layer.config["units"]
    shapes = {n: t.shape for n, t in layer.weights.items()}
    if shapes.get("chain_kernel") != (units, units):
        return layer
    config = {n: layer.config[n] for n in names if n in layer.config}
    if config["test_mode"] is None:
        config["test_mode"] = "viterbi" if layer.config["learn_mode"] == "join" else "marginal"
    return layer.replace(package=_OURS, config=config)


def _of_addons(layer: Layer) -> Layer:
    """Both give labels, scores, lengths and transitions; that of TensorFlow Addons has boundaries and names its kernel.

    tf2crf writes neither its units nor anything else but `chain_initializer`; its weights say the rest.
    """
    boundaries = [layer.weights[n] for n in ("left_boundary", "right_boundary") if n in layer.weights]
    own = next((t for n, t in layer.weights.items() if n in ("chain_kernel", "transitions")), None)
    # a `.keras` has no names: the square matrix first, then the boundaries
    parts = parts_of(layer)
    if own is None and "" in parts:
        own, *boundaries = parts[""]
    addons = "use_kernel" in layer.config
    others = [t for p, t in parts.items() if p and p != "" and is_dense(t)]
    wanted = 2 if addons and layer.config.get("use_boundary", True) else 0
    kernels = bool(layer.config["use_kernel"]) if addons else bool(others)
    if own is None or len(own.shape) != 2 or own.shape[0] != own.shape[1] or len(boundaries) != wanted:
        return layer
    if len(others) != int(kernels) or not (addons or "chain_initializer" in layer.config):
        return layer
    weights = dict(zip(("chain_kernel", "left_boundary", "right_boundary"), [own, *boundaries], strict=False))
    config = {"name": layer.name, "units": own.shape[0], "use_boundary": bool(boundaries)}
    decoder = Layer("ChainDecoder", layer.name, config, package=_DECODER, weights=weights, calls=layer.calls)
    if not kernels:
        return decoder.replace(path=layer.path)
    return chain(layer, dense("scores", others[0]), decoder)


KNOWN = (crf,)
