"""How a model was compiled, in any Keras, as what `compile` of today's Keras 3 takes; and the optimizer's state.

Custom losses, metrics and optimizers are no reason to fail: they are left out with a finding. Without its loss or its
optimizer a model is left uncompiled, since compiling it with another would be an invention.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconstruct.artifact import Finding, Layer, Training, Writer
from reconstruct.rules.engine import Change
from reconstruct.rules.optimizer_state import OptimizerState, dropped, state
from reconstruct.rules.optimizers import NAMES, Optimizer, translate_optimizer

# Functions of keras.losses by the names they had (Keras 1.2.2, objectives.py; 2.2.4, 2.3.1 and tf_keras, losses.py).
_LOSSES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
    "huber_loss": "huber",
    "cosine": "cosine_similarity",
    "cosine_proximity": "cosine_similarity",
    **{
        name: name
        for name in (
            "mean_squared_error mean_absolute_error mean_absolute_percentage_error mean_squared_logarithmic_error "
            "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy binary_focal_crossentropy "
            "categorical_focal_crossentropy kl_divergence poisson cosine_similarity log_cosh huber hinge "
            "squared_hinge categorical_hinge dice tversky circle ctc crossentropy ce"
        ).split()
    },
}
_LOSS_CLASSES = (
    "MeanSquaredError MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredLogarithmicError BinaryCrossentropy "
    "CategoricalCrossentropy SparseCategoricalCrossentropy BinaryFocalCrossentropy CategoricalFocalCrossentropy "
    "KLDivergence Poisson CosineSimilarity LogCosh Huber Hinge SquaredHinge CategoricalHinge Dice Tversky Circle CTC"
).split()
# Metric classes that mean what the functions meant.
_METRICS = {
    "mean_squared_error": "MeanSquaredError",
    "mean_absolute_error": "MeanAbsoluteError",
    "mean_absolute_percentage_error": "MeanAbsolutePercentageError",
    "mean_squared_logarithmic_error": "MeanSquaredLogarithmicError",
    "binary_crossentropy": "BinaryCrossentropy",
    "categorical_crossentropy": "CategoricalCrossentropy",
    "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
    "kl_divergence": "KLDivergence",
    "poisson": "Poisson",
    "cosine_similarity": "CosineSimilarity",
    "log_cosh": "LogCoshError",
    "hinge": "Hinge",
    "squared_hinge": "SquaredHinge",
    "categorical_hinge": "CategoricalHinge",
    "binary_accuracy": "BinaryAccuracy",
    "categorical_accuracy": "CategoricalAccuracy",
    "sparse_categorical_accuracy": "SparseCategoricalAccuracy",
    "top_k_categorical_accuracy": "TopKCategoricalAccuracy",
    "sparse_top_k_categorical_accuracy": "SparseTopKCategoricalAccuracy",
}
_METRIC_CLASSES = (
    *_METRICS.values(),
    *(
        "Accuracy RootMeanSquaredError R2Score AUC FalseNegatives FalsePositives TrueNegatives TruePositives Precision "
        "Recall PrecisionAtRecall RecallAtPrecision SensitivityAtSpecificity SpecificityAtSensitivity F1Score "
        "FBetaScore IoU BinaryIoU MeanIoU OneHotIoU OneHotMeanIoU ConcordanceCorrelation PearsonCorrelation"
    ).split(),
)
# Short names that Keras 3 takes too, but not in each place where it reads them back.
_ALIASES = ("mse", "mae", "mape", "msle", "bce", "kld")
# Keras finds out which accuracy is meant from the shapes of targets and outputs.
_BY_SHAPE = ("accuracy", "acc", "crossentropy", "ce")


@dataclass(frozen=True)
class Compilation:
    """The arguments of `keras.Model.compile`, serialized; `state` is that of the optimizer.

    `optimizer` is None where the model cannot be compiled as it was: a finding says why. Losses are names of
    functions of `keras.losses` or serialized objects, metrics likewise; both may be nested per output.
    """

    optimizer: Optimizer | None = None
    loss: Any = None
    loss_weights: Any = None
    metrics: Any = None
    weighted_metrics: Any = None
    run_eagerly: bool = False
    steps_per_execution: int = 1
    jit_compile: bool | str = "auto"
    state: OptimizerState = field(default_factory=OptimizerState)

    @property
    def compiled(self) -> bool:
        return self.optimizer is not None


@dataclass
class _Log:
    writer: Writer
    custom: Collection[str]
    changes: list[Change]
    findings: list[Finding]

    def changed(self, rule: str, path: str, effect: str, message: str) -> None:
        change = Change(rule, path, effect, message)
        if change not in self.changes:
            self.changes.append(change)

    def missing(self, kind: str, name: str, consequence: str) -> None:
        self.findings.append(
            Finding(
                f"missing_{kind}",
                "warning",
                kind,
                f"the {kind} {name!r} is not one that Keras 3 has; {consequence}",
                f"give it as a custom object, or compile the model with it: outputs do not depend on the {kind}",
            )
        )


def translate(
    training: Training, writer: Writer, model: Layer | None, custom: Collection[str] = ()
) -> tuple[Compilation, tuple[Change, ...], tuple[Finding, ...]]:
    """How to compile the model in Keras 3, what was rewritten for that, and what could not be kept.

    `training` is that of an `.h5` file of Keras 1 to 3 or of a `.keras` file; `model` is the model as it was read,
    which says the order of the trained variables; `custom` names the classes and functions that the user brings.
    """
    config = training.config
    log = _Log(writer, custom, [], [])
    if not config or not _says_anything(config):
        return Compilation(), (), ()
    saved = config.get("optimizer_config") or config.get("optimizer")
    optimizer, changes, findings = translate_optimizer(saved, writer, custom)
    log.changes += changes
    log.findings += findings
    before = len(log.findings)
    loss = _per_output(config.get("loss"), lambda value: _loss(value, log))
    if len(log.findings) > before or optimizer is None:
        if optimizer is not None and training.optimizer_weights:
            log.findings.append(dropped("the model is left uncompiled"))
        return Compilation(), tuple(log.changes), tuple(log.findings)
    if config.get("sample_weight_mode") not in (None, [], {}) and _flat(config["sample_weight_mode"]):
        message = "Keras 3 takes the shape of the sample weights themselves in place of sample_weight_mode"
        log.changed("sample_weight_mode", "training", "neutral", message)
    if "steps_per_execution" in config and not isinstance(config["steps_per_execution"], int):
        message = "Keras 3 takes 1 for one step, where tf.keras had null"
        log.changed("steps_per_execution", "training", "neutral", message)
    steps = config.get("steps_per_execution")
    moved = OptimizerState()
    if training.optimizer_weights and model is not None:
        moved, lost = state(optimizer, training.optimizer_weights, model, writer)
        log.findings += lost
    compilation = Compilation(
        optimizer,
        loss,
        _per_output(config.get("loss_weights"), _number),
        _metrics(config.get("metrics"), loss, log),
        _metrics(config.get("weighted_metrics"), loss, log),
        bool(config.get("run_eagerly")),
        steps if isinstance(steps, int) and steps > 0 else 1,
        config["jit_compile"] if isinstance(config.get("jit_compile"), bool) else "auto",
        moved,
    )
    return compilation, tuple(log.changes), tuple(log.findings)


def own_names(training: Training) -> list[str]:
    """The losses, metrics, optimizers and schedules of a model whose names are none of Keras's, or those of objects,
    which may be of another class of that name."""
    config = training.config
    found: list[str] = []
    for value in [*_flat(config.get("loss")), *_flat(config.get("metrics")), *_flat(config.get("weighted_metrics"))]:
        _, name, settings = _name(value)
        if name in ("LossFunctionWrapper", "MeanMetricWrapper", "SumOverBatchSizeMetricWrapper"):
            _, name, _ = _name(settings.get("fn"))
        ours = isinstance(value, str) or "fn" in settings
        if not (ours and (_function(name) or name in _METRICS or name.lower() in _BY_SHAPE)):
            found.append(name)
    saved = config.get("optimizer_config") or config.get("optimizer")
    _, optimizer, settings = _name(saved)
    rate = settings.get("learning_rate")
    for name in (optimizer, _name(rate)[1] if isinstance(rate, Mapping) else ""):
        if name.isidentifier() and name.lower() not in NAMES:
            found.append(name)
    return list(dict.fromkeys(found))


def _says_anything(config: Mapping[str, Any]) -> bool:
    return bool(config.get("optimizer_config") or config.get("optimizer") or config.get("loss"))


def _per_output(value: Any, function: Callable[[Any], Any]) -> Any:
    """`function` of every entry of lists and dicts by output; a serialized object is one entry."""
    if isinstance(value, (list, tuple)):
        return [_per_output(v, function) for v in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {k: _per_output(v, function) for k, v in value.items()}
    return None if value is None else function(value)


def _flat(value: Any) -> list[Any]:
    found: list[Any] = []
    _per_output(value, found.append)
    return found


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) else value


def _name(value: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Package, class or function name, and config of a serialized object; functions have an empty config."""
    if not isinstance(value, Mapping):
        return "", str(value), {}
    package, _, name = str(value.get("registered_name") or value.get("class_name")).rpartition(">")
    config = value.get("config")
    if value.get("class_name") == "function":  # Keras 3, saving/serialization_lib.py
        return package, str(config), {}
    module = str(value.get("module") or "keras")
    if module.split(".")[0] not in ("keras", "tf_keras", "builtins"):
        package = package or module
    return package, name, config if isinstance(config, Mapping) else {}


def _function(name: str) -> str | None:
    """The function of `keras.losses` that a name of any Keras means; short names were taken in capitals, too."""
    return _LOSSES.get(name) or (_LOSSES[name.lower()] if name.lower() in _ALIASES else None)


def _loss(value: Any, log: _Log) -> Any:
    package, name, config = _name(value)
    if name in log.custom or f"{package}>{name}" in log.custom:
        return _of_own_class(value, log)
    if name == "LossFunctionWrapper":
        package, name, _ = _name(config.get("fn"))
        config = {k: v for k, v in config.items() if k == "reduction"}
        if name in log.custom:
            return name
    current = _function(name)
    if not package and current:
        if name.startswith("cosine") and log.writer.major == 1:
            # objectives.py of Keras 1.2.2 takes the mean over the last axis, later ones the sum.
            log.missing("loss", name, "Keras 1 divided it by the number of features; the model is left uncompiled")
            return None
        if current != name and name not in _ALIASES:
            log.changed("loss_names", "loss", "neutral", f"the loss {name!r} is {current!r} in Keras 3")
        return current
    if not package and name in _LOSS_CLASSES:
        fields = _with_reduction({k: v for k, v in config.items() if k != "fn"}, log)
        return {"module": "keras.losses", "class_name": name, "config": fields, "registered_name": None}
    log.missing("loss", name, "the model is left uncompiled")
    return None


def _of_own_class(value: Any, log: _Log) -> Any:
    if not isinstance(value, Mapping) or not isinstance(value.get("config"), Mapping):
        return value
    return {**value, "config": _with_reduction(value["config"], log)}


def _with_reduction(fields: Mapping[str, Any], log: _Log) -> dict[str, Any]:
    if fields.get("reduction") != "auto":
        return dict(fields)
    message = "tf.keras's reduction 'auto' is 'sum_over_batch_size' outside of distribution strategies"
    log.changed("loss_reduction", "loss", "neutral", message)
    return {**fields, "reduction": "sum_over_batch_size"}


def _metrics(value: Any, loss: Any, log: _Log) -> Any:
    result = _per_output(value, lambda v: _metric(v, log, _wants_binary(loss, log.writer)))
    if isinstance(value, (list, tuple)) and result and not any(isinstance(v, (list, tuple, Mapping)) for v in value):
        result = [metric for metric in result if metric is not None]
    return _without_missing(result)


def _without_missing(value: Any) -> Any:
    """Lists of metrics of one output without those that are missing; places of outputs stay."""
    if isinstance(value, dict) and "class_name" not in value:
        return {k: _without_missing(v) for k, v in value.items() if v is not None}
    if isinstance(value, list) and any(isinstance(v, list) for v in value):
        if not _flat(value):
            return None
        return [[m for m in v if m is not None] if isinstance(v, list) else v for v in value]
    return value or None


def _wants_binary(loss: Any, writer: Writer) -> bool:
    """Whether 'accuracy' means the binary one, as it did with this loss until TensorFlow 2.2, for any output
    (Keras 2.2.4, engine/training.py); Keras 3 goes by shapes alone."""
    old = writer.version < (2, 3, 0) if writer.is_tf_keras else writer.major < 3
    return old and bool(_flat(loss)) and all(entry == "binary_crossentropy" for entry in _flat(loss))


def _metric(value: Any, log: _Log, binary: bool) -> Any:
    package, name, config = _name(value)
    if name in log.custom or f"{package}>{name}" in log.custom:
        return value
    label = name
    if name in ("MeanMetricWrapper", "SumOverBatchSizeMetricWrapper"):
        label = str(config.get("name") or "")
        package, name, _ = _name(config.get("fn"))
        if name in log.custom:  # Keras 3 would read a wrapper's name as that of the object given
            return name if label == name else _wrapped(name, label)
    if package:
        log.missing("metric", name, "it is left out")
        return None
    if name.lower() in _BY_SHAPE:
        return _object("BinaryAccuracy", {"name": name}) if binary and name.lower() in ("accuracy", "acc") else name
    function = _function(name) or name
    if function == "cosine_similarity" and isinstance(value, str):
        if log.writer.major == 1:
            log.missing("metric", name, "Keras 1 divided it by the number of features; it is left out")
            return None
        if not log.writer.is_tf_keras and log.writer.major < 3:
            # metrics.py of multi-backend Keras 2 has the loss itself, which is negative.
            loss = {"module": "keras.losses", "class_name": "function", "config": function, "registered_name": function}
            return _wrapped(loss, name)
    if function in _METRICS:
        if isinstance(value, str) and value in (*_METRICS, *_ALIASES):
            return value
        if label != name or not isinstance(value, str):
            log.changed("metric_objects", "metrics", "neutral", "metrics are objects of their own classes in Keras 3")
        return _object(_METRICS[function], {"name": label or name})
    if name in _METRIC_CLASSES:
        return _object(name, {k: v for k, v in config.items() if k != "fn"})
    log.missing("metric", name, "it is left out")
    return None


def _object(class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"module": "keras.metrics", "class_name": class_name, "config": config, "registered_name": None}


def _wrapped(function: Any, name: str) -> dict[str, Any]:
    return _object("MeanMetricWrapper", {"name": name, "fn": function})
