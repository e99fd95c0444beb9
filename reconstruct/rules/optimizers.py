"""Optimizers of every Keras as today's Keras 3 takes them.

Three generations differ in more than names:

* `MULTI_BACKEND`: Keras 1.x to 2.3 (`keras/optimizers.py`);
* `LEGACY`: tf.keras before 2.11, `optimizers.legacy` since (tf_keras, `optimizers/legacy/`);
* `CURRENT`: tf.keras from 2.11 on and Keras 3 (tf_keras, `optimizers/`; Keras 3, `optimizers/`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from reconstruct.artifact import Finding, Writer
from reconstruct.rules.engine import Change

MULTI_BACKEND, LEGACY, CURRENT = "multi-backend", "legacy", "current"

_SHARED = (
    "name learning_rate weight_decay clipnorm clipvalue global_clipnorm use_ema ema_momentum ema_overwrite_frequency "
    "loss_scale_factor gradient_accumulation_steps"
).split()
# What `get_config` of each Keras 3 optimizer has besides the fields they share (Keras 3.15, optimizers/*.py).
_FIELDS: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum", "nesterov"),
    "RMSprop": ("rho", "momentum", "epsilon", "centered"),
    "Adam": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "AdamW": ("beta_1", "beta_2", "epsilon", "amsgrad"),
    "Adamax": ("beta_1", "beta_2", "epsilon"),
    "Nadam": ("beta_1", "beta_2", "epsilon"),
    "Adagrad": ("initial_accumulator_value", "epsilon"),
    "Adadelta": ("rho", "epsilon"),
    "Ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    "Adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "Lion": ("beta_1", "beta_2"),
    "Lamb": ("beta_1", "beta_2", "epsilon"),
}
_BY_LOWER_CASE = {name.lower(): name for name in _FIELDS}
_SCHEDULES = (
    "ExponentialDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "InverseTimeDecay",
    "CosineDecay",
    "CosineDecayRestarts",
)
NAMES = frozenset(name.lower() for name in (*_FIELDS, *_SCHEDULES, "LossScaleOptimizer"))  # what Keras itself has
# Fields that never change an update: how TensorFlow runs it, and what class wrote it.
_NEUTRAL = ("is_legacy_optimizer", "jit_compile", "use_locking", "_use_locking")
# Defaults that differ from Keras 3's (Keras 1.2.2 to 2.3.1, optimizers.py): 0.001 in Keras 3.
_LEARNING_RATES = {"Adagrad": 0.01, "Adadelta": 1.0, "Adamax": 0.002, "Nadam": 0.002}
# Where the momentum schedule of Nadam stands for `0.96 ** (t * schedule_decay)`; Keras 3 has no factor, i.e. 1.
_SCHEDULE_DECAY = 0.004


@dataclass(frozen=True)
class Optimizer:
    """An optimizer as `keras.saving.deserialize_keras_object` takes it, and the generation whose variables it has."""

    serialized: Mapping[str, Any]
    generation: str

    @property
    def class_name(self) -> str:
        return str(self.serialized["class_name"])

    @property
    def config(self) -> Mapping[str, Any]:
        return self.serialized["config"]


def translate_optimizer(
    saved: Any, writer: Writer, custom: Collection[str] = ()
) -> tuple[Optimizer | None, list[Change], list[Finding]]:
    """The optimizer, or None with a finding `missing_optimizer` where Keras 3 has none that means the same.

    `saved` is a name or `{"class_name": …, "config": …}`; `custom` names the classes that the user brings.
    """
    if isinstance(saved, str):
        saved = {"class_name": _BY_LOWER_CASE.get(saved.lower(), saved), "config": {}, "module": "keras.optimizers"}
    if not isinstance(saved, Mapping) or not isinstance(saved.get("config", {}), Mapping):
        return None, [], [_missing("the file does not say which optimizer it was")]
    package, _, class_name = str(saved.get("class_name", "")).rpartition(">")
    if class_name in custom or f"{package}>{class_name}" in custom:
        return Optimizer(dict(saved), CURRENT), [], []
    if class_name == "LossScaleOptimizer":
        # Keras 3 wraps the optimizer of a mixed_float16 model by itself (trainers/trainer.py, auto_scale_loss).
        inner = saved.get("config", {}).get("inner_optimizer") or saved.get("config", {}).get("optimizer")
        return translate_optimizer(inner, writer, custom)
    # tf.keras 2.9 to 2.15 registered its own new optimizers as "Custom>Adam"; other packages are not Keras's.
    stock = package in ("", "Custom") and _is_keras_module(saved.get("module"))
    if class_name not in _FIELDS or not stock:
        return None, [], [_missing(f"the optimizer is not one that Keras 3 has: {str(saved.get('class_name'))!r}")]
    generation = _generation(saved, writer, package)
    config = dict(saved.get("config", {}))
    translation = _Translation(class_name, config, generation, writer, [], [])
    try:
        if not translation.run(custom):
            return None, translation.changes, translation.findings
    except (TypeError, ValueError) as error:
        return None, [], [_missing(f"the optimizer is {class_name} with a config that cannot be understood ({error})")]
    serialized = {"module": "keras.optimizers", "class_name": class_name, "config": config, "registered_name": None}
    return Optimizer(serialized, generation), translation.changes, translation.findings


def _generation(saved: Mapping[str, Any], writer: Writer, package: str) -> str:
    flag = saved.get("config", {}).get("is_legacy_optimizer")
    if writer.major >= 3 or package == "Custom" or flag is False:
        return CURRENT
    if flag or "legacy" in str(saved.get("module")):
        return LEGACY
    if str(saved.get("module")).startswith(("keras.", "tf_keras")):
        return CURRENT  # only .keras files name a module, and they are newer than the legacy optimizers
    return LEGACY if writer.is_tf_keras else MULTI_BACKEND


def _is_keras_module(module: Any) -> bool:
    return module is None or str(module).split(".")[0] in ("keras", "tf_keras", "tensorflow", "builtins")


def _missing(why: str) -> Finding:
    return Finding(
        "missing_optimizer",
        "warning",
        "optimizer",
        f"{why}; the model is left uncompiled",
        "compile the model, or give the class as a custom object",
    )


@dataclass
class _Translation:
    """One optimizer's config on its way to Keras 3; `config` is changed in place."""

    class_name: str
    config: dict[str, Any]
    generation: str
    writer: Writer
    changes: list[Change]
    findings: list[Finding]

    def run(self, custom: Collection[str]) -> bool:
        """Whether there is a Keras 3 form."""
        if "lr" in self.config:
            self.config["learning_rate"] = self.config.pop("lr")
            self._changed("optimizer_lr", "neutral", "Keras 2.3 renamed `lr` to `learning_rate`")
        if any([self.config.pop(name, None) is not None for name in _NEUTRAL]):  # noqa: C419 - all are dropped
            self._changed("optimizer_fields", "neutral", "Keras 3 dropped fields without influence on updates")
        self._momentum_schedule()
        self._defaults()
        self._clipping()
        self._epsilon()
        if not self._learning_rate(custom):
            return False
        if self.config.pop("adaptive_epsilon", False):
            self._approximated("Keras 3's Adam has no adaptive_epsilon")
        unknown = sorted(set(self.config) - {*_SHARED, *_FIELDS[self.class_name]})
        for name in unknown:
            value = self.config.pop(name)
            if value:
                self._approximated(f"Keras 3's {self.class_name} has no {name} ({value!r})")
        return True

    def _changed(self, rule: str, effect: str, message: str) -> None:
        self.changes.append(Change(rule, "optimizer", effect, message))

    def _approximated(self, message: str) -> None:
        self.findings.append(
            Finding("optimizer_approximated", "warning", "optimizer", f"{message}; further training may differ")
        )

    def _momentum_schedule(self) -> None:
        """Nadam: what Keras 2 called `schedule_decay`, tf.keras's legacy class saves as `decay` (legacy/nadam.py)."""
        if self.class_name != "Nadam" or self.generation == CURRENT:
            return
        decay = self.config.pop("decay", _SCHEDULE_DECAY)
        factor = self.config.pop("schedule_decay", decay)
        if factor != 1:
            self._approximated(f"Keras 3's Nadam warms momentum up with 0.96**t, not 0.96**({factor} t)")

    def _defaults(self) -> None:
        """What the file leaves out means the default of the Keras that wrote it."""
        if self.generation == CURRENT:
            return
        old = self.generation == MULTI_BACKEND
        if old:
            self.config.setdefault("learning_rate", _LEARNING_RATES.get(self.class_name))
            if self.config["learning_rate"] is None:
                del self.config["learning_rate"]
        if self.class_name == "Adagrad":  # accumulators began at 0 until tf.keras 2.0 had a field for it
            self.config.setdefault("initial_accumulator_value", 0.0)
        if "epsilon" in _FIELDS[self.class_name] and self.config.get("epsilon") is None:
            # Null is K.epsilon(), 1e-7 in every Keras; 1e-8 was the default itself before 2.1.2.
            absent = "epsilon" not in self.config
            self.config["epsilon"] = 1e-8 if absent and old and self.writer.version < (2, 1, 2) else 1e-7

    def _clipping(self) -> None:
        for name in ("clipnorm", "clipvalue", "global_clipnorm"):
            if name in self.config and not self.config[name]:
                self.config[name] = None  # zero meant off (Keras 2.2.4, optimizers.py, clip_norm)
        if self.generation == MULTI_BACKEND and self.config.get("clipnorm"):
            self.config["global_clipnorm"] = self.config.pop("clipnorm")
            message = "multi-backend Keras clipped by the norm of all gradients together, `global_clipnorm` in Keras 3"
            self._changed("clipnorm_to_global_clipnorm", "preserving", message)
        given = [n for n in ("clipnorm", "global_clipnorm", "clipvalue") if self.config.get(n)]
        for name in given[1:]:
            value = self.config.pop(name)
            self._approximated(f"Keras 3 clips gradients in one way only: {given[0]} is kept, {name}={value} is not")
        for name in given[:1]:
            self.config[name] = float(self.config[name])

    def _epsilon(self) -> None:
        """Keras 3 has sqrt(v + epsilon) where older RMSprop and Adagrad had sqrt(v) + epsilon.

        With epsilon squared the two agree except for gradients as small as epsilon. Older RMSprop with momentum ran
        TensorFlow's ApplyRMSProp, which has sqrt(v + epsilon) too.
        """
        if self.generation == CURRENT or self.class_name not in ("RMSprop", "Adagrad") or self.config.get("momentum"):
            return
        self.config["epsilon"] = float(self.config["epsilon"]) ** 2
        message = "Keras 3 adds epsilon inside the square root; squared, it has the same effect there"
        self._changed("epsilon_inside_root", "approximate", message)

    def _learning_rate(self, custom: Collection[str]) -> bool:
        rate = self.config.get("learning_rate")
        decay = self.config.pop("decay", None) or self.config.pop("initial_decay", None)
        self.config.pop("initial_decay", None)
        if isinstance(rate, Mapping):
            schedule = _schedule(rate, custom)
            if schedule is None:
                message = f"its learning rate schedule {rate.get('class_name')!r} is unknown"
                self.findings.append(_missing(f"{self.class_name}: {message}"))
                return False
            self.config["learning_rate"] = schedule
            if decay:
                self._approximated(f"a learning rate schedule and decay={decay} cannot be combined")
            return True
        if rate is None and not decay:
            self.config.pop("learning_rate", None)
            return True
        default = 0.01 if self.class_name == "SGD" else 0.001
        self.config["learning_rate"] = rate = float(default if rate is None else rate)
        if decay and self.generation != CURRENT:
            config = {
                "initial_learning_rate": rate,
                "decay_steps": 1,
                "decay_rate": float(decay),
                "staircase": False,
                "name": "InverseTimeDecay",
            }
            self.config["learning_rate"] = _serialized_schedule("InverseTimeDecay", config)
            message = f"`decay` is the schedule lr / (1 + {float(decay):g} * step): InverseTimeDecay"
            self._changed("decay_to_schedule", "preserving", message)
        return True


def _schedule(saved: Mapping[str, Any], custom: Collection[str]) -> Mapping[str, Any] | None:
    name = str(saved.get("class_name", "")).rpartition(">")[2]
    if name in custom:
        return saved
    config = saved.get("config")
    if name not in _SCHEDULES or not isinstance(config, Mapping) or not _is_keras_module(saved.get("module")):
        return None
    # tf.keras saves a schedule without a name as null, which Keras 3 refuses when it trains.
    return _serialized_schedule(name, {k: v for k, v in config.items() if k != "name" or v})


def _serialized_schedule(name: str, config: dict[str, Any]) -> dict[str, Any]:
    module = "keras.optimizers.schedules"
    return {"module": module, "class_name": name, "config": config, "registered_name": None}
