"""What is told of layers by tensors alone."""

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Group, Tensor, Writer, constant
from reconstruct.inference.evidence import gather


def group(name: str, *shapes: tuple[int, ...], names: str = "", kind: str | None = None) -> Group:
    """A group of zeros; `names` are those of the variables, numbers where there are none."""
    called = names.split() or [f"vars/{i}" for i in range(len(shapes))]
    tensors = tuple(constant(n, np.zeros(s, "float32")) for n, s in zip(called, shapes, strict=True))
    return Group(name, kind, tensors)


def artifact(*groups: Group, keras: str | None = "2.2.4", container: str = "h5-weights") -> Artifact:
    writer = Writer(keras, "tensorflow")
    tensors: tuple[Tensor, ...] = tuple(t for g in groups for t in g.tensors)
    return Artifact("w.h5", container, writer, None, writer, tensors, groups=tuple(groups))


def classes(*groups: Group) -> list[str]:
    return [f.layer.class_name for f in gather(artifact(*groups)).layers]


@pytest.mark.parametrize(
    ("found", "class_name", "config"),
    [
        (group("dense_1", (3, 8), (8,), names="dense_1/kernel:0 dense_1/bias:0"), "Dense", {"units": 8}),
        (group("L1", (3, 8), (8,), names="L1/kernel:0 L1/bias:0"), "Dense", {"units": 8, "use_bias": True}),
        (group("x", (3, 8), names="x/kernel:0"), "Dense", {"units": 8, "use_bias": False}),
        (group("x", (9, 4), names="x/embeddings:0"), "Embedding", {"input_dim": 9, "output_dim": 4}),
        (group("rnn", (3, 20), (5, 20), (20,)), "LSTM", {"units": 5}),
        (group("rnn", (3, 15), (5, 15), (2, 15)), "GRU", {"units": 5, "reset_after": True}),
        (group("rnn", (3, 15), (5, 15), (15,)), "GRU", {"units": 5, "reset_after": False}),
        (group("rnn", (3, 5), (5, 5), (5,)), "SimpleRNN", {"units": 5}),
        (group("c", (3, 3, 2, 6), (6,)), "Conv2D", {"filters": 6, "kernel_size": [3, 3]}),
        (group("conv2d_transpose_2", (3, 3, 6, 2), (6,)), "Conv2DTranspose", {"filters": 6}),
        (group("c", (5, 2, 6), (6,)), "Conv1D", {"filters": 6, "kernel_size": [5]}),
        (group("s", (3, 3, 4, 1), (1, 1, 4, 7), (7,)), "SeparableConv2D", {"filters": 7}),
        (group("depthwise_conv2d", (3, 3, 4, 1), (4,)), "DepthwiseConv2D", {"kernel_size": [3, 3]}),
        (group("bn", (4,), (4,), (4,), (4,)), "BatchNormalization", {}),
        (group("ln", (4,), (4,)), "LayerNormalization", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_class_and_sizes_follow_from_tensors(found: Group, class_name: str, config: dict[str, object]) -> None:
    [only] = gather(artifact(found)).layers
    assert only.layer.class_name == class_name
    assert config.items() <= only.layer.config.items()


def test_keras_1_gates_become_one_kernel() -> None:
    names = [f"lstm_1_{kind}_{gate}:0" for gate in "icfo" for kind in "WUb"]
    shapes = [s for _ in "icfo" for s in ((3, 5), (5, 5), (5,))]
    [only] = gather(artifact(group("lstm_1", *shapes, names=" ".join(names)), keras="1.2.2")).layers
    assert only.layer.class_name == "LSTM"
    assert {k: t.shape for k, t in only.layer.weights.items()} == {
        "kernel": (3, 20),
        "recurrent_kernel": (5, 20),
        "bias": (20,),
    }


def test_keras_1_kernels_with_filters_first_are_turned() -> None:
    found = group("convolution2d_1", (32, 1, 3, 3), (32,), names="convolution2d_1_W convolution2d_1_b")
    [only] = gather(artifact(found, keras=None)).layers
    assert only.layer.class_name == "Conv2D"
    assert only.layer.weights["kernel"].shape == (3, 3, 1, 32)
    assert only.layer.weights["kernel"].read().shape == (3, 3, 1, 32)


def test_layers_without_weights_are_known_by_name() -> None:
    names = ["conv1", "block1_pool", "flatten_1", "dropout", "d1", "my_relu", "tf.__operators__.add", "out_softmax"]
    shapes = {"conv1": [(3, 3, 1, 4), (4,)], "d1": [(4, 2), (2,)]}
    found = classes(*(group(n, *shapes.get(n, [])) for n in names))
    assert found == ["Conv2D", "MaxPooling2D", "Flatten", "Dropout", "Dense", "ReLU", "Add", "Softmax"]


def test_wrappers_and_attention() -> None:
    both = "forward_layer/cell/vars/0 forward_layer/cell/vars/1 forward_layer/cell/vars/2".split()
    both += [n.replace("forward", "backward") for n in both]
    lstm = [(3, 20), (5, 20), (20,)]
    bidirectional = group("bidirectional", *lstm, *lstm, names=" ".join(both), kind="bidirectional")
    inner = group("time_distributed_1", (10, 2), (2,), names="time_distributed_1/kernel:0 time_distributed_1/bias:0")
    heads = [(8, 2, 4), (2, 4)] * 3 + [(2, 4, 8), (8,)]
    parts = " ".join(f"{p}_dense/vars/{i}" for p in ("query", "key", "value", "output") for i in (0, 1))
    attention = group("multi_head_attention", *heads, names=parts, kind="multi_head_attention")
    assert classes(bidirectional, inner, attention) == ["Bidirectional", "TimeDistributed", "MultiHeadAttention"]


def test_an_unknown_layer_keeps_its_tensors_in_a_placeholder() -> None:
    [only] = gather(artifact(group("crf_1", (4, 4), (4, 4), (4,), (4,)))).layers
    assert only.layer.class_name == "Placeholder"
    assert [t.shape for t in only.layer.weights.values()] == [(4, 4), (4, 4), (4,), (4,)]
    assert only.sure == "open"


def test_layers_of_a_nested_model_stand_in_its_place() -> None:
    names = "enc/kernel:0 enc/bias:0 dec/kernel:0 dec/bias:0"
    nested = group("model_1", (4, 2), (2,), (2, 4), (4,), names=names)
    assert [f.layer.name for f in gather(artifact(nested)).layers] == ["enc", "dec"]
