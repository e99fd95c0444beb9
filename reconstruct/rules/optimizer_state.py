"""What the variables that a file holds for its optimizer are: which slot of which variable of the model."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconstruct.artifact import Finding, Layer, Tensor, Writer
from reconstruct.rules.optimizers import CURRENT, Optimizer
from reconstruct.stock import slots as layer_slots


@dataclass(frozen=True)
class OptimizerSlot:
    """A variable that an optimizer keeps for a variable of the model.

    `kind` is the end of its name in Keras 3 (`"momentum"`, `"velocity"`, …); `variable` is the tensor of the file
    that holds the variable of the model, `position` its place among those that are trained.
    """

    kind: str
    variable: Tensor
    position: int
    value: Tensor


@dataclass(frozen=True)
class OptimizerState:
    """Everything an optimizer knew: the number of steps done, and a slot of each kind for each variable."""

    iterations: Tensor | None = None
    slots: tuple[OptimizerSlot, ...] = ()


# Until then `Model.compile` sorted the trained variables by name (Keras 1.2.2 and 2.0.5, engine/training.py).
SORTED_BEFORE = (2, 0, 6)
# Kinds of slots, in the order in which each generation writes them: in `CURRENT`, those of one tuple alternate from
# variable to variable (Keras 3.15 and tf_keras 2.21, `build` of each class).
_KINDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "SGD": (("momentum",),),
    "RMSprop": (("velocity",), ("momentum",), ("average_gradient",)),
    "Adam": (("momentum", "velocity"), ("velocity_hat",)),
    "AdamW": (("momentum", "velocity"), ("velocity_hat",)),
    "Adamax": (("momentum", "norm"),),
    "Nadam": (("momentum", "velocity"),),
    "Adagrad": (("accumulator",),),
    "Adadelta": (("accumulated_grad", "accumulated_delta_var"),),
    "Ftrl": (("accumulator", "linear"),),
    "Lion": (("momentum",),),
    "Lamb": (("momentum", "velocity"),),
}
# The kinds as names of variables say them, besides Keras 3's own.
_ALIASES: dict[str, dict[str, str]] = {
    "momentum": {"m": "momentum", "momentum": "momentum"},
    "velocity": {"v": "velocity", "rms": "velocity", "velocity": "velocity"},
    "velocity_hat": {"vhat": "velocity_hat", "velocity_hat": "velocity_hat"},
    "average_gradient": {"mg": "average_gradient", "average_gradient": "average_gradient"},
    "norm": {"u": "norm", "v": "norm", "norm": "norm"},
    "accumulator": {"accumulator": "accumulator"},
    "accumulated_grad": {"accum_grad": "accumulated_grad", "accumulated_grad": "accumulated_grad"},
    "accumulated_delta_var": {
        "accum_var": "accumulated_delta_var",
        "accumulated_delta_var": "accumulated_delta_var",
    },
    "linear": {"linear": "linear"},
}


def trained_variables(model: Layer, writer: Writer) -> list[Tensor]:
    """The tensors of the variables that are trained, in the order in which the optimizer was given them."""
    found = _trained(model, writer, False)
    if writer.version < SORTED_BEFORE:
        found.sort(key=lambda tensor: tensor.name)
    return found


def _trained(model: Layer, writer: Writer, frozen: bool) -> list[Tensor]:
    frozen = frozen or not model.trainable
    own = layer_slots(model.class_name, model.config, writer.major) or ()
    fixed = {slot.name for slot in own if not slot.trained}
    found = [] if frozen else [tensor for name, tensor in model.weights.items() if name not in fixed]
    for _, part in model.parts():
        found += _trained(part, writer, frozen)
    return found


def state(
    optimizer: Optimizer, tensors: Sequence[Tensor], model: Layer, writer: Writer
) -> tuple[OptimizerState, list[Finding]]:
    """What `tensors`, the variables of the optimizer in the file's order, are.

    `model` is the model as read. Names decide where the file has telling ones, else the order of the trained
    variables; every shape is checked. What does not fit is dropped as a whole, with a finding.
    """
    if not tensors:
        return OptimizerState(), []
    variables = trained_variables(model, writer)
    iterations = _iterations(tensors)
    findings = []
    if iterations is None:
        if optimizer.class_name not in ("SGD", "RMSprop", "Adagrad", "Adadelta"):
            return OptimizerState(), [dropped("the file does not say how many steps were done")]
        if isinstance(optimizer.config.get("learning_rate"), Mapping):
            # Keras before 2.3 kept no counter for these three, and began at 0 after loading, too.
            message = "the file does not say how many steps were done: the decay of the learning rate begins anew"
            findings.append(Finding("optimizer_steps_unknown", "info", "optimizer", message))
    if optimizer.class_name not in _KINDS:
        return OptimizerState(), [dropped(f"no way to move that of {optimizer.class_name} is known")]
    kinds = _kinds(optimizer)
    arrays = [t for t in tensors if t.shape != ()]
    if not kinds or not arrays:  # no momentum, or compiled and never trained
        return OptimizerState(iterations), findings
    slots = _by_name(arrays, kinds, variables) or _by_order(arrays, kinds, optimizer, variables)
    if slots is None:
        reason = f"{len(arrays)} arrays for {len(variables)} trained variables do not fit {optimizer.class_name}"
        return OptimizerState(), [dropped(reason)]
    return OptimizerState(iterations, tuple(slots)), findings


def dropped(reason: str) -> Finding:
    """The finding that the state of the optimizer is not moved."""
    return Finding(
        "optimizer_state_dropped",
        "warning",
        "optimizer",
        f"the state of the optimizer is dropped: {reason}",
        "training starts with a fresh state; outputs of the model are not concerned",
    )


def _iterations(tensors: Sequence[Tensor]) -> Tensor | None:
    """The counter of steps: always the first variable where there is one; Keras 1 and 2.0 gave it no telling name."""
    first = tensors[0]
    if first.shape != () or first.name.split("/")[-1].startswith(("learning_rate", "momentum_cache", "m_schedule")):
        return None
    return first


def _kinds(optimizer: Optimizer) -> tuple[tuple[str, ...], ...]:
    """The kinds of slots that the optimizer has in Keras 3 with its config (`build` of each class)."""
    config = optimizer.config
    absent = {
        "SGD": () if config.get("momentum") else ("momentum",),
        "RMSprop": (
            *(() if config.get("momentum") else ("momentum",)),
            *(() if config.get("centered") else ("average_gradient",)),
        ),
        "Adam": () if config.get("amsgrad") else ("velocity_hat",),
        "AdamW": () if config.get("amsgrad") else ("velocity_hat",),
    }.get(optimizer.class_name, ())
    average = (("average",),) if config.get("use_ema") else ()
    groups = (*average, *(tuple(k for k in group if k not in absent) for group in _KINDS[optimizer.class_name]))
    return tuple(group for group in groups if group)


def _plain(name: str) -> str:
    return re.sub(r":\d+$", "", name).replace("/", "_")


def _by_name(
    arrays: Sequence[Tensor], kinds: Sequence[tuple[str, ...]], variables: Sequence[Tensor]
) -> list[OptimizerSlot] | None:
    """Slots by names such as `Adam/dense/kernel/m:0` (tf.keras), `Adam/m/dense/kernel:0` (tf.keras 2.11) and
    `adam/dense_kernel_momentum` (Keras 3); None unless they name every slot of every trained variable once."""
    wanted = [kind for group in kinds for kind in group]
    positions = {_plain(t.name): i for i, t in enumerate(variables)}
    if len(positions) < len(variables):
        return None
    named = {_plain(t.name): t for t in arrays}
    slots = []
    for kind in wanted:
        aliases = sorted(_ALIASES.get(kind, {kind: kind}), key=len, reverse=True)
        for key, position in positions.items():
            ends = [end for a in aliases for end in (f"_{key}_{a}", f"_{a}_{key}")]
            found = [t for name, t in named.items() if any(_is_end(name, end) for end in ends)]
            if len(found) != 1 or found[0].shape != variables[position].shape:
                return None
            slots.append(OptimizerSlot(kind, variables[position], position, found[0]))
    return slots


def _is_end(name: str, end: str) -> bool:
    """Whether only the name of the optimizer stands before `end`: `Adam`, `training_1_Adam`, or nothing."""
    if not name.endswith(end):
        return f"_{name}" == end
    return re.fullmatch(r"(training(_\d+)?_)?[A-Za-z]+(_\d+)?", name[: -len(end)]) is not None


def _by_order(
    arrays: Sequence[Tensor], kinds: Sequence[tuple[str, ...]], optimizer: Optimizer, variables: Sequence[Tensor]
) -> list[OptimizerSlot] | None:
    if optimizer.generation != CURRENT:
        kinds = [(kind,) for group in kinds for kind in group]
    order = [(kind, position) for group in kinds for position in range(len(variables)) for kind in group]
    # Keras 2.1.3 to 2.3 end Adam's variables with a (1,) placeholder per velocity_hat that is not used.
    if len(arrays) < len(order) or any(a.shape != (1,) for a in arrays[len(order) :]):
        return None
    slots = [
        OptimizerSlot(kind, variables[position], position, value)
        for (kind, position), value in zip(order, arrays, strict=False)
    ]
    return slots if all(s.variable.shape == s.value.shape for s in slots) else None
