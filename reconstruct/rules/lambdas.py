"""Lambda layers: the Python code in the file, translated into what Keras 3 has, and never run."""

from __future__ import annotations

from reconstruct.artifact import Finding, Layer, Writer
from reconstruct.objects import lambdas
from reconstruct.objects.library import Era
from reconstruct.objects.missing import is_stock_lambda
from reconstruct.rules.engine import Context, Noted, Rule, multi_backend, rule


def _maybe_tensorflow_1(writer: Writer) -> bool:
    """Keras up to 2.3 runs on TensorFlow 1 too, and `tf.keras` 2.2.4 is in TensorFlow 1.14 as in 2.0."""
    return writer.version < (2, 3, 0) or (multi_backend(writer) and writer.version < (2, 4, 0))


def _tensorflow_2(writer: Writer) -> bool:
    return writer.major < 3 and not _maybe_tensorflow_1(writer)


def _keras_3(writer: Writer) -> bool:
    return writer.major >= 3


def _translated(layer: Layer, era: Era, context: Context) -> Layer | Noted:
    if is_stock_lambda(layer):
        return layer
    known = lambdas.Context(context.objects, tuple(context.dtypes(layer)), era, not context.may_mask)
    result = lambdas.translate(layer, known)
    findings = []
    if result.random:
        findings.append(
            Finding(
                "random_outputs",
                "warning",
                layer.path,
                f"{layer.name!r} draws random numbers in every call, so that no two outputs are the same",
            )
        )
    if result.calls is not None:
        findings.append(
            Finding(
                "lambda_calls_given",
                "info",
                layer.path,
                f"{layer.name!r} calls {result.python}, which no operations of Keras can say: {result.calls}",
                "to load the file, give Keras that function in custom_objects",
            )
        )
    findings += [
        Finding("lambda_assumption", "warning", layer.path, f"assumed of the code of {layer.name!r}: {text}")
        for text in result.assumptions
    ]
    return Noted(result.layer, tuple(findings))


@rule(layers=("Lambda",), writers=_keras_3)
def lambda_of_keras_3_to_operations(layer: Layer, context: Context) -> Layer | Noted:
    """Keras 3 runs the bytecode of a Lambda layer only in the Python that wrote it, and only if it is trusted."""
    return _translated(layer, "keras_3", context)


@rule(layers=("Lambda",), writers=_tensorflow_2)
def lambda_to_operations(layer: Layer, context: Context) -> Layer | Noted:
    """A Lambda layer holds bytecode of one Python, which Keras 3 does not load; operations can say the same."""
    return _translated(layer, "tensorflow_2", context)


@rule(layers=("Lambda",), writers=_maybe_tensorflow_1)
def lambda_of_tensorflow_1_to_operations(layer: Layer, context: Context) -> Layer | Noted:
    """As above, for files of Keras that may have run on TensorFlow 1, where some functions are others."""
    return _translated(layer, "tensorflow_1", context)


RULES: tuple[Rule, ...] = (
    lambda_of_keras_3_to_operations,
    lambda_to_operations,
    lambda_of_tensorflow_1_to_operations,
)
