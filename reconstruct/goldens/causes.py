"""Why a model computes something else than was recorded: the likeliest reason, in words."""

from __future__ import annotations

from collections.abc import Mapping

from reconstruct.differences.compare import Difference, Entry
from reconstruct.goldens.golden import Golden

_LIBRARIES = ("keras", "tensorflow", "tf_keras", "numpy", "python", "platform")
_OF_TENSORS = ("tensor_values", "tensor_moved", "tensor_shape", "tensor_dtype", "tensor_added", "tensor_removed")


def likely(
    recorded: Golden, difference: Difference, layer: str | None, same_file: bool, environment: Mapping[str, str]
) -> str | None:
    """The reason, from what is not as recorded at the first layer that differs, and then anywhere before it.

    A setting or a tensor that changed at a layer which a rule must rewrite (`hard_sigmoid` before Keras 3, say) means
    that somebody loaded the old file without the rule. None where nothing tells.
    """
    entries = [e for e in difference.entries if e.kind != "training"]
    policy = next((e for e in entries if e.what == "dtype" and _half(e)), None)
    if policy is not None:
        return f"mixed precision: the dtype of {policy.path} is {policy.after}, recorded {policy.before}"
    here = [e for e in entries if layer is not None and layer in e.path.split("/")]
    rule = _rule(recorded, layer)
    if rule is not None and (here or not entries) and not same_file:
        return f"{rule} The model was made from the old file without that"
    for found in (here, entries):
        settings = [e for e in found if e.kind not in _OF_TENSORS]
        if found:
            return _described((settings or found)[0])
    other = [k for k in _LIBRARIES if recorded.environment.get(k) != environment.get(k) and k in recorded.environment]
    if other:
        versions = ", ".join(f"{k} {recorded.environment[k]} -> {environment.get(k)}" for k in other)
        return f"the model is as recorded, and its environment is not: {versions}"
    return None


def _half(entry: Entry) -> bool:
    return any("float16" in str(value) for value in (entry.before, entry.after))


def _rule(recorded: Golden, layer: str | None) -> str | None:
    """What a rule says that keeps the outputs of a layer."""
    for change in recorded.view.changes:
        if layer is not None and layer in change.path.split("/") and change.effect != "neutral":
            return f"{change.message.rstrip('.')} ({change.rule})."
    return None


def _described(entry: Entry) -> str:
    what = f" {entry.what}" if entry.what else ""
    kind = {"rewired": "the connections changed", "field": "a setting changed"}.get(entry.kind, "")
    return f"{kind or entry.kind.replace('_', ' ')}: {entry.path or 'model'}{what} {entry.message}"
