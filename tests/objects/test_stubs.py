"""Skeletons of missing code: Python that says what the file says, whatever names a stranger put into it."""

from __future__ import annotations

import ast
from typing import Any

from reconstruct.objects.stubs import Use, text

SHAPE = (None, 6, 4)


def use(kind: str = "layer", name: str = "Swirl", layer: str = "s", **fields: Any) -> Use:
    given: dict[str, Any] = {
        "original": {"class_name": name, "config": {"name": layer, "turns": 2, "trainable": True}},
        "arguments": ["inputs"],
        "variables": [],
        "inputs": [SHAPE],
        "outputs": [SHAPE],
        **fields,
    }
    missing = {"kind": kind, "name": name, "message": "it is missing", "hint": ""}
    return Use(layer, missing, **given)


def classes(module: str) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in ast.parse(module).body if isinstance(node, ast.ClassDef)}


def test_arguments_weights_and_shapes_are_those_of_the_file() -> None:
    module = text("a.h5", [use(variables=[["phi/kernel", [4, 3], "float32"], ["bias", [3], "float32"]])])
    (swirl,) = classes(module).values()
    assert "        turns=2," in module
    assert "trainable=" not in module
    assert 'self.phi_kernel = self.add_weight(name="phi_kernel", shape=(4, 3), dtype="float32")' in module
    assert "# s: (None, 6, 4) -> (None, 6, 4)" in module
    assert [node.name for node in swirl.body if isinstance(node, ast.FunctionDef)] == [
        *("__init__", "build", "call", "compute_output_shape", "get_config"),
    ]


def test_layers_of_one_class_with_other_weights_have_a_table() -> None:
    uses = [
        use(layer="a", variables=[["kernel", [4, 3], "float32"]]),
        use(layer="b", variables=[["kernel", [3, 2], "float32"]], outputs=[(None, 6, 2)]),
    ]
    module = text("a.h5", uses)
    assert len(classes(module)) == 1
    tables = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(module).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert tables["SWIRL_WEIGHTS"] == {"a": [("kernel", (4, 3), "float32")], "b": [("kernel", (3, 2), "float32")]}
    assert tables["SWIRL_OUTPUTS"] == {"a": SHAPE, "b": (None, 6, 2)}


def test_a_missing_cell_has_states() -> None:
    cell = {"class_name": "MyCell", "config": {"name": "c", "units": 3}}
    original = {"class_name": "RNN", "config": {"name": "r"}, "layers": {"cell": cell}}
    module = text("a.h5", [use(name="MyCell", original=original, variables=[["c/kernel", [4, 3], "float32"]])])
    assert "def call(self, inputs, states):" in module
    assert "self.state_size = 3" in module
    assert 'name="kernel"' in module
    assert "compute_output_shape" not in module


def test_a_missing_wrapper_makes_only_its_own_weights() -> None:
    inner = {"class_name": "Dense", "config": {"name": "d", "units": 3}}
    original = {"class_name": "Norm", "config": {"name": "n"}, "layers": {"layer": inner}}
    variables = [["g", [3], "float32"], ["d/kernel", [4, 3], "float32"]]
    module = text("a.h5", [use(name="Norm", original=original, variables=variables)])
    assert "class Norm(keras.layers.Wrapper):" in module
    assert "kernel" not in module
    assert "super().__init__(layer, **kwargs)" in module


def test_activations_are_functions() -> None:
    module = text("a.h5", [use("activation", "softplus2", "a"), use("activation", "softplus2", "b")])
    assert [node.name for node in ast.parse(module).body if isinstance(node, ast.FunctionDef)] == ["softplus2"]


def test_stock_layers_are_named_and_not_written() -> None:
    module = text("a.h5", [use("equivalent", "LSTM", "l"), use("shape", "Dense", "d")])
    assert not classes(module)
    assert "# l (LSTM): it is missing" in module


def test_names_of_a_stranger_are_nothing_but_names() -> None:
    evil = 'x"""\nimport os\nos.system("true")\n#'
    config = {evil: 1, "class": 2, "build": 3, "fine": evil}
    uses = [
        use(name=evil, layer=evil, original={"class_name": evil, "config": config}, variables=[[evil, [2], evil]]),
        use(name=evil, layer=evil + "2", original={"class_name": evil, "config": config}),
        use("activation", evil, evil),
        use("lambda", "Lambda", evil),
        use("equivalent", evil, evil),
    ]
    tree = ast.parse(text(evil, uses))
    imported = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported == ["import keras", "from keras import ops"]
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called <= {
        *("super", "super().__init__", "super().get_config", "self.add_weight", "setattr", "NotImplementedError"),
    }


def test_what_is_no_literal_or_no_name_of_python_still_makes_a_module() -> None:
    config = {"name": "s", "low": float("-inf"), "odd": [float("nan")], "super": 1, "\ufb01": 2}
    module = text(
        "a.h5", [use(name="My-Layer", original={"class_name": "My-Layer", "config": config}), use(name="ops")]
    )
    assert {"My_Layer", "ops_"} <= set(classes(module))
    assert 'low=float("-inf")' in module
    assert 'odd=[float("nan")]' in module
    assert '"My-Layer": My_Layer,' in module
    assert "super=" not in module
