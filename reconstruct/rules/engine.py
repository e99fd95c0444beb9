"""How rules are declared and applied.

A rule is a named change from what one generation of Keras wrote to what Keras 3 reads, with the same meaning. It sees
one layer at a time; the engine walks wrappers and nested models, innermost first, and records every change.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from reconstruct.artifact import KERAS_3, LOST, Artifact, Finding, Graph, Layer, Writer
from reconstruct.errors import ConfigError, NotEquivalent
from reconstruct.rules.expansion import splice
from reconstruct.stock import LAYERS

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
class Context:
    """What a rule may ask about the surroundings of the layer it sees.

    `model` is the whole model before the rule is applied, `graph` the one that the layer itself is in (None in a
    wrapper), `objects` what the user knows by name: classes, functions and values of global variables.
    """

    model: Layer
    writer: Writer
    objects: Mapping[str, Any] = field(default_factory=dict)
    graph: Graph | None = None

    @cached_property
    def may_mask(self) -> bool:
        """Whether any layer of the model may make a mask: a custom layer may do anything."""
        return any(_may_mask(layer) for layer in self.model.walk())

    def dtypes(self, layer: Layer) -> list[str | None]:
        """The dtype of each input of the layer where it is an input of the model that is not a float, else None."""
        if not layer.calls or self.graph is None or self.graph.sequential:
            return []
        return [_own_dtype(self.graph[ref.layer]) for ref in layer.calls[0].refs()]


def _may_mask(layer: Layer) -> bool:
    if layer.class_name == "Embedding":
        return bool(layer.config.get("mask_zero"))
    if layer.class_name == "Masking":
        return True
    if layer.is_model:  # tf_keras gives its own models a registered name; the layers in it are asked each
        return False
    return layer.package is not None and not layer.package.startswith(
        ("keras", "tf_keras", "tensorflow", "builtins", "reconstruct", "Addons", "Kapre", "qkeras")
    )


def _own_dtype(layer: Layer) -> str | None:
    dtype = layer.config.get("dtype") if layer.class_name == "InputLayer" else None
    return dtype if isinstance(dtype, str) and dtype.startswith(("int", "uint", "bool")) else None


@dataclass(frozen=True)
class Rule:
    """`function` takes a layer and its context to the layer that Keras 3 reads, or gives the same layer back."""

    name: str
    function: Callable[[Layer, Context], Layer | Noted]
    layers: tuple[str, ...] | None
    writers: Callable[[Writer], bool]
    effect: str
    message: str

    def applies_to(self, layer: Layer) -> bool:
        return self.layers is None or (layer.class_name in self.layers and layer.package != LOST)


def rule(
    *,
    layers: Iterable[str] | None = None,
    writers: Callable[[Writer], bool] = lambda writer: True,
    effect: str = "preserving",
) -> Callable[[Callable[..., Layer | Noted]], Rule]:
    """Make a function a rule: for `layers` (class names; all if None) in files of the Keras that `writers` accepts.

    The function takes the layer, and the `Context` if it has a second parameter. The first line of the docstring is
    what the report says, so it names the Keras version and the reason. A case that Keras 3 cannot express raises
    `NotEquivalent`.

    >>> @rule(layers=("LSTM",), effect="neutral")
    ... def drop_implementation(layer: Layer) -> Layer:
    ...     '''Keras 3 has one implementation of LSTM; `implementation` chose among equal ones.'''
    ...     return layer.without("implementation")
    >>> drop_implementation.name
    'drop_implementation'
    """
    assert effect in EFFECTS, effect

    def declare(function: Callable[..., Layer | Noted]) -> Rule:
        message = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        whole = function if len(inspect.signature(function).parameters) > 1 else lambda layer, context: function(layer)
        return Rule(function.__name__, whole, tuple(layers) if layers else None, writers, effect, message)

    return declare


def before_keras_3(writer: Writer) -> bool:
    return writer.major < 3


def keras_1(writer: Writer) -> bool:
    return writer.major == 1


def multi_backend(writer: Writer) -> bool:
    """Keras 1 and the Keras 2 that is not `tf.keras`."""
    return writer.major < 3 and not writer.is_tf_keras


@dataclass(frozen=True)
class Refused:
    """A layer that a rule found to have no form with the same meaning in Keras 3."""

    rule: str
    path: str
    message: str
    hint: str


@dataclass(frozen=True)
class Outcome:
    """The artifact in today's form, what was changed to get there, and what its user should know."""

    artifact: Artifact
    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    refused: tuple[Refused, ...] = ()


@dataclass
class _Log:
    changes: list[Change] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def apply(
    artifact: Artifact,
    rules: Sequence[Rule],
    objects: Mapping[str, Any] | None = None,
    instead: Callable[[Layer, NotEquivalent], Layer] | None = None,
) -> Outcome:
    """Bring the model to the form Keras 3 reads. Applied to its own result it changes nothing.

    `objects` are classes, functions and values that the user gave by name. Where a layer has no form with the same
    meaning, `instead` makes the one to take its place; without it, or where that is a whole model, `NotEquivalent` is
    raised with the path of the layer.
    """
    log = _Log()
    model = artifact.model
    assert model is not None, "rules need an architecture"
    given = objects or {}
    classes = _classes(model)
    for each in rules:
        if not each.writers(artifact.dialect) or not _may_concern(each, classes, given):
            continue
        changed = _apply(each, model, Context(model, artifact.writer, given), log, instead)
        if changed is not model:
            model, classes = changed, _classes(changed)
    done = artifact.replace(model=model, dialect=KERAS_3)
    return Outcome(done, tuple(log.changes), tuple(log.findings), tuple(log.refused))


def _classes(model: Layer) -> frozenset[str]:
    return frozenset(layer.class_name for layer in model.walk())


def _may_concern(each: Rule, classes: frozenset[str], given: Mapping[str, Any]) -> bool:
    """Whether a model with layers of these classes has any that the rule is for: most have none, and need no walk."""
    if each.layers is None or not classes.isdisjoint(each.layers):
        return True
    return any(isinstance(given.get(name), type) for name in classes)


def _stock_base(given: type, neutral: bool) -> str | None:
    """The layer of Keras that a class of the user's extends, as far as a rule may know it.

    One that computes in a `call` of its own may mean anything by its fields, but takes them all the same (`neutral`).
    """
    for base in given.__mro__:
        if base is not given and base.__module__.startswith(("keras.", "tf_keras.")):
            known = base.__name__ in LAYERS and base.__name__ not in ("Layer", "Wrapper")
            return base.__name__ if known else None
        if "call" in vars(base) and not neutral:
            return None
    return None


def _on_subclass(each: Rule, layer: Layer, context: Context, given: type) -> Layer | Noted:
    """What a rule makes of a layer of the user's own class: its fields and weights are those of the layer it extends.

    A rule that would make another class of it has nothing to say.
    """
    base = _stock_base(given, each.effect == "neutral")
    if base is None or each.layers is None or base not in each.layers:
        return layer
    result: Any = each.function(layer.replace(class_name=base), context)
    made = result.layer if isinstance(result, Noted) else result
    if made.class_name != base or made.is_model or made.name != layer.name:
        return layer
    mine = made.replace(class_name=layer.class_name)
    return Noted(mine, result.findings) if isinstance(result, Noted) else mine


def _apply_below(
    each: Rule,
    layer: Layer,
    parts: Sequence[tuple[str, Layer]],
    context: Context,
    log: _Log,
    instead: Callable[[Layer, NotEquivalent], Layer] | None,
) -> Layer:
    made = {key: _apply(each, part, context, log, instead) for key, part in parts}
    if all(made[key] is part for key, part in parts):
        return layer
    chains = [made[key] for key, part in parts if made[key].is_model and not part.is_model]
    return splice(layer.map_parts(lambda key, part: made[key]), *chains)


def _apply(
    each: Rule,
    layer: Layer,
    context: Context,
    log: _Log,
    instead: Callable[[Layer, NotEquivalent], Layer] | None,
) -> Layer:
    if parts := layer.parts():
        layer = _apply_below(each, layer, parts, replace(context, graph=layer.graph), log, instead)
    given = context.objects.get(layer.class_name)
    own = given if isinstance(given, type) and each.layers is not None else None
    if own is None and not each.applies_to(layer):
        return layer
    try:
        result: Any = _on_subclass(each, layer, context, own) if own else each.function(layer, context)
    except NotEquivalent as error:
        where = error.path or layer.path
        if instead is None or layer.is_model:
            raise NotEquivalent(error.message, path=where, hint=error.hint) from error
        log.refused.append(Refused(each.name, where, error.message, error.hint))
        return instead(layer, error)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the config of {layer.class_name} {layer.name!r} is none that Keras writes: "
            f"{each.name} stops with {type(error).__name__}: {error}",
            path=layer.path,
        ) from error
    if isinstance(result, Noted):
        log.findings.extend(result.findings)
        result = result.layer
    if result == layer:
        return layer
    log.changes.append(Change(each.name, layer.path, each.effect, each.message))
    return result
