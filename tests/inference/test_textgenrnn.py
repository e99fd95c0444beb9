"""Weights of textgenrnn, whose users publish nothing else: a layer of its author's own, and all steps in one row."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import reconstruct

keras = pytest.importorskip("keras")
FIXTURES = Path(__file__).parents[2] / "fixtures"
NAME = "copied-sequences-tf_keras-2.21/generated_text_h5"


def test_its_weights_alone_compute_what_it_computed(tmp_path: Path) -> None:
    path = tmp_path / "textgenrnn_weights.hdf5"
    with h5py.File(FIXTURES / "files" / f"{NAME}.h5") as whole, h5py.File(path, "w") as weights:
        for name, group in whole["model_weights"].items():
            whole.copy(group, weights, name)
        weights.attrs.update(whole["model_weights"].attrs)
    model = reconstruct.recover(path, trust=True).model
    kept = np.load(FIXTURES / "outputs" / f"{NAME}.npz")
    np.testing.assert_allclose(model.predict(kept["x0"], verbose=0), kept["y0"], rtol=1e-4, atol=1e-5)
