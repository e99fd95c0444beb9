"""Any bytes are read, or refused with what is wrong with them: for a short time here, at length by `scripts/fuzz`."""

import gzip
import importlib.util
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import ROOT, TARGETS

FOUND = sorted((Path(__file__).parent / "found").glob("*.gz"))
# HDF5 itself is not ours to mend: it runs for ever on some files, which ends the process that reads them
OURS = [name for name in TARGETS if name != "hdf5_file"]


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_what_was_found_stays_mended(path: Path) -> None:
    TARGETS[path.name.split(".")[0]](gzip.decompress(path.read_bytes()))


@pytest.mark.parametrize("name", OURS)
def test_seeds_with_changed_bytes(name: str) -> None:
    chance = random.Random(name)
    seeds = list(TARGETS[name].seeds())
    for seed in chance.sample(seeds, min(30, len(seeds))):
        data = bytearray(seed)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        TARGETS[name](bytes(data) + chance.randbytes(3) * (name == "config"))


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is for Linux on x86-64")
def test_coverage_leads_to_nothing_new(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts" / "fuzz", "--seconds", "2", "--corpus", tmp_path, "hdf5_structures"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert [path.name for path in tmp_path.iterdir()] == ["hdf5_structures"]
