"""What flat images tell of the last activation of a model that gives images back.

A filter, a denoiser or an upscaler that was trained gives an image of one grey in about that grey. So where the file
has weights alone, the last activation is the one with which it does: linear and sigmoid differ much in that.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reconstruct.inference.evaluator import Evaluator
from reconstruct.inference.forward import NotComputed
from reconstruct.inference.opened import Key, Open, Values

SIDE = 32
# The greys of images of 0…1, and of -1…1 for what ends in tanh
GREYS: Mapping[str, tuple[float, ...]] = {
    **dict.fromkeys(("linear", "sigmoid"), (0.2, 0.4, 0.6, 0.8)),
    "tanh": (-0.6, -0.2, 0.2, 0.6),
}
NEAR = 0.2  # of the greys, on average
NEARER = 2.0  # times nearer than with the likeliest activation


def by_flat_images(opened: Open, values: Values, evaluator: Evaluator) -> Values:
    """The values with the last activation that gives flat images back, where one does and the likeliest does not."""
    key = _last_activation(opened)
    if key is None or values[key] not in GREYS:
        return values
    apart = {name: _apart(opened, {**values, key: name}, evaluator) for name in GREYS if _open(opened, key, name)}
    best = min(apart, key=lambda name: apart[name])
    if apart[best] < NEAR and NEARER * apart[best] < apart[values[key]]:
        return {**values, key: best}
    return values


def _open(opened: Open, key: Key, name: str) -> bool:
    return any(value == name for value, _ in opened.fields[key])


def _last_activation(opened: Open) -> Key | None:
    """The activation of the output, where images of as many channels go in and come out."""
    form = opened.form
    if len(form.wiring.inputs) != 1 or len(form.wiring.outputs) != 1:
        return None
    start, end = form.shapes[form.wiring.inputs[0]], form.shapes[form.wiring.outputs[0]]
    key = form.wiring.outputs[0], "activation"
    images = len(start) == len(end) == 3 and start[-1] == end[-1] and start[-1] in (1, 3)
    return key if images and key in opened.fields else None


def _apart(opened: Open, values: Values, evaluator: Evaluator) -> float:
    """How far the middle of what comes out is from what goes in."""
    key = _last_activation(opened)
    assert key is not None
    greys = np.array(GREYS[values[key]], "float32")
    channels = opened.form.shapes[key[0]][-1]
    images = np.broadcast_to(greys[:, None, None, None], (len(greys), SIDE, SIDE, channels or 1))
    tag = f"flat {greys[0]}"
    try:
        (given,) = evaluator.outputs(opened.form, opened.layers(values), [np.ascontiguousarray(images)], tag)
    except (NotComputed, ValueError, IndexError, KeyError, TypeError):
        return float("inf")
    height, width = given.shape[1:3]
    middle = given[:, height // 2, width // 2].mean(-1)
    found = float(np.abs(middle - greys).mean())
    return found if np.isfinite(found) else float("inf")


__all__ = ["by_flat_images"]
