"""Further layers of tensorflow-addons 0.23."""

from __future__ import annotations

from reconstruct.artifact import Layer, Ref
from reconstruct.errors import NotEquivalent
from reconstruct.objects.known.declare import known
from reconstruct.rules.engine import Context
from reconstruct.rules.expansion import INPUT, op, subgraph


@known("GELU", source="tensorflow-addons 0.23, gelu.py", library="tensorflow-addons")
def gelu_layer(layer: Layer, context: Context) -> Layer:
    """The Gaussian error linear unit, by its approximation with tanh or exactly, as Keras has both."""
    if "approximate" not in layer.config:
        return layer
    if not layer.config["approximate"]:
        config = {k: v for k, v in layer.config.items() if k in ("name", "trainable", "dtype")}
        return layer.replace(class_name="Activation", package=None, config={**config, "activation": "gelu"})
    if context.may_mask:
        raise NotEquivalent(f"a mask passed {layer.name}; the operation that stands for it hands none on")
    return subgraph(layer, op("gelu", "gelu", INPUT, approximate=True))


@known(
    *(f"Adaptive{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)),
    source="tensorflow-addons 0.23, adaptive_pooling.py",
    library="tensorflow-addons",
)
def adaptive_pooling(layer: Layer) -> Layer:
    """Pooling to a given size, which must divide that of the input: Keras's own is the same then."""
    return layer.replace(package=None) if (layer.package or "").startswith("Addons") else layer


@known(
    "StochasticDepth",
    source="tensorflow-addons 0.23, stochastic_depth.py",
    library="tensorflow-addons",
    certain=False,  # others have one that only adds
)
def stochastic_depth_of_two(layer: Layer) -> Layer:
    """The shortcut plus what it bypasses, times the probability that training keeps it, by operations of Keras."""
    if "survival_probability" not in layer.config:
        return layer
    kept = float(layer.config["survival_probability"])
    return subgraph(
        layer,
        op("scaled", "multiply", Ref("input_1"), kept),
        op("sum", "add", Ref("input_0"), Ref("scaled")),
        inputs=2,
    )


KNOWN = (gelu_layer, adaptive_pooling, stochastic_depth_of_two)
