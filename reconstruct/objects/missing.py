"""Which layers of a model, in the form that Keras 3 reads, need code that is neither in Keras nor known."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from reconstruct.artifact import LOST, Layer
from reconstruct.objects import libraries
from reconstruct.objects.custom import find
from reconstruct.stock import LAYERS, foreign_activation, is_another

PLACEHOLDER = "reconstruct>Placeholder"
_ACTIVATION_FIELDS = ("activation", "recurrent_activation")


@dataclass(frozen=True)
class Missing:
    """`kind` is layer, lambda or activation, whose code is missing; equivalent, of a stock layer that has no form in
    Keras 3; shape, of one that cannot be built behind a placeholder; or weights, of one that a salvaged file lost some
    of. `name` is that of the class or function."""

    kind: str
    name: str
    message: str
    hint: str


def missing(layer: Layer, known: Collection[str] = ()) -> Missing | None:
    """What this layer itself lacks, whatever is in it; None where Keras 3 or one of the `known` objects has it."""
    package = layer.package or ""
    if package == PLACEHOLDER:
        return Missing(**layer.config["missing"])
    if package == LOST:
        hint = "look for another copy: reconstruct salvage A B; or --fresh-weights gives lost weights initial values"
        return Missing("weights", layer.class_name, str(layer.config["lost"]), hint)
    if layer.is_model or layer.class_name == "Op" or package.startswith(("keras.src.ops", "reconstruct>")):
        return None
    if find(known, layer.class_name, package) is not None:
        return None
    function = layer.config.get("function")
    given = callable(function) and find(known, getattr(function, "__name__", "")) is not None
    if layer.class_name == "Lambda" and not given and not is_stock_lambda(layer):
        return Missing(
            "lambda",
            layer.class_name,
            "Lambda layers hold compiled Python code, which is never run here",
            "write what it computes as a class of your own or with stock layers, in the code that made the model",
        )
    if not is_stock(layer):
        name = layer.class_name
        return Missing(
            "layer", name, f"{name} is not a class of Keras 3, and its code is not in the file", _bring(name)
        )
    for field in _ACTIVATION_FIELDS:
        activation = foreign_activation(layer.config.get(field))
        if activation is not None and find(known, activation) is None:
            hint = f"give its code: --custom FILE.py, where FILE.py defines a function {activation}"
            return Missing("activation", activation, f"the activation {activation!r} is not one of Keras 3", hint)
    return None


def is_stock_lambda(layer: Layer) -> bool:
    """Whether it wraps a layer of Keras, as `GaussianNoise` is when a Lambda layer that draws numbers is translated."""
    function = layer.config.get("function")
    return (
        isinstance(function, Mapping)
        and function.get("class_name") in LAYERS
        and str(function.get("module")).startswith("keras.layers")
    )


def is_stock(layer: Layer) -> bool:
    """Whether its class is one of Keras 3: "Custom>Dense" is somebody's own class, whatever its name."""
    foreign = bool(layer.package) and not str(layer.package).startswith(("keras", "tf_keras", "builtins"))
    return layer.class_name in LAYERS and not foreign and not is_another(layer.class_name, layer.config)


def _bring(name: str) -> str:
    code = f"give its code: --custom FILE.py, where FILE.py defines class {name}"
    found = libraries.providers(name)
    return f"{name}: {', '.join(found)} (pip install {found[0]}); or {code}" if found else code
