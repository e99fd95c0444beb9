"""Classes of other libraries: what stands for them in stock Keras 3 (`reconstruct/objects/known`)."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, layer

CASES = [
    Case(
        "fixed_dropout",
        layer("FixedDropout", rate=0.2, noise_shape=[None, 1, 1, None], seed=None),
        layer("Dropout", rate=0.2, noise_shape=[None, 1, 1, None], seed=None),
    ),
]
REFUSALS: list[Refusal] = []
