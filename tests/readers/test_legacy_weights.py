"""Tensors of legacy files, listed by layer, to the variables they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from reconstruct.artifact import Finding, Graph, Layer, Tensor, Writer
from reconstruct.readers import legacy_weights
from tests.rules.cases import functional, layer, sequential

KERAS_1, KERAS_2, TF_KERAS = Writer("1.2.2"), Writer("2.2.4"), Writer("2.4.0")


def tensors(group: str, *names: str) -> list[Tensor]:
    """Tensors with the names that the file has for the variables of a layer."""
    value = np.zeros(1, "float32")
    return [Tensor(n, (1,), "float32", lambda: value, (f"/{group}/{n}",)) for n in names]


def attach(
    model: Layer, groups: dict[str, Sequence[str]], writer: Writer = KERAS_2
) -> tuple[dict[str, list[str]], list[Finding]]:
    """For each layer with weights, by name, `variable<-name in the file`; and the findings."""
    filled, findings = legacy_weights.attach(model, {g: tensors(g, *names) for g, names in groups.items()}, writer)
    found = {n.name: [f"{k}<-{t.name}" for k, t in n.weights.items()] for n in filled.walk() if n.weights}
    return found, findings


def test_by_the_order_of_the_file_where_names_say_nothing() -> None:
    model = sequential(layer("Dense", "d"), layer("ReLU", "r"), layer("BatchNormalization", "bn", scale=False))
    found, findings = attach(model, {"d": ["w", "b"], "r": [], "bn": ["1", "2", "3"]})
    assert found == {"d": ["kernel<-w", "bias<-b"], "bn": ["beta<-1", "moving_mean<-2", "moving_variance<-3"]}
    assert findings == []


def test_names_decide_where_the_order_is_another() -> None:
    found, findings = attach(sequential(layer("Dense", "d")), {"d": ["d/bias:0", "d/kernel:0"]})
    assert {name: set(pairs) for name, pairs in found.items()} == {"d": {"kernel<-d/kernel:0", "bias<-d/bias:0"}}
    assert [(f.code, f.severity) for f in findings] == [("weights_permuted", "warning")]


def test_groups_of_other_names_go_by_order_if_their_number_fits() -> None:
    model = sequential(layer("Dense", "a"), layer("ReLU", "r"), layer("Dense", "b", use_bias=False))
    found, findings = attach(model, {"dense_1": ["1", "2"], "dense_2": ["3"]})
    assert found == {"a": ["kernel<-1", "bias<-2"], "b": ["kernel<-3"]}
    assert findings == []


def test_numbered_groups_of_keras_0_3() -> None:
    model = sequential(layer("Dense", "a"), layer("Activation", "r"), layer("Dense", "b"))
    groups = {"layer_0": ["param_0", "param_1"], "layer_1": [], "layer_2": ["param_0", "param_1"]}
    found, _ = attach(model, groups, Writer(None))
    assert found == {"a": ["W<-param_0", "b<-param_1"], "b": ["W<-param_0", "b<-param_1"]}


def test_a_group_without_a_layer_is_a_finding() -> None:
    found, findings = attach(sequential(layer("Dense", "a")), {"a": ["1", "2"], "gone": ["3"]})
    assert found == {"a": ["kernel<-1", "bias<-2"]}
    assert [(f.code, f.path) for f in findings] == [("weights_without_layer", "gone")]


def test_too_few_tensors_are_an_error() -> None:
    found, findings = attach(sequential(layer("Dense", "a")), {"a": ["a/kernel:0"]})
    assert [(f.code, f.severity) for f in findings] == [("unexpected_weights", "error")]
    assert "should have 2 variables, the file has 1" in findings[0].message
    assert found == {"a": ["kernel<-a/kernel:0"]}


def test_an_unknown_layer_keeps_its_tensors_under_their_names() -> None:
    found, findings = attach(sequential(layer("Mine", "m")), {"m": ["m/scale:0", "m_shift:0", "m/scale:0", "other/x"]})
    assert found == {"m": ["scale<-m/scale:0", "shift<-m_shift:0", "scale_<-m/scale:0", "other/x<-other/x"]}
    assert findings == []


def test_unknown_layers_of_a_nested_model_are_found_by_name() -> None:
    inner = sequential(layer("Mine", "mine"), layer("Dense", "d"), layer("Dropout", "drop"), name="inner")
    names = ["mine/w:0", "d/kernel:0", "inner/mine/part/b:0", "d/bias:0", "lost:0"]
    found, findings = attach(sequential(inner), {"inner": names}, TF_KERAS)
    assert found == {
        "mine": ["w<-mine/w:0", "part/b<-inner/mine/part/b:0"],
        "d": ["kernel<-d/kernel:0", "bias<-d/bias:0"],
        "inner": ["lost<-lost:0"],
    }
    assert findings == []


def test_a_wrapper_gives_its_layer_all_tensors_and_keeps_its_own() -> None:
    plain = layer("TimeDistributed", "td").replace(children={"layer": layer("Mine", "mine")})
    assert attach(sequential(plain), {"td": ["td/w:0", "td/b:0"]})[0] == {"mine": ["w<-td/w:0", "b<-td/b:0"]}
    foreign = layer("Masked", "masked_d").replace(children={"layer": layer("Dense", "d")})
    found, findings = attach(sequential(foreign), {"masked_d": ["d/kernel:0", "d/bias:0", "masked_d/mask:0"]})
    assert found == {"d": ["kernel<-d/kernel:0", "bias<-d/bias:0"], "masked_d": ["mask<-masked_d/mask:0"]}
    assert findings == []


def test_a_nested_model_lists_what_is_trained_first() -> None:
    inner = functional(
        layer("Dense", "d", use_bias=False), layer("BatchNormalization", "bn"), layer("Dense", "e"), name="n"
    )
    found, _ = attach(sequential(inner), {"n": [str(i) for i in range(7)]})
    assert found == {
        "d": ["kernel<-0"],
        "bn": ["gamma<-1", "beta<-2", "moving_mean<-5", "moving_variance<-6"],
        "e": ["kernel<-3", "bias<-4"],
    }


@pytest.mark.parametrize(
    ("writer", "bn"),
    [
        (KERAS_2, ["gamma<-1", "beta<-2", "moving_mean<-4", "moving_variance<-5"]),
        (TF_KERAS, ["gamma<-1", "beta<-2", "moving_mean<-3", "moving_variance<-4"]),
    ],
    ids=["keras 2.2.4", "tf.keras"],
)
def test_a_nested_model_that_is_frozen_as_a_whole(writer: Writer, bn: list[str]) -> None:
    inner = functional(
        layer("Dense", "d", use_bias=False),
        layer("BatchNormalization", "bn"),
        layer("Dense", "e", use_bias=False),
        name="n",
    ).having(trainable=False)
    found, _ = attach(sequential(inner), {"n": [str(i) for i in range(6)]}, writer)
    assert found["bn"] == bn
    assert found["d"] == ["kernel<-0"]


def test_a_frozen_layer_of_a_nested_model_comes_last() -> None:
    inner = functional(layer("Dense", "d", trainable=False), layer("Dense", "e"), name="n")
    found, _ = attach(sequential(inner), {"n": ["0", "1", "2", "3"]})
    assert found == {"d": ["kernel<-2", "bias<-3"], "e": ["kernel<-0", "bias<-1"]}


def test_wrappers_and_both_directions() -> None:
    both = layer("Bidirectional", "b").replace(
        children={
            "forward_layer": layer("LSTM", "forward_x", use_bias=False),
            "backward_layer": layer("LSTM", "backward_x", use_bias=False),
        }
    )
    wrapped = layer("TimeDistributed", "t").replace(children={"layer": layer("Dense", "d")})
    found, _ = attach(sequential(both, wrapped), {"b": ["0", "1", "2", "3"], "t": ["4", "5"]})
    assert found == {
        "forward_x": ["kernel<-0", "recurrent_kernel<-1"],
        "backward_x": ["kernel<-2", "recurrent_kernel<-3"],
        "d": ["kernel<-4", "bias<-5"],
    }


def test_gates_of_keras_1_and_whole_kernels() -> None:
    names = [f"{kind}_{gate}" for gate in "zrh" for kind in "WUb"]
    found, _ = attach(sequential(layer("GRU", "g")), {"g": names}, KERAS_1)
    assert found == {"g": [f"{n}<-{n}" for n in names]}
    found, _ = attach(sequential(layer("GRU", "g", consume_less="gpu")), {"g": ["0", "1", "2"]}, KERAS_1)
    assert found == {"g": ["W<-0", "U<-1", "b<-2"]}


def test_layers_of_a_nested_sequential_of_keras_1_are_groups_of_their_own() -> None:
    model = sequential(sequential(layer("Dense", "inside"), name="inner"), layer("Dense", "outside"))
    found, findings = attach(model, {"inside": ["0", "1"], "outside": ["2", "3"]}, KERAS_1)
    assert found == {"inside": ["W<-0", "b<-1"], "outside": ["W<-2", "b<-3"]}
    assert findings == []


def test_nothing_is_read() -> None:
    def refuse() -> np.ndarray:
        raise AssertionError("read")

    lazy = [Tensor(n, (1,), "float32", refuse) for n in ("d/kernel:0", "d/bias:0")]
    model = Layer("Sequential", "s", graph=Graph((layer("Dense", "d"),)))
    filled, _ = legacy_weights.attach(model, {"d": lazy}, KERAS_2)
    assert filled.graph is not None
    assert list(filled.graph["d"].weights.values()) == lazy


def test_a_nested_model_with_an_unknown_layer_goes_by_names() -> None:
    inner = functional(layer("Own", "own"), layer("Dense", "d"), layer("BatchNormalization", "bn"), name="inner")
    names = ["inner/own/a:0", "d/kernel:0", "d/bias:0", "bn/gamma:0", "bn/beta:0", "own/b:0"]
    names += ["bn/moving_variance:0", "bn/moving_mean:0"]
    found, findings = attach(sequential(inner), {"inner": names})
    assert {name: set(pairs) for name, pairs in found.items()} == {
        "own": {"a<-inner/own/a:0", "b<-own/b:0"},
        "d": {"kernel<-d/kernel:0", "bias<-d/bias:0"},
        "bn": {f"{v}<-bn/{v}:0" for v in ("gamma", "beta", "moving_mean", "moving_variance")},
    }
    assert findings == []


def test_what_stands_between_tensors_of_an_unknown_layer_is_its_own() -> None:
    inner = sequential(layer("Mine", "mine"), layer("Dense", "d"), name="inner")
    names = ["mine/query/kernel:0", "dense_3/kernel:0", "dense_3/bias:0", "mine/norm/gamma:0", "d/kernel:0", "x/y:0"]
    found, _ = attach(functional(inner, name="m"), {"inner": names})
    own = ["query/kernel<-mine/query/kernel:0", "dense_3/kernel<-dense_3/kernel:0", "dense_3/bias<-dense_3/bias:0"]
    assert found["mine"] == [*own, "norm/gamma<-mine/norm/gamma:0"]
    assert found["d"] == ["kernel<-d/kernel:0"]
    assert found["inner"] == ["x/y<-x/y:0"]


def test_names_that_two_layers_of_a_nested_model_have_decide_nothing() -> None:
    below = functional(layer("Dense", "d"), name="below")
    inner = functional(layer("Own", "own"), layer("Dense", "d"), below, name="inner")
    found, _ = attach(sequential(inner), {"inner": ["own/a:0", "d/kernel:0", "d/bias:0", "d/kernel:0", "d/bias:0"]})
    assert set(found) == {"own", "inner"}  # whose kernel it is, nothing says


def test_an_unknown_layer_in_time_distributed_has_its_tensors() -> None:
    wrapper = layer("TimeDistributed", "td").replace(children={"layer": layer("Own", "own")})
    found, findings = attach(sequential(wrapper), {"td": ["td/part/a:0", "td/b:0"]})
    assert found == {"own": ["part/a<-td/part/a:0", "b<-td/b:0"]}
    assert findings == []


def test_a_wrapper_that_keras_does_not_have_holds_what_it_wraps() -> None:
    inner = layer("Dense", "d", use_bias=False)
    wrapper = layer("Own", "w").replace(children={"layer": inner})
    found, findings = attach(sequential(wrapper), {"w": ["w/u:0", "w/kernel:0"]})
    assert found == {"w": ["u<-w/u:0", "kernel<-w/kernel:0"]}
    assert findings == []
