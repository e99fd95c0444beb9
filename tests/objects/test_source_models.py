"""Models of genuine earlier versions, recovered with nothing but their author's source tree."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

import reconstruct
from reconstruct.runtimes import keras_3
from reconstruct.runtimes.worker import WorkerPool
from tests.objects.source_models import BY_NAME, TREES, Case

ROOT = Path(__file__).resolve().parents[2]
# One for each style; `python -m tests.objects.source_models` writes the others too
SHOWN = (
    "attention_masked transformer_encoder required_argument_not_saved python_2 rnn_step "
    "activation_renamed keras1_gate rnn_cell subclassed_model notebook_embedding class_twice "
    "class_twice_ambiguous lambda_global vae_sampling unet_partial_convolution class_factory "
    "token_embedding tcn_block vit_patches tensorflow_contrib training_objects_zip spectral_norm "
    "cell_both_ways cbam_zip"
).split()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models, each version's in a process of its own."""
    folder = tmp_path_factory.mktemp("models")
    for writer in dict.fromkeys(BY_NAME[name].writer for name in SHOWN):
        names = [name for name in SHOWN if BY_NAME[name].writer == writer]
        command = [sys.executable, "-m", "tests.objects.source_models", writer, str(folder), *names]
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert child.returncode == 0, child.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as shared:
        yield shared


@pytest.mark.oracle
@pytest.mark.parametrize("case", [BY_NAME[name] for name in SHOWN], ids=SHOWN)
def test_a_model_is_recovered_with_its_authors_source(
    case: Case, written: Path, pool: WorkerPool, tmp_path: Path
) -> None:
    path = written / f"{case.name}{case.suffix}"
    recovery = reconstruct.recover(path, source=TREES / case.source, pool=pool)
    assert recovery.status == case.expected, recovery.report
    recovery.save(tmp_path / "out.keras")
    findings = {f.code: f for f in recovery.result.findings}
    assert "source_used" in findings
    beside = tmp_path / "out_layers.py"
    assert beside.exists() == (not recovery.result.portable or recovery.model.compiled)
    if beside.exists():  # whoever gets the two files can load the model
        keras.models.load_model(tmp_path / "out.keras", reconstruct.custom_objects([str(beside)]))
    with np.load(path.with_suffix(".npz")) as stored:
        outputs = keras_3.run(recovery.model, [stored[k] for k in stored.files if k.startswith("x")])
        recorded = [stored[k] for k in stored.files if k.startswith("y")]
    same = all(np.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(outputs, recorded, strict=True))
    # Where two definitions fit, nothing in the file tells which one it was, and nothing may claim to know
    assert same or findings.keys() & {"source_ambiguous", "random_parts"}
    if case.name == "class_twice_ambiguous":
        assert "source_ambiguous" in findings
    if case.name == "class_twice":
        assert "old/layers.py:5" in findings["source_candidates"].message


@pytest.mark.oracle
def test_examples_choose_among_definitions_that_fit(written: Path, pool: WorkerPool) -> None:
    path = written / "class_twice_ambiguous.h5"
    recovery = reconstruct.recover(path, source=TREES / "twice", examples=path.with_suffix(".npz"), pool=pool)
    assert recovery.status == "verified", recovery.report
    assert "new/layers.py:20" in {f.path for f in recovery.result.findings if f.code == "source_used"}


@pytest.mark.oracle
def test_a_tree_without_the_class(written: Path, pool: WorkerPool, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("def nothing():\n    pass\n", "utf-8")
    recovery = reconstruct.recover(written / "cbam_zip.keras", source=tmp_path, pool=pool)
    missing = [f for f in recovery.result.findings if f.code == "source_missing"]
    assert recovery.status != "verified"
    assert "CBAM" in missing[0].message
