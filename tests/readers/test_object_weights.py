"""Tensors of `model.weights.h5`, a tree of attributes and classes, to the variables they belong to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import reconstruct
from reconstruct.artifact import Finding, Layer
from reconstruct.readers import object_weights
from reconstruct.readers.h5 import H5Source
from tests.rules.cases import functional, layer, sequential


def tree(folder: Path, *names: str, separator: str = "/") -> object_weights.Tree:
    """A weights file with a dataset at each path."""
    path = folder / "model.weights.h5"
    with h5py.File(path, "w") as file:
        for i, name in enumerate(names):
            parts = (
                [name] if separator == "/" else [name.rpartition("/")[0].replace("/", separator), name.split("/")[-1]]
            )
            group = file
            for part in parts[:-1]:
                group = group.require_group(part)
            group[parts[-1]] = np.full(1, i, "f4")
    source = H5Source(path, str(path))
    return object_weights.tree(source, source.root)


def attach(model: Layer, where: object_weights.Tree) -> tuple[dict[str, list[str]], list[Finding]]:
    filled, findings = object_weights.attach(model, where)
    return {n.name: [f"{k}<-{t.name}" for k, t in n.weights.items()] for n in filled.walk() if n.weights}, findings


def test_classes_are_counted_whatever_the_layers_are_called(tmp_path: Path) -> None:
    names = [f"layers/{n}/vars/{i}" for n in ("dense", "dense_1", "conv2d_transpose") for i in (0, 1)]
    model = sequential(layer("Dense", "z"), layer("Conv2DTranspose", "c"), layer("Dense", "a"))
    assert attach(model, tree(tmp_path, *names)) == (
        {
            "z": ["kernel<-layers/dense/vars/0", "bias<-layers/dense/vars/1"],
            "c": ["kernel<-layers/conv2d_transpose/vars/0", "bias<-layers/conv2d_transpose/vars/1"],
            "a": ["kernel<-layers/dense_1/vars/0", "bias<-layers/dense_1/vars/1"],
        },
        [],
    )


def test_counters_that_skip_go_by_their_order(tmp_path: Path) -> None:
    names = [f"layers/dense_{n}/vars/{i}" for n in (2, 10) for i in (0, 1)]
    found, _ = attach(sequential(layer("Dense", "a"), layer("Dense", "b")), tree(tmp_path, *names))
    assert found == {
        "a": ["kernel<-layers/dense_2/vars/0", "bias<-layers/dense_2/vars/1"],
        "b": ["kernel<-layers/dense_10/vars/0", "bias<-layers/dense_10/vars/1"],
    }


@pytest.mark.parametrize("container", ["layers", "_layer_checkpoint_dependencies"])
def test_containers(tmp_path: Path, container: str) -> None:
    found, _ = attach(sequential(layer("PReLU", "p")), tree(tmp_path, f"{container}/p_re_lu/vars/0"))
    assert found == {"p": [f"alpha<-{container}/p_re_lu/vars/0"]}


def test_names_with_backslashes_from_windows(tmp_path: Path) -> None:
    where = tree(tmp_path, "layers/dense/vars/0", "layers/dense/vars/1", separator="\\")
    found, findings = attach(sequential(layer("Dense", "d")), where)
    assert found == {"d": ["kernel<-layers/dense/vars/0", "bias<-layers/dense/vars/1"]}
    assert findings == []


def test_nested_models_wrappers_and_cells(tmp_path: Path) -> None:
    inner = functional(layer("Dense", "deep", use_bias=False), name="inner")
    both = layer("Bidirectional", "both").replace(
        children={
            "forward_layer": layer("GRUCell", "f", use_bias=False),
            "backward_layer": layer("GRUCell", "b", use_bias=False),
        }
    )
    rnn = layer("RNN", "rnn").replace(
        children={
            "cell": layer("StackedRNNCells", "stack").replace(
                children={
                    "cells/0": layer("SimpleRNNCell", "c0", use_bias=False),
                    "cells/1": layer("SimpleRNNCell", "c1", use_bias=False),
                }
            )
        }
    )
    found, findings = attach(
        sequential(inner, both, rnn),
        tree(
            tmp_path,
            "layers/functional/layers/dense/vars/0",
            *(f"layers/bidirectional/{d}_layer/vars/{i}" for d in ("forward", "backward") for i in (0, 1)),
            *(f"layers/rnn/cell/cells/simple_rnn_cell{n}/vars/{i}" for n in ("", "_1") for i in (0, 1)),
        ),
    )
    assert findings == []
    assert found["deep"] == ["kernel<-layers/functional/layers/dense/vars/0"]
    assert found["b"][1] == "recurrent_kernel<-layers/bidirectional/backward_layer/vars/1"
    assert found["c1"][0] == "kernel<-layers/rnn/cell/cells/simple_rnn_cell_1/vars/0"


def test_variables_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    names = [f"layers/batch_normalization/vars/{i}" for i in (3, 0, 2, 1)]
    found, _ = attach(sequential(layer("BatchNormalization", "bn")), tree(tmp_path, *names))
    assert [entry.split("<-")[1][-1] for entry in found["bn"]] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("prefix", ["", "_"], ids=["keras 3", "tf_keras"])
def test_multi_head_attention(tmp_path: Path, prefix: str) -> None:
    parts = ("key", "output", "query", "value")
    names = [f"layers/multi_head_attention/{prefix}{part}_dense/vars/{i}" for part in parts for i in (0, 1)]
    found, _ = attach(sequential(layer("MultiHeadAttention", "a", num_heads=2)), tree(tmp_path, *names))
    pairs = [entry.split("<-layers/multi_head_attention/") for entry in found["a"]]
    assert [variable for variable, _ in pairs] == [
        f"{part}/{kind}" for part in ("query", "key", "value", "attention_output") for kind in ("kernel", "bias")
    ]
    assert [name.strip("_")[:3] for _, name in pairs[::2]] == ["que", "key", "val", "out"]


def test_what_belongs_to_no_layer_is_a_finding_and_what_is_not_of_the_model_is_none(tmp_path: Path) -> None:
    where = tree(tmp_path, "layers/dense/vars/0", "layers/gone/vars/0", "optimizer/vars/0", "metrics/mean/vars/0")
    found, findings = attach(sequential(layer("Dense", "d", use_bias=False)), where)
    assert list(found) == ["d"]
    assert [(f.code, f.message) for f in findings] == [
        ("weights_without_layer", "1 tensors belong to no layer: layers/gone/vars/0")
    ]
    assert [t.name for t in object_weights.tensors(where)] == ["layers/dense/vars/0", "layers/gone/vars/0"]
    assert [t.name for t in object_weights.optimizer_tensors(where)] == ["optimizer/vars/0"]


def test_another_number_of_variables_is_a_finding(tmp_path: Path) -> None:
    found, findings = attach(sequential(layer("Dense", "d")), tree(tmp_path, "layers/dense/vars/0"))
    assert found == {"d": ["vars/0<-layers/dense/vars/0"]}
    assert [f.code for f in findings] == ["unexpected_weights"]


def test_states_of_random_generators_are_no_weights(tmp_path: Path) -> None:
    where = tree(tmp_path, "layers/dropout/seed_generator/vars/0", "layers/dense/vars/0")
    found, findings = attach(sequential(layer("Dropout", "r"), layer("Dense", "d", use_bias=False)), where)
    assert (list(found), findings) == (["d"], [])


def test_a_wrapper_that_keras_does_not_have_holds_all_where_it_has_variables_of_its_own(tmp_path: Path) -> None:
    model = sequential(layer("Own", "w").replace(children={"layer": layer("Dense", "d")}))
    inside = [f"layers/own/layer/vars/{i}" for i in (0, 1)]
    found, findings = attach(model, tree(tmp_path, *inside, "layers/own/vars/0"))
    assert found == {
        "w": [
            "vars/0<-layers/own/vars/0",
            "layer/vars/0<-layers/own/layer/vars/0",
            "layer/vars/1<-layers/own/layer/vars/1",
        ]
    }
    assert findings == []
    found, _ = attach(model, tree(tmp_path, *inside))
    assert found == {"d": [f"{v}<-layers/own/layer/vars/{i}" for i, v in enumerate(("kernel", "bias"))]}


def test_arrays_tell_the_place_of_a_layer_whose_group_got_freed_room(tmp_path: Path) -> None:
    """A U-Net has enough layers for HDF5 to give the groups of some the room of what it moved."""
    keras = pytest.importorskip("keras")
    x = entry = keras.Input((16, 16, 1))
    skips: list[Any] = []
    for filters in (8, 16, 32, 64, -32, -16, -8):
        if filters < 0:
            x = keras.layers.Conv2DTranspose(-filters, 2, strides=2)(x)
            x = keras.layers.Concatenate()([x, skips.pop()])
        for _ in range(2):
            x = keras.layers.Conv2D(abs(filters), 3, padding="same")(x)
            x = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(x))
        if 0 < filters < 64:
            skips.append(x)
            x = keras.layers.MaxPooling2D()(x)
    model = keras.Model(entry, x)
    model.save_weights(tmp_path / "m.weights.h5")
    weighted = [g.name for g in reconstruct.inspect(tmp_path / "m.weights.h5").groups if g.tensors]
    names = [layer.name for layer in model.layers if layer.weights]
    classes = [re.sub(r"_\d+$", "", n) for n in weighted]
    assert classes == [re.sub(r"_\d+$", "", n) for n in names]
