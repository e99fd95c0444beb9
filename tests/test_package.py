"""Promises of the package as a whole: a light import, an explicit surface, and pins that fit what it declares."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reconstruct

ROOT = Path(__file__).resolve().parent.parent
FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "jax", "torch")

LOADED_AFTER_IMPORT = "import json, sys; import reconstruct; print(json.dumps(list(sys.modules)))"
PUBLIC_NAMES = """
import json, types, reconstruct
names = [name for name, value in vars(reconstruct).items() if not isinstance(value, types.ModuleType)]
print(json.dumps([name for name in names if not name.startswith("_") and name != "annotations"]))
"""
LOADED_AFTER_INSPECT = """
import json, sys
from reconstruct.cli import app
code = None
try:
    app(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
print()
print(json.dumps([code or 0, list(sys.modules)]))
"""


def run_python(code: str, *args: str) -> str:
    """Run code in a fresh process, where nothing is loaded that a test imported; return its last line of output."""
    child = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()[-1]


def frameworks_in(modules: list[str]) -> list[str]:
    return sorted(set(FRAMEWORKS) & {name.partition(".")[0] for name in modules})


def test_import_imports_no_framework() -> None:
    assert frameworks_in(json.loads(run_python(LOADED_AFTER_IMPORT))) == []


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("container", ["h5-model", "keras-zip"])
def test_inspect_imports_no_framework(manifest: list, container: str, options: tuple[str, ...]) -> None:
    path = next(entry.path for entry in manifest if entry.container == container)
    code, modules = json.loads(run_python(LOADED_AFTER_INSPECT, "inspect", str(path), *options))
    assert code == 0
    assert frameworks_in(modules) == []


def test_diff_imports_no_framework(manifest: list) -> None:
    path = str(next(entry.path for entry in manifest if entry.container == "h5-model"))
    code, modules = json.loads(run_python(LOADED_AFTER_INSPECT, "diff", path, path))
    assert code == 0
    assert frameworks_in(modules) == []


def test_all_is_sorted_and_every_name_exists() -> None:
    assert list(reconstruct.__all__) == sorted(set(reconstruct.__all__))
    assert [name for name in reconstruct.__all__ if not hasattr(reconstruct, name)] == []
    assert {"inspect", "migrate", "recover"} <= set(reconstruct.__all__)


def test_all_names_everything_public() -> None:
    assert set(json.loads(run_python(PUBLIC_NAMES))) <= set(reconstruct.__all__)


def test_pins_satisfy_what_the_package_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    declared = [project["build-system"]["requires"], project["project"]["dependencies"], *extras]
    lines = (ROOT / "scripts" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pins = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pinned}

    def is_met(need: Requirement) -> bool:
        return need.specifier.contains(pins.get(canonicalize_name(need.name), "0"))

    assert [line for lines in declared for line in lines if not is_met(Requirement(line))] == []
