"""The report: its keys are a contract with other programs."""

import json

import pytest

from reconstruct import report
from reconstruct.artifact import Finding, Writer
from reconstruct.report import EXIT_CODES, Result, Tensors, Verification, document, worst_exit_code
from reconstruct.rules.engine import Change


def full() -> Result:
    return Result(
        "a/old.h5",
        "verified",
        "out/old.keras",
        "config",
        True,
        Writer("2.2.4", "tensorflow"),
        "h5-model",
        Verification("keras 2.2.4", 3, 2.4e-07, 1e-06, 1e-4, ({"oracle": "keras 2.2.4", "outcome": "agrees"},)),
        (Change("sequential_list_config", "model", "neutral", "because"),),
        (),
        (Finding("odd", "warning", "model/a", "it is odd", "look"),),
        Tensors(14, 13, ("/odd",)),
        None,
        1.9449,
    )


def test_a_result_has_the_keys_of_the_contract() -> None:
    found = json.loads(json.dumps(full().to_json(), allow_nan=False))
    assert found == {
        "source": "a/old.h5",
        "output": "out/old.keras",
        "status": "verified",
        "rung": "config",
        "portable": True,
        "writer": {"keras": "2.2.4", "backend": "tensorflow"},
        "container": "h5-model",
        "verification": {
            "oracle": "keras 2.2.4",
            "probes": 3,
            "max_abs_error": 2.4e-07,
            "max_rel_error": 1e-06,
            "tolerance": 1e-4,
            "tried": [{"oracle": "keras 2.2.4", "outcome": "agrees"}],
        },
        "changes": [{"rule": "sequential_list_config", "path": "model", "effect": "neutral", "message": "because"}],
        "assumptions": [],
        "findings": [{"code": "odd", "severity": "warning", "path": "model/a", "message": "it is odd", "hint": "look"}],
        "tensors": {"in_file": 14, "used": 13, "unused": ["/odd"]},
        "error": None,
        "seconds": 1.94,
    }


def test_a_result_that_never_began_has_the_same_keys() -> None:
    empty = Result("a.h5").to_json()
    assert list(empty) == list(full().to_json())
    assert (empty["status"], empty["writer"], empty["output"]) == ("failed", None, None)
    assert set(empty["verification"]) == set(full().to_json()["verification"])


def test_the_document_says_what_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = document([full().to_json()])
    assert list(found) == ["version", "reconstruct", "environment", "results"]
    assert found["version"] == 1
    assert {"python", "platform", "keras", "tensorflow", "tf_keras"} <= set(found["environment"])
    assert all(isinstance(v, str) for v in found["environment"].values())
    assert report.version_of("no-such-package-anywhere") == "not installed"


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 0),
        (["verified", "verified"], 0),
        (["verified", "unverified"], 3),
        (["unverified", "partial"], 4),
        (["partial", "differs", "verified"], 1),
        (["failed", "partial"], 1),
    ],
)
def test_many_results_exit_with_their_worst(statuses: list[str], code: int) -> None:
    assert worst_exit_code(statuses) == code


def test_every_status_has_an_exit_code() -> None:
    assert EXIT_CODES == {"verified": 0, "unverified": 3, "partial": 4, "differs": 1, "failed": 1}
    assert [Result("a", status).exit_code for status in EXIT_CODES] == list(EXIT_CODES.values())
