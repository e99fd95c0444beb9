"""GarNet, and layers that only add a loss (`reconstruct/objects/known`)."""

from __future__ import annotations

from typing import Any

from tests.rules.cases import TF_KERAS, Case, Refusal, called, layer

FORM: dict[str, Any] = {"simplified": True, "collapse": None, "input_format": "xn", "n_propagate": 1}

CASES = [
    Case("garnet", layer("GarNet", **FORM), layer("GarNet", **FORM), TF_KERAS),
    Case(
        "loss_layer",
        called(layer("CTCLayer"), "labels", y_pred="entry"),
        called(layer("Identity"), "entry"),
        TF_KERAS,
        finding="known_layer_assumed",
    ),
    Case(
        "loss_layer",
        called(layer("FocalLossLayer", alpha=1.0, gamma=5.0), ["labels", "entry"]),
        called(layer("Identity"), "entry"),
        TF_KERAS,
        finding="known_layer_assumed",
    ),
    Case(
        "loss_layer",
        called(layer("CTCLayer"), ["entry", "labels", "lengths", "sizes"]),
        called(layer("CTCLayer"), ["entry", "labels", "lengths", "sizes"]),
        TF_KERAS,
    ),
]
REFUSALS = [
    Refusal("garnet", layer("GarNet", **FORM, quantize_transforms=True), "with quantized transforms"),
    Refusal("garnet", layer("GarNetStack", **FORM), "with several layers"),
    Refusal("garnet", layer("GarNet", **FORM, output_activation="tanh"), "an output activation"),
]
