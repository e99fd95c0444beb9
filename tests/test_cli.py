"""The command line: exit codes, what goes where, and that a stranger's names stay text."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from reconstruct import Limits, Recovery, cli, display, inspection
from reconstruct import report as reports
from reconstruct.artifact import Finding, Writer
from reconstruct.errors import BuildError, defect
from reconstruct.rules.engine import Change
from reconstruct.runtimes.recovering import Recoverer, write
from tests.conftest import FIXTURES

MODEL = FIXTURES / "files" / "keras-2.2.4" / "mlp.h5"
EVIL = "a\x1b[31m[bold]x[/bold]\r\n\u202eb\udc80"
SHOWN = r"a\x1b[31m[bold]x[/bold]\x0d\x0a\u202eb\udc80"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def result_with(status: str, **changes: Any) -> reports.Result:
    verification = reports.Verification(
        "keras 2.2.4", 3, 2e-7, 1e-7, 1e-4, ({"oracle": "keras 2.2.4", "outcome": "?"},)
    )
    fields: dict[str, Any] = {
        "rung": "config",
        "writer": Writer("2.2.4", "tensorflow"),
        "container": "h5-model",
        "verification": verification,
        "tensors": reports.Tensors(3, 2, ("/odd",)),
    }
    return reports.Result("old.h5", status, **{**fields, **changes})


class FakeRecovery(Recovery):
    """A recovery that needs no framework: saving writes a file with a word in it."""

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        Path(path).write_text("model", "utf-8")
        self.result.output = str(path)


@pytest.fixture
def recovers(monkeypatch: pytest.MonkeyPatch) -> Callable[[reports.Result], dict[str, Any]]:
    """Make `recover` give a result at once; the dict returned has what it was called with."""

    def prepare(result: reports.Result) -> dict[str, Any]:
        given: dict[str, Any] = {}

        def fake(self: Recoverer, source: str, output: str, hint: dict[str, Any], say: Any) -> dict[str, Any]:
            say("working")
            given.update(hint, path=Path(source), limits=self.limits)
            return write(FakeRecovery(result), output, hint["write_differing"])

        monkeypatch.setattr(Recoverer, "recover", fake)
        return given

    return prepare


@pytest.fixture
def migrates(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Make `migrate` give these results at once; the dict returned has what it was called with."""

    def prepare(*results: reports.Result) -> dict[str, Any]:
        given: dict[str, Any] = {}

        def fake(sources: Any, destination: Any, **options: Any) -> list[dict[str, Any]]:
            given.update(options, sources=sources, destination=destination)
            options["on_total"](len(results))
            for result in results:
                options["on_result"](result.to_json())
            return [result.to_json() for result in results]

        monkeypatch.setattr(sys.modules["reconstruct.migrate"], "migrate", fake)
        return given

    return prepare


def test_version() -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("reconstruct ")


USAGE = {
    "no_command": [],
    "no_such_command": ["mend"],
    "no_file": ["inspect"],
    "no_output": ["recover", MODEL],
    "unknown_option": ["inspect", "--all", MODEL],
    "output_not_keras": ["recover", MODEL, "-o", "{tmp}/out.h5"],
    "output_is_a_directory": ["recover", MODEL, "-o", "{tmp}/folder.keras"],
    "output_is_the_source": ["recover", "{tmp}/same.keras", "-o", "{tmp}/same.keras"],
    "output_below_a_file": ["recover", MODEL, "-o", "{tmp}/same.keras/out.keras"],
    "report_below_a_file": ["recover", MODEL, "-o", "{tmp}/out.keras", "--report", "{tmp}/same.keras/r.json"],
    "shape": ["recover", MODEL, "-o", "{tmp}/out.keras", "--input-shape", "28x28"],
    "migrate_to_nowhere": ["migrate", MODEL],
    "migrate_to_a_file": ["migrate", MODEL, "{tmp}/same.keras"],
    "jobs": ["migrate", MODEL, "{tmp}/new", "--jobs", "0"],
    "hints_absent": ["migrate", MODEL, "{tmp}/new", "--hints", "{tmp}/absent.json"],
    "hints_not_json": ["migrate", MODEL, "{tmp}/new", "--hints", "{tmp}/same.keras"],
    "hints_a_list": ["migrate", MODEL, "{tmp}/new", "--hints", "{tmp}/list.json"],
    "hints_unknown_field": ["migrate", MODEL, "{tmp}/new", "--hints", "{tmp}/field.json"],
}


@pytest.mark.parametrize("name", USAGE)
def test_mistakes_in_usage_exit_with_2(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "same.keras").write_text("x", "utf-8")
    (tmp_path / "list.json").write_text("[]", "utf-8")
    (tmp_path / "field.json").write_text('{"a.h5": {"shape": [1]}}', "utf-8")
    before = sorted(tmp_path.rglob("*"))
    result = run(*(str(a).replace("{tmp}", str(tmp_path)) for a in USAGE[name]))
    assert result.exit_code == 2
    assert "Usage: " in result.output
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "same.keras").read_text("utf-8") == "x"


@pytest.mark.parametrize(("status", "code"), [("verified", 0), ("unverified", 3), ("partial", 4), ("differs", 1)])
def test_recover_exits_by_status(tmp_path: Path, recovers: Any, status: str, code: int) -> None:
    recovers(result_with(status))
    result = run("recover", MODEL, "-o", tmp_path / "out.keras", "--report", tmp_path / "r" / "r.json")
    assert result.exit_code == code
    assert result.stderr == ""
    assert result.stdout.startswith(f"{status}  old.h5 ")
    assert (tmp_path / "out.keras").exists() == (status != "differs")
    document = json.loads((tmp_path / "r" / "r.json").read_text("utf-8"))
    assert document["version"] == 1
    assert document["results"][0]["status"] == status
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["r.json"]


def test_a_differing_model_is_written_if_asked(tmp_path: Path, recovers: Any) -> None:
    recovers(result_with("differs"))
    assert run("recover", MODEL, "-o", tmp_path / "out.keras", "--write-differing").exit_code == 1
    assert (tmp_path / "out.keras").exists()


def test_a_failure_leaves_an_older_output_alone(tmp_path: Path) -> None:
    (tmp_path / "out.keras").write_text("older", "utf-8")
    (tmp_path / "bad.h5").write_text("no model", "utf-8")
    assert run("recover", tmp_path / "bad.h5", "-o", tmp_path / "out.keras").exit_code == 1
    assert (tmp_path / "out.keras").read_text("utf-8") == "older"


def test_recover_passes_its_options_on(tmp_path: Path, recovers: Any) -> None:
    given = recovers(result_with("verified"))
    shapes = ["--input-shape", "28,28,1", "--input-shape", "?,3"]
    own = tmp_path / "a.py"
    own.touch()
    code = ["--custom", own, "--custom", "b", "--trust-code", "--examples", "e.npz"]
    choices = ["--set", "dense_2.activation=tanh", "--set", "conv.strides=[2, 2]"]
    choices += ["--task", "classification", "--budget", "5"]
    run("recover", MODEL, "-o", tmp_path / "out.keras", *shapes, *code, *choices)
    assert given == {
        "path": MODEL,
        "custom": [str(own), "b"],
        "input_shape": [[28, 28, 1], [None, 3]],
        "examples": "e.npz",
        "backend": None,
        "trust_code": True,
        "source": None,
        "set": {"dense_2.activation": "tanh", "conv.strides": [2, 2]},
        "task": "classification",
        "budget": 5.0,
        "code": None,
        "write_differing": False,
        "fresh_weights": False,
        "target": None,
        "limits": Limits(),
    }


def test_the_summary_says_what_the_report_says(tmp_path: Path, recovers: Any) -> None:
    changes = (
        Change("scaled", "model/a", "preserving", "because"),
        Change("scaled", "model/b", "preserving", "because"),
    )
    findings = (Finding("odd", "warning", "model/a", "something is odd", "look at it"),)
    recovers(result_with("verified", changes=changes, findings=findings, portable=False))
    text = run("recover", MODEL, "-o", tmp_path / "out.keras").stdout
    for part in (
        "compared with keras 2.2.4: 3 probes, largest error 2e-07 (relative 1e-07, tolerance 0.0001)",
        "Keras 2.2.4 on tensorflow (h5-model)",
        "3 in the file, 2 used, 1 unused: /odd",
        "scaled, preserving (x2): because",
        "warning: something is odd",
        "hint: look at it",
        "not portable",
    ):
        assert part in text


def test_an_unverified_result_says_why(tmp_path: Path, recovers: Any) -> None:
    tried = ({"oracle": "any", "outcome": "it holds code"},)
    recovers(result_with("unverified", verification=reports.Verification(tried=tried)))
    assert "not compared: it holds code" in run("recover", MODEL, "-o", tmp_path / "out.keras").stdout


def test_what_nobody_foresaw_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(inspection, "inspect", broken)
    result = run("inspect", MODEL)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ZeroDivisionError: division by zero\n")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["inspect", "recover", "migrate"])
def test_an_interrupt_exits_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def interrupted(*args: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inspection, "inspect", interrupted)
    monkeypatch.setattr(sys.modules["reconstruct.migrate"], "migrate", interrupted)
    monkeypatch.setattr(Recoverer, "recover", interrupted)
    target = {"inspect": [], "recover": ["-o", tmp_path / "out.keras"], "migrate": [tmp_path / "new"]}[command]
    result = run(command, MODEL, *target)
    assert result.exit_code == 130
    assert "Traceback" not in result.output


def test_migrate_shows_counts_and_reasons(tmp_path: Path, migrates: Any) -> None:
    failed = result_with("failed", error={"type": "ReadError", "message": "is empty", "path": "", "hint": ""})
    given = migrates(result_with("verified"), result_with("unverified"), failed)
    hints = tmp_path / "hints.json"
    hints.write_text(json.dumps({"mlp.h5": {"input_shape": [[3]]}, "gone.h5": {}}), "utf-8")
    folder = tmp_path / "new"
    result = run("migrate", MODEL, MODEL.parent, folder, "--hints", hints, "--jobs", 2, "--report", tmp_path / "r.json")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split() for line in lines if not line.startswith(" ")] == [
        ["verified", "1"],
        ["unverified", "1"],
        ["failed", "1"],
        ["in", "all", "3"],
    ]
    assert "    old.h5: is empty" in lines
    assert "[3/3] failed     old.h5" in result.stderr
    assert "'gone.h5'" in result.stderr
    assert "'mlp.h5'" not in result.stderr
    assert (given["sources"], given["destination"], given["jobs"]) == ([MODEL, MODEL.parent], folder, 2)
    assert len(json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]) == 3


@pytest.mark.parametrize(
    ("statuses", "code"),
    [([], 0), (["verified"], 0), (["verified", "unverified"], 3), (["partial", "unverified"], 4), (["failed"], 1)],
)
def test_migrate_exits_with_the_worst(tmp_path: Path, migrates: Any, statuses: list[str], code: int) -> None:
    error = {"type": "ReadError", "message": "m", "path": "", "hint": ""}
    migrates(*(result_with(s, error=error if s == "failed" else None) for s in statuses))
    assert run("migrate", MODEL, tmp_path / "new").exit_code == code


def test_migrate_of_a_source_that_is_not_there(tmp_path: Path) -> None:
    result = run("migrate", tmp_path / "gone", tmp_path / "new")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no ")
    assert not (tmp_path / "new").exists()


def test_names_from_a_file_cannot_control_the_terminal(tmp_path: Path, recovers: Any) -> None:
    finding = Finding("odd", "warning", EVIL, EVIL, EVIL)
    change = Change("rule", EVIL, "neutral", EVIL)
    tried = ({"oracle": EVIL, "outcome": EVIL},)
    evil = result_with("unverified", findings=(finding,), changes=(change,), writer=Writer(EVIL, EVIL))
    evil.verification = reports.Verification(tried=tried)
    evil.tensors = reports.Tensors(1, 0, (EVIL,))
    recovers(evil)
    text = run("recover", MODEL, "-o", tmp_path / "out.keras").output
    assert text.count(SHOWN) == 9
    assert not any(c in text for c in "\x1b\r\u202e")


def test_inspect_escapes_names_too() -> None:
    facts = json.loads(run("inspect", MODEL, "--json").stdout)
    model = facts["model"]
    model["layers"][0].update({"name": EVIL, "class": EVIL, "from": [EVIL], "settings": {EVIL: EVIL}})
    model["name"] = facts["source"] = facts["writer"]["text"] = EVIL
    text = display.inspection_text(facts)
    assert text.count(SHOWN) == 8
    assert not any(c in text for c in "\x1b\r\u202e")


def test_clean_keeps_ordinary_text() -> None:
    assert display.clean("größe 模型 [bold]") == "größe 模型 [bold]"


def test_text_that_the_terminal_cannot_show_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        display.say("größe")
    assert (tmp_path / "out").read_bytes() == b"gr\\xf6\\xdfe\n"


def test_an_error_says_what_where_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    display.show_error(BuildError("it broke", path="model/a", hint="mend it"))
    assert capsys.readouterr().err == "error: it broke\n  where: model/a\n  hint:  mend it\n"


def test_error_fields_are_those_of_the_report() -> None:
    fields = display.error_fields(FileNotFoundError(2, "not there", "a.h5"))
    assert fields == {"type": "FileNotFoundError", "message": "[Errno 2] not there: 'a.h5'", "path": "a.h5", "hint": ""}


@pytest.mark.parametrize(("no_color", "coloured"), [(None, True), ("1", False)])
def test_colours_only_where_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], no_color: str | None, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    display.show_result({**result_with("verified").to_json(), "output": "new.keras"})
    assert ("\x1b[1;32m" in capsys.readouterr().out) == coloured


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = [sys.executable, "-m", "reconstruct.cli", "inspect", str(MODEL), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_findings_of_one_kind_are_shown_once_with_the_places_of_the_others() -> None:
    findings = [
        {
            "severity": "error",
            "code": "missing_layer",
            "path": f"model/{i}",
            "message": f"no code {i}",
            "hint": "bring it",
        }
        for i in range(9)
    ]
    shown = list(display._finding_lines(findings))
    assert shown == [
        "error: no code 0 [missing_layer at model/0]",
        "  likewise at model/1, model/2, model/3, model/4, model/5, and 3 more",
        "  hint: bring it",
    ]
    assert len(list(display._finding_lines(findings[:3]))) == 4


@pytest.mark.parametrize("name", ["nowhere.py", "nowhere.ipynb", "."])
def test_code_that_is_no_module_is_a_mistake_in_usage(tmp_path: Path, name: str) -> None:
    done = run("recover", MODEL, "-o", tmp_path / "out.keras", "--custom", name)
    assert (done.exit_code, "--custom" in done.output) == (2, True)


def test_a_missing_framework_is_said_as_such() -> None:
    shown = defect(ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow"))
    assert "tensorflow is not installed" in shown.message
    assert "pip install tensorflow" in shown.hint
