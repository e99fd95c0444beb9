"""Rules for Keras 1: each on small layers, and all of them on the files of Keras 1.2.2. No framework is needed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Call, Graph, Layer, Ref, Tensor, Writer
from reconstruct.errors import NotEquivalent
from reconstruct.readers import read
from reconstruct.rules import engine, keras_1
from reconstruct.stock import slots
from tests.conftest import SavedModel, load_manifest

RNG = np.random.default_rng(1)


def tensor(name: str, *shape: int) -> Tensor:
    value = RNG.normal(size=shape).astype("float32")
    return Tensor(name, shape, "float32", lambda: value, (f"/{name}",))


def convert(layer: Layer) -> Layer:
    """The layer after all rules for Keras 1; applied again, they change nothing."""
    return convert_to_several(layer)[-1]


def convert_to_several(layer: Layer) -> tuple[Layer, ...]:
    writer = Writer("1.2.2")
    model = Layer("Sequential", "model", graph=Graph((layer,)), path="model")
    artifact = Artifact("a.h5", "h5-model", writer, model, writer)
    once = engine.apply(artifact, keras_1.RULES).artifact
    twice = engine.apply(once.replace(dialect=writer), keras_1.RULES)
    assert twice.changes == ()
    assert once.model is not None
    assert once.model.graph is not None
    return once.model.graph.layers


def values(layer: Layer) -> dict[str, np.ndarray]:
    arrays = {name: t.read() for name, t in layer.weights.items()}
    assert {n: a.shape for n, a in arrays.items()} == {n: t.shape for n, t in layer.weights.items()}
    return arrays


L1L2 = {"name": "L1L2Regularizer", "l1": 0.1, "l2": 0.2}
BEFORE_AFTER: list[tuple[str, Mapping[str, Any], str, Mapping[str, Any]]] = [
    (
        "Dense",
        {
            "output_dim": 4,
            "init": "uniform",
            "bias": False,
            "input_dim": 3,
            "W_regularizer": L1L2,
            "b_regularizer": {"name": "EigenvalueRegularizer", "k": 1},
            "W_constraint": {"name": "MaxNorm", "m": 3, "axis": 1},
            "b_constraint": {"name": "NonNeg"},
            "activation": "hard_sigmoid",
        },
        "Dense",
        {
            "units": 4,
            "kernel_initializer": "random_uniform",
            "use_bias": False,
            "kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}},
            "bias_regularizer": None,
            "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 1}},
            "bias_constraint": {"class_name": "NonNeg", "config": {}},
            "activation": "hard_sigmoid",
        },
    ),
    (
        "TimeDistributedDense",
        {"output_dim": 4, "init": "my_own"},
        "Dense",
        {"units": 4, "kernel_initializer": "glorot_uniform"},
    ),
    (
        "Convolution2D",
        {"nb_filter": 8, "nb_row": 3, "nb_col": 2, "border_mode": "same", "subsample": [2, 1], "dim_ordering": "th"},
        "Conv2D",
        {"filters": 8, "kernel_size": [3, 2], "padding": "same", "strides": [2, 1], "data_format": "channels_first"},
    ),
    (
        "AtrousConvolution1D",
        {"nb_filter": 8, "filter_length": 3, "subsample_length": 1, "atrous_rate": 2},
        "Conv1D",
        {"filters": 8, "kernel_size": 3, "strides": 1, "dilation_rate": 2},
    ),
    (
        "SeparableConvolution2D",
        {"nb_filter": 8, "nb_row": 3, "nb_col": 3, "init": "zero", "dim_ordering": "tf", "depthwise_regularizer": L1L2},
        "SeparableConv2D",
        {
            "filters": 8,
            "kernel_size": [3, 3],
            "depthwise_initializer": "zeros",
            "pointwise_initializer": "zeros",
            "data_format": "channels_last",
            "depthwise_regularizer": {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.2}},
        },
    ),
    (
        "Convolution3D",
        {"nb_filter": 8, "kernel_dim1": 3, "kernel_dim2": 2, "kernel_dim3": 1, "dim_ordering": "tf"},
        "Conv3D",
        {"filters": 8, "kernel_size": [3, 2, 1], "data_format": "channels_last"},
    ),
    (
        "LSTM",
        {
            "output_dim": 4,
            "inner_init": "orthogonal",
            "inner_activation": "hard_sigmoid",
            "forget_bias_init": "one",
            "dropout_W": 0.1,
            "dropout_U": 0.2,
            "consume_less": "mem",
            "input_dim": None,
            "input_length": 5,
        },
        "LSTM",
        {
            "units": 4,
            "recurrent_initializer": "orthogonal",
            "recurrent_activation": "hard_sigmoid",
            "unit_forget_bias": True,
            "dropout": 0.1,
            "recurrent_dropout": 0.2,
            "implementation": 1,
        },
    ),
    ("Dropout", {"p": 0.4}, "Dropout", {"rate": 0.4}),
    ("GaussianDropout", {"p": 1.5}, "GaussianDropout", {"rate": 0.0}),
    ("GaussianNoise", {"sigma": 0.1}, "GaussianNoise", {"stddev": 0.1}),
    ("UpSampling1D", {"length": 3}, "UpSampling1D", {"size": 3}),
    (
        "MaxPooling1D",
        {"pool_length": 2, "stride": 1, "border_mode": "valid"},
        "MaxPooling1D",
        {"pool_size": 2, "strides": 1, "padding": "valid"},
    ),
    ("ZeroPadding1D", {"padding": {"right_pad": 2}}, "ZeroPadding1D", {"padding": [0, 2]}),
    (
        "ZeroPadding2D",
        {"padding": {"top_pad": 1, "right_pad": 2}, "dim_ordering": "th"},
        "ZeroPadding2D",
        {"padding": [[1, 0], [0, 2]], "data_format": "channels_first"},
    ),
    (
        "ZeroPadding2D",
        {"padding": [1, 2, 3, 4], "dim_ordering": "tf"},
        "ZeroPadding2D",
        {"padding": [[1, 2], [3, 4]], "data_format": "channels_last"},
    ),
    ("BatchNormalization", {"mode": 0, "axis": 1}, "BatchNormalization", {"axis": 1}),
    ("Merge", {"mode": "concat", "concat_axis": 1, "dot_axes": -1}, "Concatenate", {"axis": 1}),
    ("Merge", {"mode": "dot", "mode_type": "raw", "dot_axes": [1, 2]}, "Dot", {"axes": [1, 2]}),
    ("Merge", {"mode": "ave", "mode_type": "raw", "output_shape": None}, "Average", {}),
    ("Activation", {"activation": "relu"}, "Activation", {"activation": "relu"}),
    # Sizes that these strides and kernels can make of the same input, and what tells them apart in Keras 3.
    (
        "Deconvolution2D",
        {"nb_row": 3, "nb_col": 3, "output_shape": [None, 12, 9, 2], "subsample": [2, 2], "dim_ordering": "tf"},
        "Conv2DTranspose",
        {"kernel_size": [3, 3], "strides": [2, 2], "data_format": "channels_last", "output_padding": [1, 0]},
    ),
    (
        "Deconvolution2D",
        {"nb_row": 2, "nb_col": 3, "output_shape": [0, 2, 8, 6], "subsample": [2, 2], "border_mode": "same"},
        "Conv2DTranspose",
        {"kernel_size": [2, 3], "strides": [2, 2], "padding": "same", "data_format": "channels_last"},
    ),
    (
        "Deconvolution2D",
        {"nb_row": 3, "nb_col": 3, "output_shape": [0, 2, 7, 6], "border_mode": "same", "dim_ordering": "th"},
        "Conv2DTranspose",
        {"kernel_size": [3, 3], "padding": "same", "data_format": "channels_first"},
    ),
]


@pytest.mark.parametrize(("class_name", "config", "new_class", "new_config"), BEFORE_AFTER)
def test_classes_and_arguments(
    class_name: str, config: Mapping[str, Any], new_class: str, new_config: Mapping[str, Any]
) -> None:
    named = {"name": "x", "trainable": True}
    new = convert(Layer(class_name, "x", {**named, **config}))
    assert (new.class_name, dict(new.config)) == (new_class, {**named, **new_config})


def test_an_output_shape_that_keras_3_cannot_have_is_an_error() -> None:
    config = {"nb_row": 2, "nb_col": 2, "output_shape": [None, 7, 8, 1], "subsample": [2, 2], "border_mode": "same"}
    with pytest.raises(NotEquivalent, match="output_padding"):
        convert(Layer("Deconvolution2D", "x", {**config, "dim_ordering": "tf"}))


def test_gates_of_lstm_become_one_kernel_in_the_order_of_keras_2() -> None:
    shapes = {"W": (3, 2), "U": (2, 2), "b": (2,)}
    weights = {f"{k}_{g}": tensor(f"{k}_{g}", *s) for g in "icfo" for k, s in shapes.items()}
    new = values(convert(Layer("LSTM", "x", {"output_dim": 2, "consume_less": "cpu"}, weights=weights)))
    assert list(new) == ["kernel", "recurrent_kernel", "bias"]
    for name, kind in (("kernel", "W"), ("recurrent_kernel", "U"), ("bias", "b")):
        blocks = np.split(new[name], 4, axis=-1)
        for block, gate in zip(blocks, "ifco", strict=True):
            np.testing.assert_array_equal(block, weights[f"{kind}_{gate}"].read())


def test_gates_of_conv_lstm_are_transposed_before_they_are_joined() -> None:
    shapes = {"W": (2, 3, 4, 5), "U": (2, 2, 4, 5), "b": (2,)}
    weights = {f"{k}_{g}": tensor(f"{k}_{g}", *s) for g in "icfo" for k, s in shapes.items()}
    config = {"nb_filter": 2, "nb_row": 4, "nb_col": 5, "dim_ordering": "th"}
    new = values(convert(Layer("ConvLSTM2D", "x", config, weights=weights)))
    assert new["kernel"].shape == (4, 5, 3, 8)
    np.testing.assert_array_equal(new["kernel"][..., 2:4], weights["W_f"].read().transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(new["bias"][4:6], weights["b_c"].read())


@pytest.mark.parametrize("shape", [(3, 1, 4, 2), (2, 4, 3, 1)], ids=["keras 1.1", "keras 1.0"])
def test_kernel_of_convolution_1d(shape: tuple[int, ...]) -> None:
    weights = {"W": tensor("W", *shape), "b": tensor("b", 2)}
    new = values(convert(Layer("Convolution1D", "x", {"nb_filter": 2, "filter_length": 3}, weights=weights)))
    old = weights["W"].read()
    old = old if shape == (3, 1, 4, 2) else old.transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(new["kernel"], old[:, 0])


@pytest.mark.parametrize(
    ("class_name", "dim_ordering", "axes"),
    [
        ("Convolution2D", "th", (2, 3, 1, 0)),
        ("Convolution2D", "tf", (0, 1, 2, 3)),
        ("AtrousConvolution2D", "th", (2, 3, 1, 0)),
        ("Deconvolution2D", "th", (2, 3, 0, 1)),
        ("Deconvolution2D", "tf", (0, 1, 3, 2)),
        ("Convolution3D", "th", (2, 3, 4, 1, 0)),
    ],
)
def test_kernels_of_convolutions(class_name: str, dim_ordering: str, axes: tuple[int, ...]) -> None:
    weights = {"W": tensor("W", *range(2, 2 + len(axes))), "b": tensor("b", 2)}
    new = values(convert(Layer(class_name, "x", {"dim_ordering": dim_ordering}, weights=weights)))
    np.testing.assert_array_equal(new["kernel"], weights["W"].read().transpose(axes))
    np.testing.assert_array_equal(new["bias"], weights["b"].read())


def test_names_of_weights() -> None:
    weights = {n: tensor(n, 3) for n in ("gamma", "beta", "running_mean", "running_std")}
    new = convert(Layer("BatchNormalization", "x", {"mode": 0}, weights=weights))
    assert list(new.weights) == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert new.weights["moving_variance"] is weights["running_std"]
    assert list(convert(Layer("Embedding", "x", {}, weights={"W": tensor("W", 3, 2)})).weights) == ["embeddings"]


def test_whole_kernels_of_consume_less_gpu() -> None:
    found = slots("LSTM", {"consume_less": "gpu"}, 1)
    assert found is not None
    assert [s.name for s in found] == ["W", "U", "b"]
    weights = {"W": tensor("W", 3, 8), "U": tensor("U", 2, 8), "b": tensor("b", 8)}
    new = convert(Layer("LSTM", "x", {"consume_less": "gpu"}, weights=weights))
    assert new.weights == {"kernel": weights["W"], "recurrent_kernel": weights["U"], "bias": weights["b"]}


def test_a_highway_without_bias_has_no_carry_bias() -> None:
    assert slots("Highway", {"activation": "relu", "transform_gate_bias": -1}, 2) is None  # another of that name
    found = slots("Highway", {"bias": False}, 1)
    assert found is not None
    assert [s.name for s in found] == ["W", "W_carry"]


def test_shared_axes_of_prelu_are_those_with_one_parameter() -> None:
    new = convert(Layer("PReLU", "x", {"init": "zero"}, weights={"alphas": tensor("alphas", 1, 1, 5)}))
    assert (new.config["shared_axes"], list(new.weights)) == ([1, 2], ["alpha"])


def test_dim_ordering_is_that_of_the_other_layers() -> None:
    pad = Layer("ZeroPadding2D", "pad", {"padding": [1, 1]})
    conv = Layer("Convolution2D", "conv", {"dim_ordering": "th"})
    nested = Layer("Sequential", "nested", graph=Graph((pad,)))
    new = convert(Layer("Sequential", "both", graph=Graph((nested, conv))))
    assert [n.config["data_format"] for n in new.walk() if not n.is_model] == ["channels_first", "channels_first"]


def test_a_dim_ordering_that_nothing_tells_is_a_finding() -> None:
    writer = Writer("1.2.2")
    model = Layer("Sequential", "model", graph=Graph((Layer("UpSampling2D", "up", path="model/up"),)))
    outcome = engine.apply(Artifact("a.h5", "h5-model", writer, model, writer), keras_1.RULES)
    assert [(f.code, f.path) for f in outcome.findings] == [("dim_ordering_assumed", "model/up")]
    assert outcome.artifact.model is not None
    assert outcome.artifact.model.graph is not None
    assert outcome.artifact.model.graph["up"].config["data_format"] == "channels_last"


@pytest.mark.parametrize(
    ("class_name", "config", "shape", "dtype"),
    [
        ("Dense", {"batch_input_shape": [None, 4], "input_dtype": "float32", "input_dim": 4}, [None, 4], "float32"),
        ("Dense", {"input_dim": 4}, [None, 4], "float32"),
        ("GRU", {"input_dim": 4, "input_length": None}, [None, None, 4], "float32"),
        ("Highway", {"input_dim": 2}, [None, 2], "float32"),
        ("Embedding", {"input_dim": 9, "input_length": 7}, [None, 7], "int32"),
    ],
)
def test_input_layer_of_sequential(class_name: str, config: Mapping[str, Any], shape: list[int], dtype: str) -> None:
    first = Layer(class_name, "first", config, weights={"W": tensor("W", 2, 2)})
    new = convert(Layer("Sequential", "nested", graph=Graph((first,))))
    assert new.graph is not None
    entry, body = new.graph.layers
    assert (entry.class_name, entry.name) == ("InputLayer", "first_input")
    assert (entry.config["batch_input_shape"], entry.config["dtype"]) == (shape, dtype)
    assert "batch_input_shape" not in body.config


def test_merge_of_models_becomes_a_functional_model() -> None:
    def branch(i: int) -> Layer:
        dense = Layer("Dense", f"dense_{i}", {"output_dim": 2, "batch_input_shape": [None, i]})
        return Layer("Sequential", "sequential", graph=Graph((dense,)))

    merge = Layer("Merge", "merge", {"mode": "sum"}, children={"layers/0": branch(3), "layers/1": branch(4)})
    new = convert(Layer("Sequential", "whole", graph=Graph((merge, Layer("Dense", "last", {"output_dim": 1})))))
    assert new.graph is not None
    assert new.class_name == "Functional"
    assert [n.name for n in new.graph.layers] == [
        *("sequential_input", "sequential_2_input", "sequential", "sequential_2", "merge", "last")
    ]
    assert [new.graph[r.layer].config["batch_input_shape"] for r in new.graph.inputs] == [[None, 3], [None, 4]]
    assert new.graph["merge"].class_name == "Add"
    assert new.graph["merge"].calls == (Call(([Ref("sequential"), Ref("sequential_2")],)),)
    assert new.graph["last"].calls == (Call((Ref("merge"),)),)
    assert new.graph.outputs == [Ref("last")]


@pytest.mark.parametrize("mode_type", ["lambda", "function"])
def test_a_merge_by_a_function_is_an_error(mode_type: str) -> None:
    with pytest.raises(NotEquivalent, match="Python function"):
        convert(Layer("Merge", "x", {"mode": "f", "mode_type": mode_type}))


@pytest.mark.parametrize(
    ("class_name", "config"),
    [("Highway", {}), ("SReLU", {}), ("ParametricSoftplus", {}), ("BatchNormalization", {"mode": 1})],
)
def test_removed_layers_need_their_weights(class_name: str, config: Mapping[str, Any]) -> None:
    with pytest.raises(NotEquivalent, match="without its weights"):
        convert(Layer(class_name, "x", config))


def test_maxout_dense() -> None:
    weights = {"W": tensor("W", 3, 4, 5), "b": tensor("b", 3, 5)}
    new = convert(Layer("MaxoutDense", "x", {"output_dim": 5, "nb_feature": 3, "bias": True}, weights=weights))
    assert new.graph is not None
    dense = new.graph["features"]
    assert (dense.class_name, dense.config["equation"]) == ("EinsumDense", "ab,cbd->acd")
    assert dense.config["output_shape"] == [3, 5]
    assert dense.weights == {"kernel": weights["W"], "bias": weights["b"]}
    assert new.graph["output"].config["function"] == "max"


@pytest.mark.parametrize(
    ("shape", "classes"),
    [
        ((3, 1, 1), {"BatchNormalization"}),
        ((1, 5), {"BatchNormalization"}),
        ((4, 5), {"EinsumDense"}),
        ((4, 5, 1), {"EinsumDense"}),
    ],
)
def test_parameters_of_parametric_softplus(shape: tuple[int, ...], classes: set[str]) -> None:
    weights = {"alphas": tensor("alphas", *shape), "betas": tensor("betas", *shape)}
    scale, _, weigh = convert_to_several(Layer("ParametricSoftplus", "x", {}, weights=weights))
    assert {scale.class_name, weigh.class_name} == classes
    for layer, name in ((scale, "betas"), (weigh, "alphas")):
        found = values(layer)["gamma" if classes == {"BatchNormalization"} else "kernel"]
        np.testing.assert_array_equal(found.ravel(), weights[name].read().ravel())
    if classes == {"BatchNormalization"}:  # divides by the root of variance and epsilon, which is exactly 1
        assert values(scale)["moving_variance"] + np.float32(scale.config["epsilon"]) == pytest.approx(1, abs=0)


def test_full_border_mode_is_padding() -> None:
    config = {"nb_filter": 1, "nb_row": 3, "nb_col": 2, "border_mode": "full", "dim_ordering": "tf"}
    pad, conv = convert_to_several(Layer("Convolution2D", "x", config))
    assert (pad.class_name, pad.config["padding"]) == ("ZeroPadding2D", [2, 1])
    assert (conv.class_name, conv.config["padding"]) == ("Conv2D", "valid")


@pytest.mark.parametrize(("epsilon", "codes"), [(1e-6, ["running_std_ambiguous"]), (1e-3, [])])
def test_running_std_of_files_without_a_version(epsilon: float, codes: list[str]) -> None:
    layer = Layer("BatchNormalization", "x", {"epsilon": epsilon}, weights={"running_std": tensor("running_std", 3)})
    for keras, expected in ((None, codes), ("1.2.2", [])):
        model = Layer("Sequential", "model", graph=Graph((layer,)))
        artifact = Artifact("a.h5", "h5-model", Writer(keras), model, Writer(keras))
        assert [f.code for f in engine.apply(artifact, keras_1.RULES).findings] == expected


@pytest.mark.parametrize(
    ("names", "theano"),
    [
        (["dense_1_W:0", "dense_1_b:0"], False),
        (["dense_1_W", "dense_1_b", "param_2"], True),
        (["param_0", "param_1"], None),
        (["dense_1_W:0", "dense_1_b"], None),
        ([], None),
    ],
)
def test_written_on_theano(names: list[str], theano: bool | None) -> None:
    assert keras_1.written_on_theano([tensor(name, 1) for name in names]) is theano


OLD_FIELDS = {
    *("output_dim", "init", "inner_init", "inner_activation", "nb_filter", "nb_row", "nb_col", "filter_length"),
    *("border_mode", "subsample", "subsample_length", "dim_ordering", "atrous_rate", "pool_length", "stride"),
    *("W_regularizer", "U_regularizer", "b_regularizer", "W_constraint", "b_constraint", "dropout_W", "dropout_U"),
    *("consume_less", "forget_bias_init", "p", "sigma", "bias", "mode", "dot_axes", "concat_axis"),
}
FILES = [m for m in load_manifest() if m.made_with == "keras 1.2.2" and m.container in ("h5-model", "config-json")]


@pytest.mark.parametrize("file", FILES, ids=[m.file for m in FILES])
def test_files_of_keras_1(file: SavedModel) -> None:
    """Nothing of Keras 1 is left in the file's model, and every layer has the variables its class has."""
    artifact = read(file.path)
    once = engine.apply(artifact, keras_1.RULES).artifact
    assert engine.apply(once.replace(dialect=artifact.dialect), keras_1.RULES).changes == ()
    assert once.model is not None
    used = set()
    for layer in once.model.walk():
        old = OLD_FIELDS - ({"output_dim"} if layer.class_name == "Embedding" else set())
        assert not old & set(layer.config), layer.path
        assert not layer.class_name.startswith(("Convolution", "Atrous", "Deconvolution", "Merge")), layer.path
        expected = slots(layer.class_name, layer.config) or ()
        if layer.weights:
            assert set(layer.weights) == {slot.name for slot in expected}, layer.path
        used.update(source for t in layer.weights.values() for source in t.sources)
    unused = {source for t in artifact.tensors for source in t.sources} - used
    # Modes 1 and 2 of BatchNormalization keep averages and never use them.
    assert all("running_" in source for source in unused)
