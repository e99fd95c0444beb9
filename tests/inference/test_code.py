"""Inferred models as code that builds them."""

import runpy
from pathlib import Path

import pytest

from reconstruct.artifact import Call, Graph, Layer, Ref
from reconstruct.errors import BuildError
from reconstruct.inference import code


def test_code_runs_and_marks_what_is_assumed(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    entry = Layer("InputLayer", "input", {"batch_shape": [None, 8, 3]})
    lstm = {"units": 4, "return_sequences": False}
    both = {
        "forward_layer": Layer("LSTM", "f", lstm),
        "backward_layer": Layer("LSTM", "b", {**lstm, "go_backwards": True}),
    }
    wrapped = Layer("Bidirectional", "both", {"merge_mode": "concat"}, children=both, calls=(Call((Ref("input"),)),))
    dense = Layer("Dense", "a b", {"units": 2, "activation": "softmax"}, calls=(Call((Ref("both"),)),))
    model = Layer("Functional", "m", {}, graph=Graph((entry, wrapped, dense), [Ref("input")], [Ref("a b")]))
    assumed = [{"set": "--set a b.activation=VALUE", "alternatives": ["linear", "tanh"]}]
    text = code.text(model, assumed, "w.h5", "OUT.keras")
    assert "# activation is assumed (or 'linear', 'tanh')" in text
    (tmp_path / "model.py").write_text(text)
    built = runpy.run_path(str(tmp_path / "model.py"))["build"]()
    assert built.output_shape == (None, 2)
    assert [type(n) for n in built.layers][1:] == [keras.layers.Bidirectional, keras.layers.Dense]


def test_names_of_strangers_stay_names() -> None:
    name = 'x"); import os\n"""'
    entry = Layer("InputLayer", "input", {"batch_shape": [None, 3]})
    dense = Layer("Dense", name, {"units": 2})
    model = Layer("Sequential", "m", {}, graph=Graph((entry, dense)))
    text = code.text(model, [], name, name)
    compiled = compile(text, "model.py", "exec")
    assert set(compiled.co_names) <= {"__doc__", "keras", "layers", "build", "load", "__name__", "summary"}


def test_layers_that_keras_lacks_are_refused() -> None:
    model = Layer("Sequential", "m", {}, graph=Graph((Layer("Nothing", "n"),)))
    with pytest.raises(BuildError, match="Nothing"):
        code.text(model, [], "w.h5", "OUT.keras")


def test_a_layer_that_is_called_twice_is_built_once(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    entries = [Layer("InputLayer", name, {"batch_shape": [None, 8]}) for name in ("a", "b")]
    dense = Layer("Dense", "dense", {"units": 2}, calls=(Call((Ref("a"),)), Call((Ref("b"),))))
    both = Layer("Concatenate", "both", calls=(Call(([Ref("dense"), Ref("dense", 1)],)),))
    model = Layer("Functional", "m", {}, graph=Graph((*entries, dense, both), [Ref("a"), Ref("b")], [Ref("both")]))
    (tmp_path / "model.py").write_text(code.text(model, [], "w.h5", "OUT.keras"))
    built = runpy.run_path(str(tmp_path / "model.py"))["build"]()
    assert built.output_shape == (None, 4)
    assert built.count_params() == 18
