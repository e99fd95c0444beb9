"""Files with code of each Python, from the reader to the file written: nothing of the code ever runs."""

import json
import marshal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
import keras  # noqa: E402

import reconstruct  # noqa: E402
from tests.objects import lambda_sources  # noqa: E402

lambda_sources.K, lambda_sources.tf = tf_keras.backend, tf  # type: ignore[attr-defined]
PYTHONS = json.loads((Path(__file__).parent / "bytecode.json").read_text())
NAMES = ("affine", "slices", "mean", "loop", "branches", "comprehension", "inner_functions", "closure", "operators")
LOADS, FUNCTION = marshal.loads, types.FunctionType


class _NoNewFunctions(type):
    """What is a function stays one; none can be made of code."""

    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, FUNCTION)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a function would be made of code")


def _loads(data: Any, *args: Any, **kwargs: Any) -> Any:
    if "importlib" not in sys._getframe(1).f_code.co_filename:  # Python imports modules with it
        raise AssertionError("marshal data of the file would be loaded")
    return LOADS(data, *args, **kwargs)


@pytest.fixture
def no_code_is_made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(marshal, "loads", _loads)
    for name in ("FunctionType", "LambdaType"):
        monkeypatch.setattr(types, name, _NoNewFunctions("function", (), {}))
    yield
    monkeypatch.undo()


def _file(path: Path, version: str) -> list[np.ndarray]:
    """Write a model of tf_keras with the code of that Python in it; returns what the functions give for `VALUES`."""
    entry = tf_keras.Input((4, 3))
    outputs = [tf_keras.layers.Lambda(lambda_sources.FUNCTIONS[n], name=n)(entry) for n in NAMES]
    tf_keras.Model(entry, outputs).save(path, save_format="h5")
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Lambda":
                layer["config"]["function"][0] = PYTHONS[version][layer["name"]]["code"]
        file.attrs["model_config"] = json.dumps(config)
    return [np.asarray(lambda_sources.FUNCTIONS[n](tf.constant(VALUES))) for n in NAMES]


VALUES = np.random.default_rng(5).normal(size=(2, 4, 3)).astype("float32")


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("version", PYTHONS)
def test_code_of_each_python_is_recovered_and_never_made(
    version: str, tmp_path: Path, no_code_is_made: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(types, "FunctionType", FUNCTION)
        patch.setattr(types, "LambdaType", FUNCTION)
        expected = _file(tmp_path / "old.h5", version)
    recovery = reconstruct.recover(tmp_path / "old.h5")
    recovery.save(tmp_path / "new.keras")
    assert recovery.report["portable"]
    outputs = keras.models.load_model(tmp_path / "new.keras", safe_mode=True)(VALUES)
    for name, actual, wanted in zip(NAMES, outputs, expected, strict=True):
        np.testing.assert_allclose(np.asarray(actual), wanted, rtol=1e-5, atol=1e-6, err_msg=name)


def test_the_guards_of_this_test_fail_where_code_would_run(no_code_is_made: None) -> None:
    with pytest.raises(AssertionError, match="marshal data"):
        marshal.loads(b"N")  # noqa: S302
    with pytest.raises(AssertionError, match="made of code"):
        types.FunctionType(_loads.__code__, {})
