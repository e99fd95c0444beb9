"""Classes and functions of the user's that have the name of one of Keras: the user's is meant where it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from reconstruct.artifact import Artifact, Finding, Layer, Writer
from reconstruct.objects import custom
from reconstruct.stock import ACTIVATIONS, LAYERS

# Activations of every Keras since 1.2 (2.3.1, activations.py); and since which version others are (tf_keras)
_FIRST = frozenset("elu exponential hard_sigmoid linear relu selu sigmoid softmax softplus softsign tanh".split())
_SINCE = {"swish": (2, 3, 0), "gelu": (2, 4, 0), "mish": (2, 13, 0)}


def had_activation(writer: Writer, name: str) -> bool:
    """Whether the Keras that wrote a file had an activation of this name, so that the name alone means that."""
    if name in _FIRST or writer.major >= 3:
        return name in ACTIVATIONS
    return writer.is_tf_keras and name in _SINCE and writer.version >= _SINCE[name]


def activations(layer: Layer) -> Iterator[tuple[str, str]]:
    """The fields of a config that name an activation which Keras 3 has, and the name."""
    for field, value in layer.config.items():
        function = isinstance(value, Mapping) and value.get("class_name") == "function"
        name = value.get("config") if function else value
        if field.endswith("activation") and isinstance(name, str) and name in ACTIVATIONS:
            yield field, name


def beside_keras(objects: Mapping[str, Any]) -> dict[str, Any]:
    """The objects, and those called like an activation of Keras also by a name of their own: Keras 3 takes and writes
    its own activation for such a name (activations/__init__.py, `get` and `serialize`)."""
    return {**objects, **{_own(n): _called(o, _own(n)) for n, o in objects.items() if n in ACTIVATIONS and callable(o)}}


def load(sources: Sequence[str]) -> dict[str, Any]:
    """What the modules define, for `keras.models.load_model(…, custom_objects=…)`. Raises as `custom.load` does.

    >>> keras.models.load_model("new.keras", custom_objects=load(["new_layers.py"]))   # doctest: +SKIP
    """
    return beside_keras(custom.load(sources))


def preferred(artifact: Artifact, given: Mapping[str, Any]) -> tuple[Artifact, tuple[Finding, ...]]:
    """The model with the user's functions where it names them as Keras names its own, and what is said of that.

    `given` are objects as `beside_keras` gives them. A class of the user's makes of a name what it will.
    """
    assert artifact.model is not None
    meant: dict[str, Finding] = {}

    def own(layer: Layer) -> Layer:
        stock = layer.class_name in LAYERS
        taken = custom.find(given, layer.class_name, layer.package) is not None
        if stock and taken:
            meant.setdefault(layer.class_name, _said("class", layer.class_name, layer.path))
        changed = {}
        for field, name in activations(layer):
            if _own(name) in given:
                meant.setdefault(name, _said("function", name, layer.path))
                changed[field] = _own(name)
        made = layer.map_parts(lambda key, part: own(part))
        return made.having(**changed) if changed and not taken else made

    model = own(artifact.model)
    return (artifact.replace(model=model) if meant else artifact), tuple(meant.values())


def _own(name: str) -> str:
    return f"own_{name}"


def _called(thing: Callable[..., Any], name: str) -> Callable[..., Any]:
    def own(*args: Any, **options: Any) -> Any:
        return thing(*args, **options)

    own.__name__ = own.__qualname__ = name
    own.__module__ = getattr(thing, "__module__", None) or type(thing).__module__
    return own


def _said(kind: str, name: str, path: str) -> Finding:
    message = f"{name} is the {kind} that was given, and not Keras's own of that name"
    return Finding("own_instead_of_stock", "info", path, message)
