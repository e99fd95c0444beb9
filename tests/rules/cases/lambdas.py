"""Lambda layers, whose code is followed and not run; what each function becomes is in tests/objects/test_lambdas.py."""

import json
from pathlib import Path
from typing import Any

from reconstruct.artifact import Layer, Writer
from tests.rules.cases import KERAS_2, TF_KERAS, Case, Refusal, layer

KERAS_3 = Writer("3.0.5", "tensorflow")
CODE = json.loads((Path(__file__).parents[2] / "objects" / "bytecode.json").read_text())
RESCALING = layer("Rescaling", scale=1 / 127.5, offset=-1.0)


def _lambda(name: str, version: str, **config: Any) -> Layer:
    return layer("Lambda", function=[CODE[version][name]["code"], None, None], function_type="lambda", **config)


def _keras_3(name: str) -> Layer:
    code = {"code": CODE["3.12"][name]["code"], "defaults": None, "closure": None}
    return layer("Lambda", function={"class_name": "__lambda__", "config": code})


CASES = [
    Case("lambda_of_keras_3_to_operations", _keras_3("affine"), RESCALING, KERAS_3),
    Case("lambda_to_operations", _lambda("affine", "3.8"), RESCALING, TF_KERAS),
    Case("lambda_of_tensorflow_1_to_operations", _lambda("affine", "2.7"), RESCALING, KERAS_2),
]
REFUSALS = [
    Refusal("lambda_of_keras_3_to_operations", _keras_3("closure"), "variables of a closure", KERAS_3),
    Refusal("lambda_to_operations", _lambda("closure", "3.8"), "variables of a closure", TF_KERAS),
    Refusal("lambda_of_tensorflow_1_to_operations", _lambda("closure", "2.7"), "variables of a closure", KERAS_2),
]
