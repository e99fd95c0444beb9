"""`reconstruct salvage` works in a process of its own: what a file does to it there is an error here."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from reconstruct.errors import ReadError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.runtimes.worker import Worker
from reconstruct.salvage import child
from tests.salvage.damage import FILES

DIES = "import os, sys; print('{\"ok\": true}', flush=True); sys.stdin.readline(); os.kill(os.getpid(), 11)"
MODEL = FILES / "keras-2.2.4/mlp.h5"


def salvaged(path: Path, output: Path, limits: Limits = DEFAULT) -> dict:
    return child.salvaged([path], output, limits, lambda message: None)


def test_what_kills_the_process_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(child, "Worker", lambda command, name, environment: Worker([sys.executable, "-c", DIES], name))
    with pytest.raises(ReadError, match="was killed by SIGSEGV") as caught:
        salvaged(MODEL, tmp_path / "out.h5")
    assert caught.value.code == "E_PARSER_CRASH"
    assert caught.value.path == str(MODEL)


def test_it_has_limits(tmp_path: Path) -> None:
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file["dense/kernel"] = np.random.default_rng(0).random((1 << 12, 1 << 12), "float32")
    with pytest.raises(ReadError, match=r"memory|was killed|exit code") as caught:
        salvaged(path, tmp_path / "out.h5", Limits(recover_bytes=1))
    assert "recover_bytes" in caught.value.hint
    assert not (tmp_path / "out.h5").exists()


def test_its_errors_and_results_are_those_of_salvage(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_bytes(b"<!DOCTYPE html><html></html>")
    with pytest.raises(ReadError, match="HTML") as caught:
        salvaged(tmp_path / "text.h5", tmp_path / "out.h5")
    assert (caught.value.code, caught.value.hint != "") == ("E_NOT_A_MODEL", True)
    result = salvaged(MODEL, tmp_path / "out.h5")
    assert (result["status"], result["tensors"]["lost"]) == ("complete", [])
