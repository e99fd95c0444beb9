"""megnet (`reconstruct/objects/known/megnet.py`): fixtures of the genuine library show what its layers compute."""

from __future__ import annotations

from tests.rules.cases import TF_KERAS, Case, Refusal, layer

UNITS = {"units_v": [1], "units_e": [1], "units_u": [1]}
WEIGHTS = {f"phi_{kind}/{part}_{kind}_0": (1, 1) for kind in "veu" for part in ("weight", "bias")}

CASES = [
    Case("megnet_layer", layer("MEGNetLayer", **UNITS), layer("MEGNetLayer", **UNITS), TF_KERAS),
    Case("set2set", layer("Set2Set", T=3), layer("Set2Set", T=3), TF_KERAS),
    Case(
        "gaussian_expansion",
        layer("GaussianExpansion", centers=[0.0, 1.0], width=0.5),
        """
input = InputLayer
expand_dims_0 = expand_dims(input, -1)
subtract_1 = subtract(expand_dims_0, array([[[0., 1.]]], dtype=float32))
square_2 = square(subtract_1)
divide_3 = divide(square_2, 0.25)
negative_4 = negative(divide_3)
exp_5 = exp(negative_4)
-> exp_5
""",
        TF_KERAS,
    ),
]
REFUSALS = [
    Refusal("megnet_layer", layer("MEGNetLayer", weights=WEIGHTS, **UNITS, pool_method="max"), "pools by 'max'"),
    Refusal("megnet_layer", layer("MEGNetLayer", weights=WEIGHTS, **UNITS, activation="mine"), "'mine'"),
]
