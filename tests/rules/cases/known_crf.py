"""Conditional random fields (`reconstruct/objects/known/crf.py`)."""

from __future__ import annotations

from tests.rules.cases import TF_KERAS, Case, Refusal, layer

_CONTRIB = {"kernel": (3, 2), "chain_kernel": (2, 2), "bias": (2,), "left_boundary": (2,), "right_boundary": (2,)}
_FIELDS = {"units": 2, "test_mode": "viterbi", "use_boundary": True, "use_bias": True, "activation": "linear"}
_ADDONS = {"chain_kernel": (2, 2), "left_boundary": (2,), "right_boundary": (2,)}
_OTHER = layer("CRF", weights={"trans": (2, 2)}, lr_multiplier=1)
_DENSE = {"dense/kernel": (3, 2), "dense/bias": (2,)}

CASES = [
    Case(
        "crf",
        layer("CRF", weights=_CONTRIB, learn_mode="join", sparse_target=False, **{**_FIELDS, "test_mode": None}),
        layer("CRF", weights=_CONTRIB, **_FIELDS).replace(package="reconstruct>CRF"),
    ),
    Case(
        "crf",
        layer("CRF", weights={**_ADDONS, **_DENSE}, units=2, use_boundary=True, use_kernel=True),
        (
            layer("Dense", "x_scores", {"kernel": (3, 2), "bias": (2,)}, units=2, use_bias=True),
            layer("ChainDecoder", "x", _ADDONS, units=2, use_boundary=True).replace(
                package="reconstruct>ChainDecoder", calls=()
            ),
        ),
        writer=TF_KERAS,
    ),
    Case(
        "crf",
        layer("CRF", weights={"transitions": (2, 2)}, chain_initializer="orthogonal"),
        layer("ChainDecoder", "x", {"chain_kernel": (2, 2)}, units=2, use_boundary=False).replace(
            package="reconstruct>ChainDecoder"
        ),
        writer=TF_KERAS,
    ),
    Case("crf", _OTHER, _OTHER),
]
REFUSALS: list[Refusal] = []
