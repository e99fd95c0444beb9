"""How a known class of another library is declared."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from reconstruct.artifact import Finding, Layer, refs_in
from reconstruct.rules.engine import Context, Noted, Rule, rule


@dataclass(frozen=True)
class Known:
    """A class that is known from elsewhere.

    `source` is where the original is (library, version and file, or the tutorial's page), `library` its name on PyPI,
    None for code that people copy. `certain` says that name, config and weights leave no doubt which class it is; where
    not, the result is an assumption of the report, which examples or an oracle confirm.
    """

    names: tuple[str, ...]
    source: str
    library: str | None
    certain: bool
    rule: Rule

    @property
    def becomes(self) -> str:
        """What it is in Keras 3, in a sentence."""
        return self.rule.message


def known(
    *names: str, source: str, library: str | None = None, certain: bool = True
) -> Callable[[Callable[..., Layer | Noted]], Known]:
    """Declare what the classes called `names` are in stock Keras 3.

    The function takes the layer, and the `Context` if it has a second parameter, and returns what replaces it
    (`Layer`, `chain` or `subgraph` of `rules.expansion`). It returns the very same layer where config or weights show
    that this is another class of that name, and raises `NotEquivalent` where Keras 3 cannot say the same: then the
    layer becomes a placeholder. The layers that it makes are read in the writer's dialect, so that `hard_sigmoid` is
    the writer's. The first line of the docstring says what the class computes and in which stock layers.

    >>> @known("FixedDropout", source="efficientnet 1.1.1, model.py", library="efficientnet")
    ... def fixed_dropout(layer: Layer) -> Layer:
    ...     '''Dropout whose noise_shape may be partly open, as Keras 3's may.'''
    ...     return layer.replace(class_name="Dropout", package=None)
    >>> fixed_dropout.becomes
    "Dropout whose noise_shape may be partly open, as Keras 3's may."
    """

    def declare(function: Callable[..., Layer | Noted]) -> Known:
        made = rule(layers=names)(function)
        translate = made.function

        def unless_given(layer: Layer, context: Context) -> Layer | Noted:
            given = (layer.class_name, layer.package, f"{layer.package}>{layer.class_name}")
            operation = (layer.package or "").startswith(("keras.ops", "keras.src.ops"))
            if operation or any(name in context.objects for name in given):
                return layer
            result = translate(layer, context)
            if certain or result is layer:
                return result
            if _outputs_used(layer, context) > _outputs_of(result.layer if isinstance(result, Noted) else result):
                return layer  # another class of that name
            return assumed(layer, result, taken_for(layer, source), code_of(layer.class_name))

        whole = Rule(made.name, unless_given, made.layers, made.writers, made.effect, made.message)
        return Known(names, source, library, certain, whole)

    return declare


def _outputs_used(layer: Layer, context: Context) -> int:
    graph = context.graph
    if graph is None:
        return 1
    refs = [r for n in graph.layers for c in n.calls for r in c.refs()] + refs_in(graph.outputs)
    return 1 + max((r.output for r in refs if r.layer == layer.name), default=0)


def _outputs_of(made: Layer) -> int | float:
    """How many outputs has what takes the place of a layer: as many as anybody wants where it is a layer itself."""
    if made.graph is None:
        return math.inf
    return 1 if made.graph.sequential else len(refs_in(made.graph.outputs))


def assumed(layer: Layer, result: Layer | Noted, message: str, hint: str = "") -> Noted:
    """`result`, which replaces `layer`, with the finding that it rests on an assumption, which `message` says."""
    finding = Finding("known_layer_assumed", "warning", layer.path, message, hint)
    if isinstance(result, Noted):
        return Noted(result.layer, (finding, *result.findings))
    return Noted(result, (finding,))


def taken_for(layer: Layer, source: str) -> str:
    """What is assumed of a class whose name, config and weights are those of `source`."""
    return f"{layer.class_name} {layer.name!r} is taken for that of {source}: its config and weights fit"


def code_of(name: str) -> str:
    """The hint how to replace an assumption about the class or function `name` by its code."""
    return f"if it is another, give its code: --custom FILE.py, where FILE.py defines {name}"
