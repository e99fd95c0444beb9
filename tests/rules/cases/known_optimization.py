"""tensorflow-model-optimization and TensorFlow Hub (`reconstruct/objects/known`)."""

from __future__ import annotations

from typing import Any

from reconstruct.artifact import Layer
from tests.rules.cases import TF_KERAS, Case, Refusal, layer


def wrapping(inner: Layer, class_name: str, weights: dict[str, Any] | None = None, **config: Any) -> Layer:
    return layer(class_name, weights=weights, **config).replace(children={"layer": inner})


DENSE = layer("Dense", "dense", {"kernel": [[1.0, 2.0]], "bias": [3.0, 4.0]}, units=2)
RANGE = {"min": -1.0, "max": 1.0}
EIGHT_BITS = {"class_name": "Default8BitQuantizeConfig", "config": {}}

CASES = [
    Case(
        "prune_low_magnitude",
        wrapping(
            DENSE,
            "PruneLowMagnitude",
            {"mask": [[0.0, 1.0]], "threshold": 0.5, "pruning_step": 7},
            pruning_schedule={"class_name": "ConstantSparsity"},
        ),
        layer("Dense", weights={"kernel": [[0.0, 2.0]], "bias": [3.0, 4.0]}, units=2),
        TF_KERAS,
    ),
    Case(
        "prune_low_magnitude",
        wrapping(
            DENSE,
            "PruneLowMagnitude",
            {"vars/0": [[1.0, 2.0]], "vars/1": [[1.0, 0.0]], "vars/2": 0.5, "vars/3": 7},
            pruning_schedule={"class_name": "ConstantSparsity"},
        ),
        layer("Dense", weights={"kernel": [[1.0, 0.0]], "bias": [3.0, 4.0]}, units=2),
        TF_KERAS,
    ),
    Case(
        "quantize_layer",
        layer("QuantizeLayer", weights=RANGE, quantizer={"config": {"num_bits": 2, "narrow_range": True}}),
        """
input = InputLayer
clip_0 = clip(input, -1.0, 1.0)
subtract_1 = subtract(clip_0, -1.0)
divide_2 = divide(subtract_1, 1.0)
add_3 = add(divide_2, 0.5)
floor_4 = floor(add_3)
multiply_5 = multiply(floor_4, 1.0)
add_6 = add(multiply_5, -1.0)
subtract_7 = subtract(add_6, clip_0)
stop_gradient_8 = stop_gradient(subtract_7)
add_9 = add(clip_0, stop_gradient_8)
-> add_9
""",
        TF_KERAS,
    ),
    Case("quantize_layer", layer("QuantizeLayer", quantizer=None), layer("Identity"), TF_KERAS),
    Case(
        "quantize_wrapper",
        wrapping(DENSE, "QuantizeWrapperV2", {"kernel_min": -1.27, "kernel_max": 1.27}, quantize_config=EIGHT_BITS),
        layer("Dense", weights={"kernel": [[1.0, 1.27]], "bias": [3.0, 4.0]}, units=2),
        TF_KERAS,
    ),
    Case("cluster_weights", layer("ClusterWeights"), layer("ClusterWeights"), TF_KERAS),
    Case("hub_layer", layer("KerasLayer"), layer("KerasLayer"), TF_KERAS),
]
REFUSALS = [
    Refusal(
        "prune_low_magnitude",
        wrapping(DENSE, "PruneLowMagnitude", {"mask": [1.0, 1.0, 1.0]}, pruning_schedule={}),
        "no weight of dense",
    ),
    Refusal("quantize_layer", layer("QuantizeLayer", quantizer={"config": {}}), "no range"),
    Refusal("quantize_layer", layer("QuantizeLayer", weights=RANGE, quantizer={}), "a quantizer {} is not known"),
    Refusal(
        "quantize_layer",
        layer("QuantizeLayer", weights={"min": [-1.0, 0.0], "max": [1.0, 1.0]}, quantizer={"config": {}}),
        "for each channel",
    ),
    Refusal("quantize_wrapper", wrapping(DENSE, "QuantizeWrapper", quantize_config={"class_name": "Mine"}), "Mine"),
    Refusal(
        "quantize_wrapper",
        wrapping(DENSE, "QuantizeWrapper", {"other": 1.0}, quantize_config=EIGHT_BITS),
        "of unknown use: other",
    ),
    Refusal(
        "quantize_wrapper",
        wrapping(DENSE, "QuantizeWrapper", {"vars/0": 1.0}, quantize_config=EIGHT_BITS),
        "have no names",
    ),
    Refusal("cluster_weights", wrapping(DENSE, "ClusterWeights", number_of_clusters=4), "centroids in every call"),
    Refusal("hub_layer", layer("KerasLayer", handle="https://tfhub.dev/a/1"), "https://tfhub.dev/a/1"),
]
