"""Lambda layers in words: what their code computes as far as it can be translated, or what it calls. It never runs."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Artifact, Layer
from reconstruct.errors import NotEquivalent
from reconstruct.objects import lambdas
from reconstruct.objects.library import Era

_CODE_ERRORS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, ArithmeticError, AssertionError)
_MOST = 200


def described(artifact: Artifact) -> list[dict[str, Any]]:
    """The Lambda layers of a model: name, path, SHA-256 of the code and what it does."""
    if artifact.model is None:
        return []
    found = [layer for layer in artifact.model.walk() if layer.class_name == "Lambda"]
    era: Era = "keras_3" if artifact.writer.major >= 3 else "tensorflow_2"
    return [_described(layer, era) for layer in found[:_MOST]]


def _described(layer: Layer, era: Era) -> dict[str, Any]:
    entry: dict[str, Any] = {"layer": layer.name, "path": layer.path, "sha256": None, "does": "", "uses": []}
    try:
        function = lambdas.stored(layer.config)
        if function.code is None:
            entry["does"] = f"calls the function {function.name!r}, which is not in the file"
        else:
            entry["sha256"] = function.digest
            entry["uses"] = _names(function)
        entry["does"] = _words(lambdas.translate(layer, lambdas.Context(era=era)).layer)
    except NotEquivalent as error:
        entry["does"] = entry["does"] or f"cannot be put into operations of Keras: {str(error).splitlines()[0][:300]}"
    except _CODE_ERRORS as error:
        entry["does"] = entry["does"] or f"cannot be read ({type(error).__name__})"
    return entry


def _names(function: lambdas.Stored) -> list[str]:
    """The names of what the code uses, of every function in it."""
    try:
        program = lambdas.programs(function).programs[0]
    except (NotEquivalent, IndexError):
        return []
    names: dict[str, None] = {}
    todo: list[Any] = [program.code]
    while todo:
        code = todo.pop()
        names.update(dict.fromkeys(code.names))
        todo += [constant for constant in code.constants if hasattr(constant, "names")]
    return list(names)[:100]


def _words(layer: Layer) -> str:
    if layer.graph is not None:
        steps = [_words(part) for part in layer.graph.layers if part.class_name != "InputLayer"]
        return ", then ".join(steps) or "gives back its input"
    settings = {k: v for k, v in layer.config.items() if k not in ("name", "trainable", "dtype", "function")}
    name = str(layer.config["function"]) if layer.class_name == "Op" else layer.class_name
    shown = ", ".join(f"{k}={str(v)[:40]}" for k, v in list(settings.items())[:4])
    constants = [repr(a)[:40] for call in layer.calls for a in call.args if isinstance(a, int | float)]
    arguments = ", ".join([*constants, *([shown] if shown else [])])
    return f"{name}({arguments})"[:300]
