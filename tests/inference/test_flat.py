"""Models that give images back, of which flat ones tell the last activation."""

import numpy as np
import pytest

from reconstruct.artifact import Artifact, Group, Writer, constant
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import infer


@pytest.mark.parametrize(("activation", "scale", "bias"), [("linear", 1.0, 0.0), ("sigmoid", 4.0, -2.0)])
def test_the_last_activation_is_the_one_that_gives_greys_back(activation: str, scale: float, bias: float) -> None:
    kernel = np.zeros((3, 3, 1, 1), "float32")
    kernel[1, 1] = 1.0
    groups = []
    for name, k, b in (("conv2d_1", kernel, 0.0), ("conv2d_2", scale * kernel, bias)):
        tensors = constant(f"{name}/kernel:0", k), constant(f"{name}/bias:0", np.full(1, b, "float32"))
        groups.append(Group(name, None, tensors))
    writer = Writer("2.2.4", "tensorflow")
    file = Artifact("w.h5", "h5-weights", writer, None, writer, (), groups=tuple(groups))
    model = infer(file, Hints(input_shape=[(16, 16, 1)])).artifact.model
    assert model is not None
    assert model.graph is not None
    assert model.graph.layers[-1].config["activation"] == activation
