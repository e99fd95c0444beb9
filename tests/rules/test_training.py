"""What files of every Keras say about training, as today's Keras 3 takes it; no framework is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Graph, Layer, Tensor, Training, Writer
from reconstruct.readers import read
from reconstruct.rules.optimizers import translate_optimizer
from reconstruct.rules.training import Compilation, translate
from tests.conftest import SavedModel

KERAS_1, KERAS_2, KERAS_2_3 = (Writer(v, "tensorflow") for v in ("1.2.2", "2.2.4", "2.3.1"))
TF_KERAS, TF_KERAS_2_15 = Writer("2.4.0", "tensorflow"), Writer("2.15.0", "tensorflow")
KERAS_3 = Writer("3.15.1", "tensorflow")
SCHEDULE = {"class_name": "ExponentialDecay", "config": {"initial_learning_rate": 0.1, "name": None}}


def translated(writer: Writer, optimizer: Any, **rest: Any) -> tuple[Compilation, list[str], list[str]]:
    """The compilation, the names of the changes, and the codes of the findings."""
    if isinstance(optimizer, tuple):
        optimizer = {"class_name": optimizer[0], "config": optimizer[1]}
    config = {"optimizer_config": optimizer, "loss": "mse", "metrics": [], **rest}
    compilation, changes, findings = translate(Training(config), writer, None)
    return compilation, [c.rule for c in changes], [f.code for f in findings]


def optimizer_config(writer: Writer, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    compilation, _, codes = translated(writer, (class_name, config))
    assert codes == []
    assert compilation.optimizer is not None
    return dict(compilation.optimizer.config)


@pytest.mark.parametrize(
    ("writer", "class_name", "before", "after"),
    [
        (KERAS_2, "SGD", {"lr": 0.1, "decay": 0.0}, {"learning_rate": 0.1}),
        (KERAS_2, "Adam", {"lr": 1, "epsilon": None}, {"learning_rate": 1.0, "epsilon": 1e-7}),
        (KERAS_1, "Adam", {"lr": 0.1}, {"learning_rate": 0.1, "epsilon": 1e-8}),
        (KERAS_2, "Adadelta", {"epsilon": 1e-6}, {"learning_rate": 1.0, "epsilon": 1e-6}),
        (TF_KERAS, "Adam", {"epsilon": 1e-6, "amsgrad": True}, {"epsilon": 1e-6, "amsgrad": True}),
        # epsilon stood outside of the root, and accumulators began at 0
        (KERAS_2, "RMSprop", {"lr": 0.1, "epsilon": 1e-4}, {"learning_rate": 0.1, "epsilon": 1e-8}),
        (KERAS_2, "Adagrad", {"lr": 0.1}, {"learning_rate": 0.1, "initial_accumulator_value": 0.0, "epsilon": 1e-14}),
        (TF_KERAS, "RMSprop", {"epsilon": 1e-4, "momentum": 0.5}, {"epsilon": 1e-4, "momentum": 0.5}),
        (TF_KERAS_2_15, "Custom>RMSprop", {"epsilon": 1e-4}, {"epsilon": 1e-4}),
        # multi-backend Keras clipped by the norm of all gradients together, tf.keras each by its own; 0 is off
        (KERAS_2, "SGD", {"lr": 0.1, "clipnorm": 5}, {"learning_rate": 0.1, "global_clipnorm": 5.0}),
        (TF_KERAS, "SGD", {"learning_rate": 0.1, "clipnorm": 5}, {"learning_rate": 0.1, "clipnorm": 5.0}),
        (KERAS_2, "SGD", {"lr": 0.1, "clipvalue": 0}, {"learning_rate": 0.1, "clipvalue": None}),
        # flags of tf.keras that no update depends on
        (
            TF_KERAS_2_15,
            "Custom>Adam",
            {"jit_compile": True, "is_legacy_optimizer": False, "learning_rate": 0.1},
            {"learning_rate": 0.1},
        ),
        (KERAS_3, "Lion", {"learning_rate": 0.1, "weight_decay": 0.2}, {"learning_rate": 0.1, "weight_decay": 0.2}),
    ],
)
def test_optimizer(writer: Writer, class_name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert optimizer_config(writer, class_name, before) == pytest.approx(after)


@pytest.mark.parametrize("writer", [KERAS_2, TF_KERAS])
def test_decay_becomes_a_schedule(writer: Writer) -> None:
    compilation, changes, codes = translated(writer, ("SGD", {"learning_rate": 0.1, "decay": 0.01}))
    assert codes == []
    assert "decay_to_schedule" in changes
    schedule = compilation.optimizer.config["learning_rate"]
    assert schedule["class_name"] == "InverseTimeDecay"
    config = schedule["config"]
    assert (config["initial_learning_rate"], config["decay_rate"], config["decay_steps"]) == (0.1, 0.01, 1)


@pytest.mark.parametrize(
    ("writer", "config"), [(KERAS_2, {"schedule_decay": 0.004}), (TF_KERAS, {"decay": 0.004}), (KERAS_2, {})]
)
def test_nadam_has_another_momentum_schedule(writer: Writer, config: dict[str, Any]) -> None:
    """tf.keras's legacy class saves `schedule_decay` as `decay`, which is no decay of the learning rate."""
    compilation, _, codes = translated(writer, ("Nadam", {"learning_rate": 0.1, **config}))
    assert codes == ["optimizer_approximated"]
    assert compilation.optimizer.config["learning_rate"] == 0.1


def test_two_ways_of_clipping_cannot_be_kept() -> None:
    compilation, _, codes = translated(KERAS_2, ("SGD", {"lr": 0.1, "clipnorm": 1.0, "clipvalue": 0.5}))
    assert codes == ["optimizer_approximated"]
    assert compilation.optimizer.config == {"learning_rate": 0.1, "global_clipnorm": 1.0}


def test_schedules() -> None:
    config = optimizer_config(TF_KERAS, "Adam", {"learning_rate": SCHEDULE})
    assert config["learning_rate"]["module"] == "keras.optimizers.schedules"
    assert config["learning_rate"]["config"] == {"initial_learning_rate": 0.1}
    unknown = {"class_name": "NoisyLinearCosineDecay", "config": {}}
    compilation, _, codes = translated(TF_KERAS, ("Adam", {"learning_rate": unknown}))
    assert codes == ["missing_optimizer"]
    assert not compilation.compiled


@pytest.mark.parametrize(
    "optimizer",
    [
        ("TFOptimizer", {}),
        ("Addons>AdamW", {"learning_rate": 0.1}),
        {"class_name": "Adam", "module": "my.optimizers", "config": {}},
        None,
        ("", {}),
        ("Adam", {"learning_rate": "fast"}),
        ("RMSprop", {"epsilon": [1]}),
    ],
)
def test_unknown_optimizers_leave_the_model_uncompiled(optimizer: Any) -> None:
    compilation, _, codes = translated(TF_KERAS, optimizer)
    assert codes == ["missing_optimizer"]
    assert not compilation.compiled


def test_what_is_said_of_an_optimizer_that_the_file_does_not_name() -> None:
    """A compile config may have a loss and no optimizer."""
    [finding] = translate_optimizer(None, Writer("3.5.0", "tensorflow"))[2]
    assert finding.message == "the file does not say which optimizer it was; the model is left uncompiled"


def test_optimizer_of_a_keras_zip_by_name_or_module() -> None:
    legacy = {"module": "keras.optimizers.legacy", "class_name": "SGD", "config": {"decay": 0.5, "learning_rate": 1}}
    for saved, class_name, rules in (
        ("adam", "Adam", []),
        (legacy, "SGD", ["decay_to_schedule"]),
        ({"module": "keras.src.optimizers", "class_name": "RMSprop", "config": {}}, "RMSprop", []),
    ):
        training = Training({"optimizer": saved, "loss": "mse", "steps_per_execution": None, "jit_compile": None})
        compilation, changes, findings = translate(training, TF_KERAS_2_15, None)
        assert findings == ()
        assert compilation.optimizer.class_name == class_name
        assert [c.rule for c in changes] == [*rules, "steps_per_execution"]
        assert (compilation.steps_per_execution, compilation.jit_compile) == (1, "auto")


@pytest.mark.parametrize(
    ("writer", "before", "after"),
    [
        (KERAS_1, "kld", "kl_divergence"),
        (KERAS_2, "kullback_leibler_divergence", "kl_divergence"),
        (KERAS_2, "MSE", "mean_squared_error"),
        (KERAS_2, "logcosh", "log_cosh"),
        (KERAS_2, "cosine_proximity", "cosine_similarity"),
        (TF_KERAS, "huber_loss", "huber"),
        (TF_KERAS, {"a": "mae", "b": None}, {"a": "mean_absolute_error", "b": None}),
        (TF_KERAS, ["mae", "bce"], ["mean_absolute_error", "binary_crossentropy"]),
        (KERAS_3, {"module": "builtins", "class_name": "function", "config": "mse"}, "mean_squared_error"),
        (TF_KERAS, None, None),
    ],
)
def test_losses(writer: Writer, before: Any, after: Any) -> None:
    compilation, _, codes = translated(writer, ("SGD", {}), loss=before)
    assert codes == []
    assert compilation.loss == after


def test_loss_objects() -> None:
    saved = {"class_name": "Huber", "config": {"reduction": "auto", "delta": 2.0, "fn": "huber"}}
    compilation, changes, codes = translated(TF_KERAS_2_15, ("SGD", {}), loss=saved)
    assert codes == []
    assert "loss_reduction" in changes
    assert compilation.loss["config"] == {"reduction": "sum_over_batch_size", "delta": 2.0}
    wrapped = {"class_name": "LossFunctionWrapper", "config": {"fn": "mean_squared_error", "reduction": "auto"}}
    assert translated(TF_KERAS_2_15, ("SGD", {}), loss=wrapped)[0].loss == "mean_squared_error"


@pytest.mark.parametrize(
    "loss", ["<lambda>", "my_loss", {"ctc": "<lambda>"}, {"class_name": "Dice", "module": "mine", "config": {}}]
)
def test_custom_losses_leave_the_model_uncompiled(loss: Any) -> None:
    compilation, _, codes = translated(TF_KERAS, ("SGD", {}), loss=loss)
    assert codes == ["missing_loss"]
    assert not compilation.compiled


def test_keras_1_divided_the_cosine_by_the_number_of_features() -> None:
    assert translated(KERAS_1, ("SGD", {}), loss="cosine_proximity")[2] == ["missing_loss"]


def test_what_the_user_brings_is_kept() -> None:
    config = {"optimizer_config": {"class_name": "Mine", "config": {}}, "loss": "my_loss", "metrics": ["my_metric"]}
    compilation, _, findings = translate(Training(config), TF_KERAS, None, ("Mine", "my_loss", "my_metric"))
    assert findings == ()
    assert (compilation.optimizer.class_name, compilation.loss, compilation.metrics) == (
        "Mine",
        "my_loss",
        ["my_metric"],
    )


def wrapper(name: str, function: str) -> dict[str, Any]:
    return {"class_name": "MeanMetricWrapper", "config": {"name": name, "dtype": "float32", "fn": function}}


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (["acc", "mae"], ["acc", "mae"]),
        ({"b": "accuracy"}, {"b": "accuracy"}),
        ([[wrapper("acc", "binary_accuracy")]], [[("BinaryAccuracy", "acc")]]),
        ([[None], [wrapper("kld", "kullback_leibler_divergence")]], [[], [("KLDivergence", "kld")]]),
        ([{"class_name": "AUC", "config": {"name": "auc"}}], [("AUC", "auc")]),
        (None, None),
    ],
)
def test_metrics(before: Any, expected: Any) -> None:
    def short(value: Any) -> Any:
        if isinstance(value, list):
            return [short(v) for v in value]
        return (value["class_name"], value["config"]["name"]) if "class_name" in (value or "") else value

    compilation, _, codes = translated(TF_KERAS, ("SGD", {}), metrics=before)
    assert codes == []
    assert short(compilation.metrics) == expected


def test_custom_metrics_are_left_out() -> None:
    compilation, _, codes = translated(KERAS_2, ("SGD", {}), metrics=["mae", "fmeasure", "acc"])
    assert codes == ["missing_metric"]
    assert compilation.compiled
    assert compilation.metrics == ["mae", "acc"]


def test_the_accuracy_of_binary_crossentropy_was_binary() -> None:
    for writer, expected in ((KERAS_2, "BinaryAccuracy"), (TF_KERAS, None)):
        compilation, _, _ = translated(writer, ("SGD", {}), loss="binary_crossentropy", metrics=["acc"])
        metric = compilation.metrics[0]
        assert (metric["class_name"] if expected else metric) == (expected or "acc")


def test_the_cosine_metric_of_keras_2_was_negative() -> None:
    compilation, _, _ = translated(KERAS_2, ("SGD", {}), metrics=["cosine_proximity"])
    config = compilation.metrics[0]["config"]
    assert (config["name"], config["fn"]["module"], config["fn"]["config"]) == (
        "cosine_proximity",
        "keras.losses",
        "cosine_similarity",
    )


# --- state ---------------------------------------------------------------------------------------------------------


def tensor(name: str, *shape: int) -> Tensor:
    return Tensor(name, shape, "float32", lambda: np.zeros(shape, "float32"), (name,))


def model(*names: str) -> Layer:
    """Dense layers with kernels (2, 2), so that no shape tells one from another, and biases (2,)."""
    layers = [
        Layer(
            "Dense",
            name,
            {"units": 2},
            weights={"kernel": tensor(f"{name}/kernel:0", 2, 2), "bias": tensor(f"{name}/bias:0", 2)},
        )
        for name in names
    ]
    return Layer("Sequential", "model", graph=Graph(tuple(layers)))


def slots(writer: Writer, class_name: str, names: list[str], layer: Layer, **config: Any) -> Any:
    """Which slot of the file goes where: `{(kind, variable): slot}`, and the codes of the findings."""

    def shape(name: str) -> tuple[int, ...]:
        return () if "iter" in name else (1,) if "hat_" in name else (2,) if "bias" in name else (2, 2)

    training = Training(
        {"optimizer_config": {"class_name": class_name, "config": config}, "loss": "mse"},
        tuple(tensor(name, *shape(name)) for name in names),
    )
    compilation, _, findings = translate(training, writer, layer)
    found = {(s.kind, s.variable.name): s.value.name for s in compilation.state.slots}
    return found, [f.code for f in findings]


def test_slots_in_the_order_of_keras_2() -> None:
    names = ["Adam/iterations:0", *(f"{kind}_{v}" for kind in ("m", "v", "hat") for v in ("kernel", "bias"))]
    found, codes = slots(KERAS_2, "Adam", names, model("d"), amsgrad=False)
    assert codes == []
    assert found == {
        ("momentum", "d/kernel:0"): "m_kernel",
        ("momentum", "d/bias:0"): "m_bias",
        ("velocity", "d/kernel:0"): "v_kernel",
        ("velocity", "d/bias:0"): "v_bias",
    }


def test_slots_in_the_order_of_a_keras_zip() -> None:
    names = ["iteration", "m_kernel", "v_kernel", "m_bias", "v_bias"]
    found, codes = slots(TF_KERAS_2_15, "Custom>Adam", names, model("d"))
    assert codes == []
    assert found["velocity", "d/kernel:0"] == "v_kernel"
    assert found["momentum", "d/bias:0"] == "m_bias"


def test_keras_before_2_0_6_sorted_variables_by_name() -> None:
    names = ["iter", "kernel_a", "kernel_z"]
    layer = model("z", "a").map_parts(lambda _, part: part.replace(weights={"kernel": part.weights["kernel"]}))
    for version, first in (("2.0.5", "a"), ("2.0.6", "z")):
        found, _ = slots(Writer(version), "SGD", names, layer, momentum=0.9, lr=0.1)
        assert found["momentum", f"{first}/kernel:0"] == "kernel_a"


@pytest.mark.parametrize(
    ("writer", "class_name", "form"),
    [
        (TF_KERAS, "Adam", "Adam/{layer}/{name}/{m}:0"),
        (TF_KERAS, "Adam", "training_2/Adam/{layer}/{name}/{m}:0"),
        (TF_KERAS_2_15, "Custom>Adam", "Adam/{m}/{layer}/{name}:0"),
        (TF_KERAS_2_15, "Custom>Adam", "Adam/{m}_{layer}/{name}:0"),
        (KERAS_3, "Adam", "adam/{layer}_{name}_{long}"),
    ],
)
def test_slots_by_name_in_any_order(writer: Writer, class_name: str, form: str) -> None:
    """`my_d/kernel` ends like `d/kernel`, and must not be taken for it."""
    names = [
        form.format(layer=layer, name=name, m=m, long=long)
        for layer in ("my_d", "d")
        for m, long in (("v", "velocity"), ("m", "momentum"))
        for name in ("bias", "kernel")
    ]
    found, codes = slots(writer, class_name, ["Adam/iter:0", *names], model("d", "my_d"))
    assert codes == []
    assert len(found) == 8
    for (kind, variable), slot in found.items():
        layer, name = variable.removesuffix(":0").split("/")
        assert slot == form.format(layer=layer, name=name, m=kind[0], long=kind)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["iter", "m_kernel", "v_kernel"], "too few"),
        (["iter", "m_bias", "v_kernel", "m_kernel", "v_bias"], "other shapes"),
        (["m_kernel", "v_kernel", "m_bias", "v_bias"], "no steps"),
        (["iter", "m_kernel", "v_kernel", "m_bias", "v_bias", "m_kernel"], "too many"),
    ],
)
def test_a_state_that_does_not_fit_is_dropped_as_a_whole(names: list[str], reason: str) -> None:
    assert slots(TF_KERAS_2_15, "Custom>Adam", names, model("d")) == ({}, ["optimizer_state_dropped"]), reason


def test_frozen_layers_have_no_slots() -> None:
    layer = model("a", "b")
    frozen = layer.map_parts(lambda _, part: part.having(trainable=part.name == "b"))
    found, codes = slots(KERAS_2_3, "SGD", ["iter", "kernel", "bias"], frozen, momentum=0.5, learning_rate=0.1)
    assert codes == []
    assert found == {("momentum", "b/kernel:0"): "kernel", ("momentum", "b/bias:0"): "bias"}


def test_momentum_of_zero_has_no_state() -> None:
    assert slots(KERAS_2, "SGD", ["iter", "kernel", "bias"], model("a"), momentum=0.0, lr=0.1) == ({}, [])


def test_state_of_an_uncompiled_model_is_reported() -> None:
    training = Training({"optimizer_config": {"class_name": "SGD", "config": {}}, "loss": "mine"}, (tensor("iter"),))
    _, _, findings = translate(training, TF_KERAS, model("d"))
    assert [f.code for f in findings] == ["missing_loss", "optimizer_state_dropped"]


def test_genuine_files(manifest: list[SavedModel]) -> None:
    """Every file that a genuine Keras compiled is understood, and each of its slots has a place."""
    checked = 0
    for entry in manifest:
        if not Path(entry.file).name.startswith("compiled_"):
            continue
        artifact = read(entry.path)
        assert artifact.training is not None, entry.file
        compilation, _, findings = translate(artifact.training, artifact.writer, artifact.model)
        assert compilation.compiled, entry.file
        assert {f.code for f in findings} <= {"optimizer_approximated"}, entry.file
        has_arrays = any(t.shape != () for t in artifact.training.optimizer_weights)
        assert bool(compilation.state.slots) == (has_arrays and keeps_slots(compilation)), entry.file
        assert all(s.value.shape == s.variable.shape for s in compilation.state.slots), entry.file
        checked += 1
    assert checked >= 10


def keeps_slots(compilation: Compilation) -> bool:
    assert compilation.optimizer is not None
    return compilation.optimizer.class_name != "SGD" or bool(compilation.optimizer.config.get("momentum"))
