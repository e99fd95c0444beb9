"""Classes that the user gives for layers of a file that holds weights alone."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import reconstruct
from reconstruct.runtimes import keras_3

TODO = 'raise NotImplementedError("TODO: write what Gate computes")'
LINEAR = {"dense.activation": "linear", "dense_1.activation": "linear"}


class Gate(keras.layers.Layer):
    def build(self, shape: tuple[int, ...]) -> None:
        self.gate = self.add_weight(name="gate", shape=(shape[-1], shape[-1]))
        self.shift = self.add_weight(name="shift", shape=(3,))

    def call(self, x: object) -> object:
        return x * keras.ops.sigmoid(keras.ops.matmul(x, self.gate)) * self.shift[0]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that Keras 3 saved, with inputs and outputs beside them."""
    path = tmp_path_factory.mktemp("weights") / "w.weights.h5"
    keras.utils.clear_session()
    layers = [keras.layers.Dense(4, name="dense"), Gate(name="gate"), keras.layers.Dense(2, name="dense_1")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.save_weights(path)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.savez(path.with_name("e.npz"), x0=x, y0=model(x))
    return path


def test_a_stub_that_was_filled_in_computes_what_the_model_did(file: Path, tmp_path: Path) -> None:
    stub = reconstruct.recover(file).stub()
    code = tmp_path / "layers.py"
    code.write_text(stub)
    unwritten = reconstruct.recover(file, custom=[str(code)])
    assert "missing_layer" in {f.code for f in unwritten.result.findings}
    weights = ", ".join(line.split("=")[0].strip() for line in stub.split("\n") if "self.add_weight" in line)
    call = f"g, s = {weights}; return inputs * ops.sigmoid(ops.matmul(inputs, g)) * s[0]"
    assert TODO in stub
    code.write_text(stub.replace(TODO, call))
    recovery = reconstruct.recover(file, custom=[str(code)], settings=LINEAR)
    assert not {"custom_not_used", "missing_layer"} & {f.code for f in recovery.result.findings}
    with np.load(file.with_name("e.npz")) as stored:
        assert np.allclose(keras_3.run(recovery.model, [stored["x0"]])[0], stored["y0"], atol=1e-5)
    recovery.save(tmp_path / "out.keras")


def test_a_class_that_does_not_fit_is_named(file: Path, tmp_path: Path) -> None:
    code = tmp_path / "layers.py"
    code.write_text(reconstruct.recover(file).stub().replace("(4, 4)", "(4, 5)").replace(TODO, "return inputs"))
    recovery = reconstruct.recover(file, custom=[str(code)])
    found = {f.code: f.message for f in recovery.result.findings}
    assert "is (4, 4) in the file, and (4, 5) in the model" in found["custom_not_used"]
    assert "missing_layer" in found


def test_what_is_of_no_use_for_weights_alone_is_said(file: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("import keras\n\nclass Other(keras.layers.Layer):\n    pass\n")
    recovery = reconstruct.recover(file, custom=[str(tmp_path / "other.py")], source=tmp_path)
    found = {f.code: f.message for f in recovery.result.findings}
    assert "called like what is missing: Gate" in found["custom_not_used"]
    assert "source_not_used" in found
