"""`reconstruct scan`: every hostile case gives its code, within limits and without a trace; clean files give none."""

import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import reconstruct
from reconstruct.cli import app
from reconstruct.limits import Limits, describe, parse
from reconstruct.runtimes.worker import environment
from reconstruct.scanning.child import Scanner, _writable
from reconstruct.scanning.codes import CODES
from reconstruct.scanning.names import TAG
from tests.hostile import cases

SECONDS = 5.0
BYTES = 512 << 20


@pytest.fixture(scope="module")
def scanner():
    with Scanner() as one:
        yield one


def tree(folder: Path) -> list[tuple[str, int, float]]:
    found = [(p, p.lstat()) for p in sorted(folder.rglob("*"))]
    return [(str(p), s.st_size, s.st_mtime) for p, s in found]


def cpu_seconds(scanner: Scanner) -> float:
    """What the child has computed so far: the machine may be busy with other things. 0 before it starts."""
    pid = scanner._worker.pid
    if pid is None or not Path(f"/proc/{pid}/stat").exists():
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("name", cases.CASES)
def test_a_hostile_file_is_named_and_does_no_harm(tmp_path: Path, scanner: Scanner, name: str) -> None:
    case = cases.CASES[name]
    source = cases.made(case.make, tmp_path / "in")
    before = tree(tmp_path)
    used = cpu_seconds(scanner)
    entry = scanner.scan(source)
    used = cpu_seconds(scanner) - used
    codes = {finding["code"] for finding in entry["findings"]}
    assert set(case.codes) <= codes, entry["findings"]
    assert "E_PARSER_CRASH" not in codes
    assert codes <= set(CODES)
    if not any(code[0] in "EF" for code in case.codes):
        assert entry["status"] != "error", entry["findings"]
    assert used < SECONDS
    assert tree(tmp_path) == before
    text = json.dumps(entry, ensure_ascii=False)
    text.encode("utf-8")
    assert "\x1b" not in text
    assert not TAG.search(text)
    if sys.platform == "linux" and scanner._worker.pid is not None:
        assert peak(scanner._worker.pid) < BYTES


@pytest.mark.parametrize("name", cases.CLEAN_CASES)
def test_a_clean_file_has_no_finding(tmp_path: Path, scanner: Scanner, name: str) -> None:
    entry = scanner.scan(cases.made(cases.CLEAN_CASES[name], tmp_path / "in"))
    assert entry["findings"] == []
    assert entry["status"] == "clean"
    assert entry["inspected"]


KNOWN = {"F_CUSTOM_OBJECT", "F_LAMBDA_CODE", "F_EXTERNAL_MODEL"}


def test_fixtures_have_findings_only_for_code_and_custom_objects(manifest: list, scanner: Scanner) -> None:
    odd = {}
    for saved in manifest[::8]:
        expected = {"W_TYPE_MISMATCH"} if "hdf5_named_keras" in saved.file else set()
        codes = {f["code"] for f in scanner.scan(str(saved.path))["findings"]} - KNOWN - expected
        if codes:
            odd[saved.file] = codes
    assert odd == {}


def test_lambda_layers_are_told_in_words(tmp_path: Path, scanner: Scanner) -> None:
    source = cases.made(cases.CASES["lambda_keras"].make, tmp_path / "in")
    entry = scanner.scan(source)["lambdas"][0]
    assert "multiply" in entry["does"].lower() or "Rescaling" in entry["does"]
    assert len(entry["sha256"]) == 64


def test_the_exact_number_of_weights_is_said(tmp_path: Path, scanner: Scanner) -> None:
    source = cases.made(cases.CASES["units_1e12_h5"].make, tmp_path / "in")
    messages = [f["message"] for f in scanner.scan(source)["findings"]]
    assert any(f"needs {4 * 10**12} numbers" in m for m in messages)


def test_the_command_line(tmp_path: Path) -> None:
    hostile = cases.made(cases.CASES["json_escape_keras"].make, tmp_path / "a")
    clean = cases.made(cases.CLEAN_CASES["keras"], tmp_path / "b")
    sarif = tmp_path / "out.sarif"
    result = CliRunner().invoke(app, ["scan", hostile, clean, "--json", "--sarif", str(sarif)])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [file["status"] for file in report["files"]] == ["error", "clean"]
    document = json.loads(sarif.read_text())
    assert document["version"] == "2.1.0"
    run = document["runs"][0]
    assert {r["ruleId"] for r in run["results"]} == {f["code"] for f in report["files"][0]["findings"]}
    assert all(run["tool"]["driver"]["rules"][r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    shown = CliRunner().invoke(app, ["scan", hostile, clean])
    assert "\x1b" not in shown.output
    assert "no findings" in shown.output
    assert "inspected: " in shown.output
    assert CliRunner().invoke(app, ["scan", clean]).exit_code == 0


def test_what_is_truncated_is_said_once(tmp_path: Path) -> None:
    source = cases.made(cases.CASES["trunc"].make, tmp_path / "in")
    shown = CliRunner().invoke(app, ["scan", source]).output
    size = Path(source).stat().st_size
    assert shown.count("E_HDF5_CORRUPT") == 1
    assert f"{size} of {2 * size} bytes" in shown.replace("\n", " ") or f"{size} of {2 * size + 1} bytes" in shown
    assert "at ]" not in shown


def test_no_framework_and_no_socket(tmp_path: Path) -> None:
    source = cases.made(cases.CASES["remote_gs"].make, tmp_path / "in")
    code = (
        "import sys, socket; socket.socket = None\n"
        "from reconstruct.scanning.child import entry\nfrom reconstruct.limits import DEFAULT\n"
        "entry(sys.argv[1], DEFAULT)\nprint(sorted({'keras', 'tensorflow', 'tf_keras'} & set(sys.modules)))"
    )
    assert socket.socket is not None
    command = [sys.executable, "-c", code, source]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment()})
    assert done.stdout.strip() == "[]"


def test_only_what_a_browser_would_take_for_a_tag_is_escaped() -> None:
    assert _writable("a->b < 3 <b>") == r"a->b < 3 \u003cb>"


def test_the_death_of_the_child_is_a_finding(tmp_path: Path) -> None:
    source = tmp_path / "large.keras"
    with zipfile.ZipFile(source, "w") as archive:  # more than the child has left without asking for memory
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"name": "x" * (8 << 20)}}))
    with Scanner(Limits(scan_bytes=1)) as starved:
        entry = starved.scan(str(source))
        assert [f["code"] for f in entry["findings"]] == ["E_PARSER_CRASH"]
    with Scanner() as scanner:
        scanner._worker.command = [sys.executable, "-c", "print('{\"ok\": true}', flush=True); input(); exit(9)"]
        entry = scanner.scan(str(source))
    assert [f["code"] for f in entry["findings"]] == ["E_PARSER_CRASH"]
    assert "exit code 9" in entry["findings"][0]["message"]


def test_limits_can_be_raised(tmp_path: Path) -> None:
    source = cases.made(cases.CASES["deep"].make, tmp_path / "in")
    report = reconstruct.scan(source, Limits(h5_depth=400))
    assert report["files"][0]["findings"] == []
    result = CliRunner().invoke(app, ["scan", source, "--limit", "h5_depth=400"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("text", ["nothing=1", "json_bytes=", "json_bytes=-1", "json_bytes=0", "json_bytes=1.5"])
def test_a_wrong_limit_is_a_usage_error(text: str) -> None:
    result = CliRunner().invoke(app, ["scan", "x", "--limit", text])
    assert result.exit_code == 2


def test_limits_are_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "limits.md").read_text("utf-8")
    for name, default, unit, why in describe():
        assert f"| `{name}` | {default:,} {unit} | {why} |" in page
    assert parse(["json_bytes=64M"]).json_bytes == 64 << 20


def hostile_reads() -> list[Any]:
    return [n for n, c in cases.CASES.items() if not n.startswith("remote") and any(k[0] == "E" for k in c.codes)]


@pytest.mark.parametrize("name", hostile_reads())
def test_inspect_ends_without_a_traceback(tmp_path: Path, name: str) -> None:
    source = cases.made(cases.CASES[name].make, tmp_path / "in")
    started = time.process_time()
    result = CliRunner().invoke(app, ["inspect", source, "--json"])
    assert time.process_time() - started < SECONDS
    assert result.exit_code in (0, 1)
    assert "Traceback" not in result.output
    assert "defect" not in result.output
    json.loads(result.stdout)
