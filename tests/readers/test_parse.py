"""Configs, as each generation of Keras writes them, to a tree of layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Call, Layer, Ref
from reconstruct.errors import ConfigError
from reconstruct.readers.parse import decode, parse_model

Spec = dict[str, Any]


def spec(class_name: str, name: str, nodes: list[Any] | None = None, **config: Any) -> Spec:
    """A layer's config, with its calls in a functional model."""
    own: Spec = {"class_name": class_name, "config": {"name": name, **config}}
    return own if nodes is None else {**own, "name": name, "inbound_nodes": nodes}


def functional(*layers: Spec, inputs: Any = None, outputs: Any = None, class_name: str = "Model") -> Spec:
    first, last = layers[0]["config"]["name"], layers[-1]["config"]["name"]
    ends = {"input_layers": inputs or [[first, 0, 0]], "output_layers": outputs or [[last, 0, 0]]}
    return {"class_name": class_name, "config": {"name": "m", "layers": list(layers), **ends}}


def tensor(layer: str, call: int = 0, output: int = 0) -> Spec:
    """A tensor as Keras 3 writes it."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 3], "keras_history": [layer, call, output]}}


def layers_of(model: Layer) -> dict[str, Layer]:
    assert model.graph is not None
    return {n.name: n for n in model.graph.layers}


@pytest.mark.parametrize("whole", [False, True], ids=["list, before Keras 2.2.3", "dict"])
def test_sequential(whole: bool) -> None:
    layers = [spec("Dense", "a", units=2), spec("Dense", "a", units=3), {"class_name": "ReLU", "config": {}}]
    model = parse_model({"class_name": "Sequential", "config": {"name": "s", "layers": layers} if whole else layers})
    assert model.graph is not None
    assert model.graph.sequential
    assert [(n.class_name, n.name) for n in model.graph.layers] == [
        ("Dense", "a"),
        ("Dense", "a_"),
        ("ReLU", "re_lu_3"),
    ]
    assert [n.path for n in model.graph.layers] == ["model/a", "model/a_", "model/re_lu_3"]
    assert model.name == ("s" if whole else "sequential")


def test_calls_of_keras_1_and_2() -> None:
    model = parse_model(
        functional(
            spec("InputLayer", "x", []),
            spec("InputLayer", "y", []),
            spec("Dense", "d", [[["x", 0, 0, {}]], [["y", 0, 0]]]),
            spec("Add", "sum", [[["d", 0, 0, {}], ["d", 1, 0, {}]]]),
            spec("LSTM", "rnn", [[["sum", 0, 0, {"training": False, "mask": ["x", 0, 0]}]]], return_state=True),
            spec("Add", "out", [[["rnn", 0, 0], ["rnn", 0, 2]]]),
            inputs=[["x", 0, 0], ["y", 0, 0]],
        )
    )
    layers = layers_of(model)
    assert layers["d"].calls == (Call((Ref("x"),)), Call((Ref("y"),)))
    assert layers["sum"].calls == (Call(([Ref("d"), Ref("d", 1)],)),)
    assert layers["rnn"].calls == (Call((Ref("sum"),), {"training": False, "mask": Ref("x")}),)
    assert layers["out"].calls[0].refs() == [Ref("rnn"), Ref("rnn", 0, 2)]
    assert model.graph is not None
    assert (model.graph.inputs, model.graph.outputs) == ([Ref("x"), Ref("y")], [Ref("out")])


def test_calls_of_tf_keras() -> None:
    model = parse_model(
        functional(
            spec("InputLayer", "x", []),
            spec("TFOpLambda", "half", [["_CONSTANT_VALUE", -1, 0.5, {"y": ["x", 0, 0]}]], function="math.multiply"),
            spec("TFOpLambda", "cat", [["x", 0, 0, {"values": [["half", 0, 0], 3], "axis": -1}]], function="f"),
            spec("Mine", "named", [{"a": ["x", 0, 0], "b": ["cat", 0, 0]}]),
            inputs={"x": ["x", 0, 0]},
            outputs={"out": ["named", 0, 0]},
            class_name="Functional",
        )
    )
    layers = layers_of(model)
    assert layers["half"].calls == (Call((0.5,), {"y": Ref("x")}),)
    assert layers["cat"].calls == (Call((Ref("x"),), {"values": [Ref("half"), 3], "axis": -1}),)
    assert layers["named"].calls == (Call(({"a": Ref("x"), "b": Ref("cat")},)),)
    assert model.graph is not None
    assert (model.graph.inputs, model.graph.outputs) == ({"x": Ref("x")}, {"out": Ref("named")})


def test_calls_of_keras_3() -> None:
    key = {"class_name": "__tuple__", "items": [{"class_name": "__ellipsis__", "config": {}}, 0]}
    node = {"args": [tensor("x")], "kwargs": {"key": key, "mask": tensor("x", 0, 1)}}
    model = parse_model(
        functional(
            {**spec("InputLayer", "x", []), "module": "keras.layers", "registered_name": None},
            {**spec("GetItem", "item", [node]), "module": "keras.src.ops.numpy", "registered_name": "GetItem"},
            class_name="Functional",
        )
    )
    item = layers_of(model)["item"]
    assert item.calls == (Call((Ref("x"),), {"key": (..., 0), "mask": Ref("x", 0, 1)}),)
    assert item.package == "keras.src.ops.numpy"
    assert layers_of(model)["x"].package is None


def test_operations_that_keras_3_writes_into_hdf5_have_no_module() -> None:
    nodes = [{"args": [tensor("x")], "kwargs": {}}]
    model = parse_model(
        functional(spec("InputLayer", "x", []), spec("Add", "op", nodes), spec("Add", "layer", nodes, dtype="float32"))
    )
    assert [layers_of(model)[n].package for n in ("op", "layer")] == ["keras.src.ops", None]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"class_name": "__slice__", "config": {"start": 1, "stop": None, "step": 2}}, slice(1, None, 2)),
        ({"class_name": "__tuple__", "items": [1, [2]]}, (1, [2])),
        ({"class_name": "__ellipsis__", "config": {}}, ...),
        ({"class_name": "Other", "config": {"a": [1]}}, {"class_name": "Other", "config": {"a": [1]}}),
        ("text", "text"),
    ],
)
def test_markers_of_keras_3(value: Any, expected: Any) -> None:
    assert decode(value, set()) == expected


def test_arrays_in_calls_of_keras_3() -> None:
    found = decode([{"class_name": "__numpy__", "config": {"value": [[1, 2]], "dtype": "int32"}}], set())
    assert (found[0].dtype, found[0].tolist()) == (np.int32, [[1, 2]])


@pytest.mark.parametrize(
    ("fields", "class_name", "package"),
    [
        ({"class_name": "Mine>Dense"}, "Dense", "Mine>Dense"),
        ({"class_name": "Dense", "registered_name": "Mine>Dense"}, "Dense", "Mine>Dense"),
        ({"class_name": "Dense", "module": "my.module", "registered_name": "Dense"}, "Dense", "my.module"),
        ({"class_name": "Dense", "module": "keras.layers", "registered_name": None}, "Dense", None),
        ({"class_name": "Dense", "module": "tf_keras.layers"}, "Dense", None),
    ],
)
def test_where_a_class_is_from(fields: Spec, class_name: str, package: str | None) -> None:
    model = parse_model({"class_name": "Sequential", "config": [{"config": {"name": "x"}, **fields}]})
    layer = layers_of(model)["x"]
    assert (layer.class_name, layer.package) == (class_name, package)


def test_wrapped_layers_are_children_with_paths() -> None:
    inner = spec("TimeDistributed", "inner", layer=spec("Dense", "dense"))
    wrapper = spec("TimeDistributed", "outer", layer=inner)
    cells = spec(
        "RNN", "rnn", cell=spec("StackedRNNCells", "cells", cells=[spec("LSTMCell", "a"), spec("GRUCell", "b")])
    )
    model = parse_model({"class_name": "Sequential", "config": [wrapper, cells]})
    assert {n.path: n.class_name for n in model.walk()} == {
        "model": "Sequential",
        "model/outer": "TimeDistributed",
        "model/outer/layer": "TimeDistributed",
        "model/outer/layer/layer": "Dense",
        "model/rnn": "RNN",
        "model/rnn/cell": "StackedRNNCells",
        "model/rnn/cell/cells/0": "LSTMCell",
        "model/rnn/cell/cells/1": "GRUCell",
    }
    assert "layer" not in layers_of(model)["outer"].config


def test_both_directions_of_a_bidirectional_layer() -> None:
    one = spec("Bidirectional", "one", layer=spec("LSTM", "lstm", units=2), merge_mode="sum")
    model = parse_model({"class_name": "Sequential", "config": [one]})
    children = layers_of(model)["one"].children
    assert {key: child.name for key, child in children.items()} == {
        "forward_layer": "forward_lstm",
        "backward_layer": "backward_lstm",
    }
    assert children["backward_layer"].config["go_backwards"] is True
    assert "go_backwards" not in children["forward_layer"].config
    own = spec("Bidirectional", "two", layer=spec("LSTM", "a"), backward_layer=spec("GRU", "b", go_backwards=True))
    model = parse_model({"class_name": "Sequential", "config": [own]})
    assert [c.class_name for c in layers_of(model)["two"].children.values()] == ["LSTM", "GRU"]


def _nested(outer_calls: list[Any], out: list[Any], keras_3: bool = False) -> Layer:
    nodes = [{"args": [tensor("i")], "kwargs": {}}] if keras_3 else [[["i", 0, 0, {}]]]
    inner = functional(spec("InputLayer", "i", []), spec("Dense", "d", nodes), class_name="Functional")
    inner = {**inner, "name": "inner", "inbound_nodes": outer_calls}
    inner["config"] = {**inner["config"], "name": "inner"}
    return parse_model(functional(spec("InputLayer", "x", []), inner, outputs=out, class_name="Functional"))


@pytest.mark.parametrize(
    ("calls", "out", "keras_3"),
    [
        ([[["x", 0, 0, {}]]], [["inner", 1, 0]], False),  # its own call is number 0
        ([[["x", 0, 0, {}]]], [["inner", 0, 0]], False),
        ([{"args": [tensor("x")], "kwargs": {}}], [["inner", 1, 0]], True),
    ],
    ids=["Keras 2", "Keras 2, counted from 0", "Keras 3"],
)
def test_calls_of_nested_models_are_counted_from_0(calls: list[Any], out: list[Any], keras_3: bool) -> None:
    model = _nested(calls, out, keras_3)
    assert model.graph is not None
    assert model.graph.outputs == [Ref("inner", 0)]
    assert model.graph["inner"].calls[0].args == (Ref("x"),)


def test_subclasses_of_model_with_a_functional_config_keep_their_class() -> None:
    whole = functional(spec("InputLayer", "x", []), spec("Dense", "d", [[["x", 0, 0]]]), class_name="Mine>Model")
    model = parse_model({**whole, "registered_name": "Mine>Model"})
    assert model.package == "Mine>Model"
    assert model.is_model


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ([], "not a JSON object"),
        ({"class_name": "MyModel", "config": {"units": 3}}, "subclassed model"),
        ({"name": "Sequential", "layers": []}, "Keras 0.3 or older"),
        ({"class_name": "Sequential", "config": [3]}, "expected a layer config"),
        ({"class_name": "Sequential", "config": [{"class_name": "Dense", "config": 3}]}, "config of Dense is 3"),
        (functional(spec("InputLayer", "x", []), spec("Dense", "d", [[["gone", 0, 0]]])), "layer 'gone'"),
        (functional(spec("InputLayer", "x", []), spec("Dense", "d", [[["x", 4, 0]]])), "call 4 of 'x'"),
        (functional(spec("InputLayer", "x", []), spec("Dense", "x", [[["x", 0, 0]]])), "same name"),
        (functional(spec("InputLayer", "x", []), spec("Dense", "d", [3])), "a call is 3"),
        (functional(spec("InputLayer", "x", []), outputs=[["gone", 0, 0]]), "layer 'gone'"),
        (
            functional(
                spec("InputLayer", "x", []),
                spec("Add", "a", [[["x", 0, 0], ["b", 0, 0]]]),
                spec("ReLU", "b", [[["a", 0, 0]]]),
            ),
            "loop",
        ),
    ],
)
def test_broken_configs_are_refused(config: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_model(config)
