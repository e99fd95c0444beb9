"""How rules are declared and applied.

A rule is a named change from what one generation of Keras wrote to what Keras 3 reads, with the same meaning. It sees
one layer at a time; the engine walks wrappers and nested models, innermost first, and records every change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import KERAS_3, Artifact, Finding, Layer, Writer
from reconstruct.errors import ConfigError, NotEquivalent
from reconstruct.rules.expansion import splice

EFFECTS = ("neutral", "preserving", "approximate")


@dataclass(frozen=True)
class Change:
    """What a rule did: `effect` is neutral (outputs cannot depend on it), preserving (rewritten with the same
    outputs) or approximate."""

    rule: str
    path: str
    effect: str
    message: str


@dataclass(frozen=True)
class Noted:
    """What a rule returns when its user should also know something: the layer and the findings."""

    layer: Layer
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Rule:
    """`function` takes a layer to the layer that Keras 3 reads, or gives the same layer back."""

    name: str
    function: Callable[[Layer], Layer | Noted]
    layers: tuple[str, ...] | None
    writers: Callable[[Writer], bool]
    effect: str
    message: str

    def applies_to(self, layer: Layer) -> bool:
        return self.layers is None or layer.class_name in self.layers


def rule(
    *,
    layers: Iterable[str] | None = None,
    writers: Callable[[Writer], bool] = lambda writer: True,
    effect: str = "preserving",
) -> Callable[[Callable[[Layer], Layer | Noted]], Rule]:
    """Make a function a rule: for `layers` (class names; all if None) in files of the Keras that `writers` accepts.

    The first line of the docstring is what the report says, so it names the Keras version and the reason. A case
    that Keras 3 cannot express raises `NotEquivalent`.

    >>> @rule(layers=("LSTM",), effect="neutral")
    ... def drop_implementation(layer: Layer) -> Layer:
    ...     '''Keras 3 has one implementation of LSTM; `implementation` chose among equal ones.'''
    ...     return layer.without("implementation")
    >>> drop_implementation.name
    'drop_implementation'
    """
    assert effect in EFFECTS, effect

    def declare(function: Callable[[Layer], Layer | Noted]) -> Rule:
        message = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        return Rule(function.__name__, function, tuple(layers) if layers else None, writers, effect, message)

    return declare


def before_keras_3(writer: Writer) -> bool:
    return writer.major < 3


def keras_1(writer: Writer) -> bool:
    return writer.major == 1


def multi_backend(writer: Writer) -> bool:
    """Keras 1 and the Keras 2 that is not `tf.keras`."""
    return writer.major < 3 and not writer.is_tf_keras


@dataclass(frozen=True)
class Outcome:
    """The artifact in today's form, what was changed to get there, and what its user should know."""

    artifact: Artifact
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


def apply(artifact: Artifact, rules: Sequence[Rule]) -> Outcome:
    """Bring the model to the form Keras 3 reads. Applied to its own result it changes nothing.

    Raises `NotEquivalent`, with the path of the layer, where there is no form with the same meaning.
    """
    changes: list[Change] = []
    findings: list[Finding] = []
    model = artifact.model
    assert model is not None, "rules need an architecture"
    for each in rules:
        if each.writers(artifact.dialect):
            model = _apply(each, model, changes, findings)
    return Outcome(artifact.replace(model=model, dialect=KERAS_3), tuple(changes), tuple(findings))


def _apply(each: Rule, layer: Layer, changes: list[Change], findings: list[Finding]) -> Layer:
    parts = {key: _apply(each, part, changes, findings) for key, part in layer.parts()}
    if any(parts[key] is not part for key, part in layer.parts()):
        chains = [parts[key] for key, part in layer.parts() if parts[key].is_model and not part.is_model]
        layer = layer.map_parts(lambda key, part: parts[key])
        for chain in chains:
            layer = splice(layer, layer.graph[chain.name] if layer.graph else chain)
    if not each.applies_to(layer):
        return layer
    try:
        result: Any = each.function(layer)
    except NotEquivalent as error:
        raise NotEquivalent(error.message, path=error.path or layer.path, hint=error.hint) from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the config of {layer.class_name} {layer.name!r} is none that Keras writes: "
            f"{each.name} stops with {type(error).__name__}: {error}",
            path=layer.path,
        ) from error
    if isinstance(result, Noted):
        findings.extend(result.findings)
        result = result.layer
    if result == layer:
        return layer
    changes.append(Change(each.name, layer.path, each.effect, each.message))
    return result
