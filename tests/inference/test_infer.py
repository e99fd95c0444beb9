"""From tensors to a model: shapes decide, examples decide the rest, and what neither decides is said."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Group, Layer, Writer, constant
from reconstruct.inference.evidence import gather
from reconstruct.inference.forward import Weights, run
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import Inferred, infer
from reconstruct.objects.placeholders import is_placeholder

RNG = np.random.default_rng(0)


def group(name: str, *shapes: tuple[int, ...], scale: float = 1.0) -> Group:
    """A group of random tensors; kernels keep the size of what they are applied to."""
    fans = [max(1, int(np.prod(s[:-1]))) for s in shapes]
    arrays = [scale * RNG.standard_normal(s) / np.sqrt(f) for s, f in zip(shapes, fans, strict=True)]
    return Group(name, None, tuple(constant(f"{name}/vars/{i}", a.astype("float32")) for i, a in enumerate(arrays)))


def artifact(*groups: Group, keras: str = "2.2.4") -> Artifact:
    writer = Writer(keras, "tensorflow")
    tensors = tuple(t for g in groups for t in g.tensors)
    return Artifact("w.h5", "h5-weights", writer, None, writer, tensors, groups=tuple(groups))


def computed(source: Artifact, x: np.ndarray, *configs: Mapping[str, Any]) -> np.ndarray:
    """What the chain of layers computes with these fields set."""
    weights = Weights()
    for found, config in zip(gather(source).layers, configs, strict=True):
        x = run(found.layer.having(**config), [x], weights, keras_2=True)
    return x


def layers(result: Inferred) -> list[Layer]:
    assert result.artifact.model is not None
    assert result.artifact.model.graph is not None
    return list(result.artifact.model.graph.layers)


def input_shape(result: Inferred) -> Sequence[int | None]:
    shape = layers(result)[0].config["batch_shape"]
    assert isinstance(shape, list)
    return shape


MLP = artifact(group("dense_1", (5, 16), (16,)), group("dense_2", (16, 16), (16,)), group("dense_3", (16, 3), (3,)))
FIELDS = ({"activation": "tanh"}, {"activation": "elu"}, {"activation": "linear"})
INPUTS = RNG.standard_normal((12, 5)).astype("float32")


def test_examples_decide_activations_and_those_held_back_confirm() -> None:
    result = infer(MLP, Hints(examples=([INPUTS], [computed(MLP, INPUTS, *FIELDS)]), budget=30))
    assert [n.config["activation"] for n in layers(result)[1:]] == ["tanh", "elu", "linear"]
    assert result.confirmed
    assert result.held_back == 3
    assert not result.assumptions


def test_outputs_that_are_small_are_compared_by_their_own_size() -> None:
    small = artifact(group("a", (5, 16), (16,)), group("b", (16, 16), (16,)), group("c", (16, 3), (3,), scale=1e-5))
    result = infer(small, Hints(examples=([INPUTS], [computed(small, INPUTS, *FIELDS)]), budget=30))
    assert [n.config["activation"] for n in layers(result)[1:]] == ["tanh", "elu", "linear"]
    assert result.confirmed


def test_one_example_confirms_nothing() -> None:
    one = INPUTS[:1]
    result = infer(MLP, Hints(examples=([one], [computed(MLP, one, *FIELDS)]), budget=30))
    assert result.examples_agree
    assert not result.confirmed


def test_inputs_of_unlike_sizes_are_looked_at_in_as_many_other_rows() -> None:
    wide, narrow = RNG.standard_normal((8, 1200)).astype("float32"), INPUTS[:8]
    two = artifact(
        *(group(name) for name in ("input_1", "input_2")),
        *(group("dense_1", (1200, 4), (4,)), group("dense_2", (5, 3), (3,)), group("concatenate_1")),
        group("dense_3", (7, 2), (2,)),
    )
    kernels = {t.name: np.asarray(Weights()(t)) for t in two.tensors}

    def dense(name: str, x: np.ndarray) -> np.ndarray:
        made: np.ndarray = x @ kernels[f"{name}/vars/0"] + kernels[f"{name}/vars/1"]
        return made

    joined = np.concatenate([np.tanh(dense("dense_1", wide)), np.tanh(dense("dense_2", narrow))], -1)
    result = infer(two, Hints(examples=([wide, narrow], [dense("dense_3", joined)]), budget=30))
    assert result.confirmed


@pytest.mark.parametrize("values", [2, 1])
def test_floats_that_an_embedding_takes_are_indices_however_few_there_are(values: int) -> None:
    flags = artifact(group("embedding_1", (2, 4)), group("flatten_1"), group("dense_1", (24, 3), (3,)))
    x = RNG.integers(0, values, (10, 6)).astype("float32")
    result = infer(flags, Hints(examples=([x], [computed(flags, x, {}, {}, {})]), budget=30))
    assert result.examples_agree


def test_held_back_examples_that_differ_do_not_confirm() -> None:
    outputs = computed(MLP, INPUTS, *FIELDS)
    outputs[-1] += 1
    result = infer(MLP, Hints(examples=([INPUTS], [outputs]), budget=30))
    assert result.examples_agree
    assert not result.confirmed


def test_examples_decide_the_activation_and_the_gates_of_a_convolutional_lstm() -> None:
    source = artifact(group("conv_lst_m2d", (3, 3, 2, 8), (3, 3, 2, 8), (8,)))
    x = RNG.standard_normal((4, 3, 6, 6, 2)).astype("float32")
    chosen = {"activation": "relu", "recurrent_activation": "hard_sigmoid", "padding": "same", "return_sequences": True}
    result = infer(
        source, Hints(input_shape=[[None, 6, 6, 2]], examples=([x], [computed(source, x, chosen)]), budget=30)
    )
    assert result.confirmed
    assert {k: layers(result)[1].config[k] for k in chosen} == chosen


def test_pools_that_treat_the_sides_of_a_square_image_unlike_are_found_where_no_others_fit() -> None:
    source = artifact(
        group("conv2d_1", (3, 3, 1, 4), (4,)),
        group("max_pooling2d_1"),
        group("conv2d_2", (3, 3, 4, 4), (4,)),
        group("max_pooling2d_2"),
        group("flatten_1"),
        group("dense_1", (24, 3), (3,)),
    )
    x = RNG.standard_normal((4, 32, 32, 1)).astype("float32")
    conv = {"activation": "relu", "strides": [1, 1], "padding": "valid"}
    pool = {"pool_size": [4, 2], "strides": [4, 2], "padding": "valid"}
    outputs = computed(source, x, conv, pool, conv, pool, {}, {"activation": "softmax"})
    result = infer(source, Hints(input_shape=[[32, 32, 1]], examples=([x], [outputs]), budget=90))
    assert result.confirmed
    assert [n.config["pool_size"] for n in layers(result) if "Pooling" in n.class_name] == [[4, 2], [4, 2]]


def test_examples_that_no_choice_explains_are_not_agreed_with() -> None:
    noise = RNG.standard_normal((12, 3)).astype("float32")
    result = infer(MLP, Hints(examples=([INPUTS], [noise]), budget=3))
    assert result.examples_agree is False
    assert not result.confirmed


def test_what_examples_leave_open_is_an_assumption() -> None:
    positive = artifact(group("dense_1", (2, 4), (4,)), group("dense_2", (4, 1), (1,)))
    kernel, bias = np.full((4, 1), 0.5, "float32"), np.full(1, 9.0, "float32")
    last = Group("dense_2", None, (constant("kernel:0", kernel), constant("bias:0", bias)))
    source = artifact(positive.groups[0], last)
    x = RNG.standard_normal((8, 2)).astype("float32")
    y = computed(source, x, {"activation": "tanh"}, {"activation": "linear"})
    result = infer(source, Hints(examples=([x], [y]), budget=20))
    assert result.examples_agree
    assert layers(result)[2].config["activation"] == "linear"
    # tanh is at most 1, so the output is above 7 for all inputs, and relu is the same on all of them
    assert all(a["path"] != "model/dense_2" for a in result.assumptions)


@pytest.mark.parametrize("lowest", [0, 1])
def test_masking_is_open_where_no_example_has_an_index_to_mask(lowest: int) -> None:
    shapes = ((5, 24), (6, 24), (24,))
    source = artifact(group("embedding_1", (30, 5)), group("lstm_1", *shapes), group("dense_1", (6, 2), (2,)))
    x = RNG.integers(lowest, 30, size=(12, 10)).astype("float32")
    x[:, 0] = lowest
    y = computed(source, x, {}, {"activation": "tanh", "recurrent_activation": "hard_sigmoid"}, {})
    result = infer(source, Hints(examples=([x], [y]), budget=20))
    assert result.confirmed
    assert any("mask_zero" in a["message"] for a in result.assumptions) == (lowest > 0)


def test_flatten_and_pooling_decide_the_input() -> None:
    source = artifact(
        group("conv2d_1", (3, 3, 1, 32), (32,)),
        group("max_pooling2d_1"),
        group("conv2d_2", (3, 3, 32, 64), (64,)),
        group("max_pooling2d_2"),
        group("flatten_1"),
        group("dense_1", (1600, 10), (10,)),
    )
    result = infer(source, Hints())
    assert input_shape(result) == [None, 28, 28, 1]
    assert [n.config.get("padding") for n in layers(result) if n.class_name == "Conv2D"] == ["valid", "valid"]


def test_layers_that_the_file_does_not_list_are_put_where_shapes_demand_them() -> None:
    source = artifact(group("conv2d_1", (3, 3, 3, 8), (8,)), group("dense_1", (288, 2), (2,)), keras="2.3.0")
    result = infer(source, Hints(input_shape=[[14, 14, 3]]))
    assert "Flatten" in [n.class_name for n in layers(result)]
    assert layers(result)[-1].class_name == "Dense"


def test_a_setting_is_taken_and_no_assumption() -> None:
    result = infer(MLP, Hints(settings={"dense_2.activation": "softsign"}))
    assert layers(result)[2].config["activation"] == "softsign"
    assert all("dense_2.activation" not in a.get("set", "") for a in result.assumptions)
    assert any(a["set"] == "--set dense_1.activation=VALUE" and a["alternatives"] for a in result.assumptions)


def test_one_number_is_set_for_all_axes() -> None:
    source = artifact(group("conv2d_1", (3, 3, 1, 4), (4,)), group("flatten_1"), group("dense_1", (196, 2), (2,)))
    result = infer(source, Hints(input_shape=[[16, 16, 1]], settings={"conv2d_1.strides": 2}))
    assert next(n for n in layers(result) if n.class_name == "Conv2D").config["strides"] == [2, 2]


def test_a_setting_of_no_layer_is_named() -> None:
    result = infer(
        MLP, Hints(settings={"dense_9.activation": "tanh", "dense_2.strides": 2, "dense_1.activation": "elu"})
    )
    said = [f.message for f in result.findings if f.code == "setting_unused"]
    assert len(said) == 2
    assert "'dense_9'" in said[0]
    assert "'strides'" in said[1]


def test_a_setting_that_the_weights_contradict_is_named_and_no_other() -> None:
    settings = {"dense_1.units": 7, "dense_2.units": 16, "dense_2.activation": "leaky_relu@0.3"}
    said = [f.message for f in infer(MLP, Hints(settings=settings)).findings if f.code == "setting_unused"]
    assert len(said) == 1
    assert "'dense_1.units'" in said[0]
    assert "16" in said[0]


def test_a_task_decides_the_last_activation() -> None:
    found = {
        task: layers(infer(MLP, Hints(task=task)))[-1].config["activation"] for task in ("classification", "regression")
    }
    assert found == {"classification": "softmax", "regression": "linear"}


def test_an_activation_may_end_a_model_whose_last_weights_are_no_kernel() -> None:
    source = artifact(group("embedding_1", (7, 4)), group("global_average_pooling1d_1"), group("activation_1"))
    assert [n.class_name for n in layers(infer(source, Hints()))][1:] == [
        "Embedding",
        "GlobalAveragePooling1D",
        "Activation",
    ]


def test_branches_are_wired_by_channels() -> None:
    source = artifact(
        group("input_1"),
        group("input_2"),
        group("dense_1", (3, 8), (8,)),
        group("dense_2", (1, 8), (8,)),
        group("concatenate_1"),
        group("dense_3", (16, 1), (1,)),
    )
    result = infer(source, Hints())
    by_name = {n.name: [r.layer for c in n.calls for r in c.refs()] for n in layers(result)}
    assert by_name["dense_1"] == ["input_1"]
    assert by_name["dense_2"] == ["input_2"]
    assert by_name["concatenate_1"] == ["dense_1", "dense_2"]


def test_nothing_is_lost_where_nothing_fits() -> None:
    source = artifact(group("dense_1", (3, 8), (8,)), group("dense_2", (7, 2), (2,)))
    result = infer(source, Hints(budget=5))
    held = [n for n in layers(result) if n.class_name != "InputLayer"]
    assert all(is_placeholder(n) for n in held)
    assert [t.shape for n in held for t in n.weights.values()] == [(3, 8), (8,), (7, 2), (2,)]


@pytest.mark.parametrize("count", [500, 10_000])
def test_many_layers_end_within_the_budget(count: int) -> None:
    kernel, bias = constant("kernel:0", np.zeros((4, 4), "float32")), constant("bias:0", np.zeros(4, "float32"))
    source = artifact(*(Group(f"dense_{i}", None, (kernel, bias)) for i in range(count)))
    started = time.monotonic()
    result = infer(source, Hints(budget=5))
    assert time.monotonic() - started < 30
    assert sum(len(n.weights) for n in layers(result)) == 2 * count


def test_hostile_names_are_only_names() -> None:
    name = "a/../../etc/passwd\n(a+)+$" + "x" * 5000
    result = infer(artifact(group(name, (3, 2), (2,))), Hints())
    assert [n.class_name for n in layers(result)] == ["InputLayer", "Dense"]


def test_sizes_that_weights_only_suit_are_assumptions() -> None:
    source = artifact(group("conv2d_1", (3, 3, 1, 4), (4,)), group("dense_1", (144, 3), (3,)))
    guessed = [a for a in infer(source, Hints()).assumptions if a.get("set") == "--input-shape SHAPE"]
    assert "is taken to be 8,8,1" in guessed[0]["message"]
    given = infer(source, Hints(input_shape=[(8, 8, 1)]))
    assert not any(a.get("set") == "--input-shape SHAPE" for a in given.assumptions)


def activations(result: Inferred) -> list[str]:
    return [n.config["activation"] for n in layers(result) if "activation" in n.config]


def test_what_flattens_a_single_step_is_an_agent_and_gives_the_values_of_actions() -> None:
    source = artifact(
        group("flatten_1"),
        group("dense_1", (6, 8), (8,)),
        group("activation_1"),
        group("dense_2", (8, 6), (6,)),
        group("activation_2"),
    )
    assert activations(infer(source, Hints(input_shape=[[1, 6]])))[-1] == "linear"


def test_a_convolution_that_goes_on_to_the_next_kernel_has_its_own_activation() -> None:
    source = artifact(
        group("conv2d_1", (3, 3, 1, 4), (4,)),
        group("max_pooling2d_1"),
        group("flatten_1"),
        group("dense_1", (36, 5), (5,)),
        group("activation_1"),
        group("dense_2", (5, 2), (2,)),
        group("activation_2"),
    )
    assert activations(infer(source, Hints(input_shape=[[8, 8, 1]])))[0] == "relu"


def test_only_the_first_convolution_of_each_block_may_be_padded() -> None:
    blocks = [
        group(name, *shapes)
        for k, (a, b) in enumerate(((1, 4), (4, 8), (8, 8)))
        for name, shapes in (
            (f"conv2d_{2 * k}", ((3, 3, a, b), (b,))),
            (f"conv2d_{2 * k + 1}", ((3, 3, b, b), (b,))),
            (f"max_pooling2d_{k}", ()),
        )
    ]
    source = artifact(*blocks, group("flatten_1"), group("dense_1", (288, 3), (3,)))
    result = infer(source, Hints(input_shape=[[64, 64, 1]]))
    assert [n.config["padding"] for n in layers(result) if n.class_name == "Conv2D"] == ["same", "valid"] * 3


def test_a_function_on_an_image_is_taken_to_rescale_it() -> None:
    source = artifact(
        group("lambda_1"), group("conv2d_1", (3, 3, 3, 4), (4,)), group("flatten_1"), group("dense_1", (144, 1), (1,))
    )
    result = infer(source, Hints(input_shape=[[8, 8, 3]]))
    assert layers(result)[1].class_name == "Rescaling"
    assert any("lambda_1" in str(a["path"]) for a in result.assumptions)
