"""Which oracles are asked about a file, which never, and what their answers become."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Layer, Training, Writer
from reconstruct.errors import OracleUnavailable
from reconstruct.readers import read
from reconstruct.report import Verification
from reconstruct.rules.tf_functions import FUNCTIONS
from reconstruct.rules.tf_graph_ops import OPERATIONS
from reconstruct.runtimes import oracles
from reconstruct.runtimes.worker import WorkerTimeout
from reconstruct.scanning.config import reaching
from reconstruct.verification import oracle as oracle_runs
from reconstruct.verification.oracle import Answer, Oracle, OracleFailed, why_not_asked
from reconstruct.verification.verdict import against_oracles, unverified
from tests.conftest import SavedModel
from tests.rules.cases import layer, sequential

WRITER = Writer("2.2.4", "tensorflow")


def artifact(*layers: Layer, training: Mapping[str, Any] | None = None) -> Artifact:
    model = sequential(*layers)
    return Artifact("a.h5", "h5-model", WRITER, model, WRITER, training=Training(training) if training else None)


def test_a_harmless_file_is_shown(saved_model: SavedModel) -> None:
    assert why_not_asked(read(saved_model.path)) is None


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (layer("Lambda", function=["4wEAAAA=", None, None], function_type="lambda"), "holds Python code"),
        (layer("Dense", activation={"class_name": "__lambda__", "config": {"value": "4w=="}}), "holds Python code"),
        (layer("TimeDistributed").replace(children={"layer": layer("Lambda")}), "holds Python code"),
        (sequential(layer("Lambda"), name="inner"), "holds Python code"),
        (layer("StringLookup", vocabulary="/etc/passwd"), "outside the file: vocabulary = '/etc/passwd'"),
        (layer("TFSMLayer", filepath="../other"), "outside the file"),
        (layer("KerasLayer", handle="https://example.org/m"), "outside the file"),
        (layer("TFOpLambda", function="keras.utils.get_file"), "calls 'keras.utils.get_file'"),
        (layer("TFOpLambda", function="compat.v1.io.write_file"), "calls 'compat.v1.io.write_file'"),
        (layer("TensorFlowOpLayer", node_def={"op": "LoadAndRemapMatrix"}), "may reach outside"),
        (layer("ClassMethod", class_symbol="io.gfile.GFile", method_name="write"), "may reach outside"),
    ],
)
def test_a_file_with_code_or_paths_is_shown_to_nobody(held: Layer, says: str) -> None:
    assert says in (why_not_asked(artifact(layer("Dense", "d"), held)) or "")


def test_functions_that_rules_know_reach_nothing() -> None:
    assert [name for name in FUNCTIONS if reaching("TFOpLambda", {"function": name}) is not None] == []
    assert [name for name in OPERATIONS if reaching("TensorFlowOpLayer", {"node_def": {"op": name}}) is not None] == []


def test_code_in_the_training_config_counts() -> None:
    code = {"loss": {"class_name": "__lambda__", "config": {}}}
    assert "training config" in (why_not_asked(artifact(layer("Dense"), training=code)) or "")
    assert why_not_asked(artifact(layer("Dense"), training={"loss": "mse"})) is None


class FakeWorker:
    """A child that answers every request with y = 2·x."""

    def __init__(self, answer: Mapping[str, Any] | Exception | None = None) -> None:
        self.answer, self.requests = answer, list[Mapping[str, Any]]()

    def worker(self, runtime: oracles.Runtime) -> FakeWorker:
        return self

    def ask(self, request: Mapping[str, Any], timeout: float) -> Mapping[str, Any]:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        with np.load(request["probes"]) as stored:
            results = {key.replace("_x", "_y"): 2 * stored[key] for key in stored.files}
        if request["layers"]:
            results["layer/a/b/1/0"] = np.zeros(1)
        np.savez(request["outputs"], **results)
        return {"ok": True, "probes": 2, "outputs": 1}


PROBES = [[np.ones((3, 2))], [np.zeros((3, 2))]]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oracles, "why_unavailable", lambda runtime: None)


def asked(child: FakeWorker, **options: Any) -> list[Oracle]:
    source = artifact(layer("Dense"))
    return list(oracle_runs.for_artifact(source, child, **{"trust_code": False, "custom": (), **options}))  # type: ignore[arg-type]


def test_an_oracle_gets_the_original_file_and_gives_its_outputs() -> None:
    child = FakeWorker()
    first, *others = asked(child, custom=["layers.py"])
    assert first.name == "keras 2.2.4"
    assert [o.name.split()[0] for o in others] == ["keras", "tf_keras"]
    answer = first.run(PROBES, True)
    assert [[y.tolist() for y in ys] for ys in answer.outputs] == [[(2 * x).tolist() for x in xs] for xs in PROBES]
    assert list(answer.layers) == [("a/b", 1, 0)]
    request = child.requests[0]
    assert (request["path"], request["custom"], request["trust_code"]) == (
        str(Path("a.h5").absolute()),
        ["layers.py"],
        False,
    )
    assert not Path(request["probes"]).exists()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"ok": False, "kind": "load", "error": "ValueError: no"}, "ValueError: no"),
        (WorkerTimeout("keras 2.2.4 did not answer within 120 s"), "did not answer"),
    ],
)
def test_an_oracle_that_cannot_run_the_file_says_why(answer: Any, says: str) -> None:
    with pytest.raises(OracleFailed, match=says):
        asked(FakeWorker(answer))[0].run(PROBES, False)


def test_an_oracle_that_cannot_be_installed_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(runtime: oracles.Runtime) -> None:
        raise OracleUnavailable("there is no network")

    monkeypatch.setattr(oracles, "why_unavailable", lambda runtime: "not installed")
    monkeypatch.setattr(oracles, "install", offline)
    with pytest.raises(OracleFailed, match="no network"):
        asked(FakeWorker())[0].run(PROBES, False)


def answering(name: str, *outputs: Any) -> Oracle:
    def run(probes: Any, layers: bool) -> Answer:
        if outputs and isinstance(outputs[0], Exception):
            raise outputs[0]
        first = {("a", 0, 0): np.zeros(1), ("b", 0, 0): np.zeros(1), ("c", 0, 0): np.zeros(1)}
        return Answer([[np.asarray(y, float)] for y in outputs], first if layers else {})

    return Oracle(name, run)


def verdict(*asked: Oracle, outputs: list[Any] | None = None) -> Any:
    ours = [[np.asarray(y, float)] for y in outputs or ([1.0], [2.0])]
    layers = {"a": [np.zeros(1)], "b": [np.ones(1)], "c": [np.ones(1)]}
    return against_oracles(asked, [[np.ones(1)]] * len(ours), ours, lambda xs: layers, 1e-4)


def test_the_first_oracle_that_runs_decides() -> None:
    found = verdict(
        answering("one", OracleFailed("broken")), answering("two", [1.0], [2.0]), answering("three", [9.0], [9.0])
    )
    assert found.agrees is True
    assert found.verification.oracle == "two"
    assert found.verification.probes == 2
    assert found.verification.tried == (
        {"oracle": "one", "outcome": "broken"},
        {"oracle": "two", "outcome": "agrees"},
    )


def test_a_difference_names_the_first_layer() -> None:
    found = verdict(answering("one", [1.0], [3.0]))
    assert found.agrees is False
    assert found.verification.max_abs_error == 1.0
    assert [(f.code, f.path) for f in found.findings] == [("outputs_differ", "model"), ("first_difference", "b")]


def test_another_shape_is_a_difference_without_numbers() -> None:
    found = verdict(answering("one", [[1.0]], [2.0]))
    assert found.agrees is False
    assert found.verification.max_abs_error is None
    assert "shape" in found.findings[0].message


def test_an_oracle_that_gives_nothing_finite_does_not_count() -> None:
    found = verdict(answering("one", [np.nan], [np.inf]), answering("two", [1.0], [np.nan]))
    assert (found.agrees, found.verification.oracle, found.verification.probes) == (True, "two", 1)
    assert [f.code for f in found.findings] == ["outputs_not_finite"]


def test_outputs_that_do_not_vary_prove_less() -> None:
    found = verdict(answering("one", [1.0, 1.0], [1.0, 1.0]), outputs=[[1.0, 1.0], [1.0, 1.0]])
    assert found.agrees is True
    assert [f.code for f in found.findings] == ["outputs_constant"]


def test_without_an_oracle_nothing_is_said() -> None:
    found = verdict(answering("one", OracleFailed("broken")))
    assert (found.agrees, found.verification.oracle) == (None, None)
    assert unverified("why").verification == Verification(tried=({"oracle": "any", "outcome": "why"},))
