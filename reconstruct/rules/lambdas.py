"""Lambda layers: the Python code in the file, translated into what Keras 3 has, and never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconstruct.artifact import MODEL_CLASSES, Finding, Graph, Layer, Ref, Writer
from reconstruct.objects import lambdas
from reconstruct.objects.library import Era
from reconstruct.rules.engine import Noted, Rule, multi_backend, rule
from reconstruct.stock import LAYERS

# What the rule that sees the whole model tells the one that sees a single layer.
_NOTES = "reconstruct_notes"


def _maybe_tensorflow_1(writer: Writer) -> bool:
    """Keras up to 2.3 runs on TensorFlow 1 too, and `tf.keras` 2.2.4 is in TensorFlow 1.14 as in 2.0."""
    return writer.version < (2, 3, 0) or (multi_backend(writer) and writer.version < (2, 4, 0))


def _tensorflow_2(writer: Writer) -> bool:
    return writer.major < 3 and not _maybe_tensorflow_1(writer)


def _keras_3(writer: Writer) -> bool:
    return writer.major >= 3


@rule(layers=MODEL_CLASSES, effect="neutral")
def inputs_of_lambda_layers(layer: Layer) -> Layer:
    """Whether masks or integers reach Lambda layers, which Keras of all versions hands to their code as they are."""
    if layer.path != "model" or not any(_is_lambda(n) for n in layer.walk()):
        return layer
    masks = any(_may_make_mask(n) for n in layer.walk())
    return _noted(layer, not masks)


def _is_lambda(layer: Layer) -> bool:
    return layer.class_name == "Lambda" and _NOTES not in layer.config and not is_stock(layer)


def is_stock(layer: Layer) -> bool:
    """Whether it wraps a layer of Keras, as `GaussianNoise` is when a Lambda layer that draws numbers is translated."""
    function = layer.config.get("function")
    return (
        isinstance(function, Mapping)
        and function.get("class_name") in LAYERS
        and str(function.get("module")).startswith("keras.layers")
    )


def _may_make_mask(layer: Layer) -> bool:
    if layer.class_name == "Embedding":
        return bool(layer.config.get("mask_zero"))
    if layer.class_name == "Masking":
        return True
    # A custom layer may do anything.
    return layer.package is not None and not layer.package.startswith(("keras", "tf_keras", "tensorflow", "builtins"))


def _noted(layer: Layer, unmasked: bool) -> Layer:
    def visit(part: Layer, graph: Graph | None) -> Layer:
        visited = {key: visit(inner, part.graph) for key, inner in part.parts()}
        if any(visited[key] is not inner for key, inner in part.parts()):
            part = part.map_parts(lambda key, _: visited[key])
        if not _is_lambda(part):
            return part
        dtypes = [_dtype(ref, graph) for ref in part.calls[0].refs()] if part.calls and graph is not None else []
        return part.having(**{_NOTES: {"unmasked": unmasked, "dtypes": dtypes}})

    return visit(layer, None)


def _dtype(ref: Ref, graph: Graph) -> str | None:
    source = graph[ref.layer]
    dtype = source.config.get("dtype") if source.class_name == "InputLayer" else None
    return dtype if isinstance(dtype, str) and dtype.startswith(("int", "uint", "bool")) else None


def _translated(layer: Layer, era: Era, known: Mapping[str, Any]) -> Layer | Noted:
    if is_stock(layer):
        return layer
    notes: Mapping[str, Any] = layer.config.get(_NOTES) or {}
    context = lambdas.Context(known, tuple(notes.get("dtypes") or ()), era, bool(notes.get("unmasked")))
    result = lambdas.translate(layer.without(_NOTES), context)
    findings = []
    if result.random:
        findings.append(
            Finding(
                "random_outputs",
                "warning",
                layer.path,
                f"{layer.name!r} draws random numbers in every call, so outputs can only be compared statistically",
            )
        )
    findings += [
        Finding("lambda_assumption", "warning", layer.path, f"assumed of the code of {layer.name!r}: {text}")
        for text in result.assumptions
    ]
    return Noted(result.layer, tuple(findings))


def rules(known: Mapping[str, Any] | None = None) -> tuple[Rule, ...]:
    """The rules for Lambda layers, with values of global variables that their code uses, if the user knows them."""
    values = dict(known or {})

    @rule(layers=("Lambda",), writers=_keras_3)
    def lambda_of_keras_3_to_operations(layer: Layer) -> Layer | Noted:
        """Keras 3 runs the bytecode of a Lambda layer only in the Python that wrote it, and only if it is trusted."""
        return _translated(layer, "keras_3", values)

    @rule(layers=("Lambda",), writers=_tensorflow_2)
    def lambda_to_operations(layer: Layer) -> Layer | Noted:
        """A Lambda layer holds bytecode of one Python, which Keras 3 does not load; operations can say the same."""
        return _translated(layer, "tensorflow_2", values)

    @rule(layers=("Lambda",), writers=_maybe_tensorflow_1)
    def lambda_of_tensorflow_1_to_operations(layer: Layer) -> Layer | Noted:
        """As above, for files of Keras that may have run on TensorFlow 1, where some functions are others."""
        return _translated(layer, "tensorflow_1", values)

    own = (lambda_of_keras_3_to_operations, lambda_to_operations, lambda_of_tensorflow_1_to_operations)
    return inputs_of_lambda_layers, *own


RULES: tuple[Rule, ...] = rules()
