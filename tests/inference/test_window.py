"""A corner of a large image says of a fully convolutional model what the whole would."""

from __future__ import annotations

import numpy as np
import pytest

from reconstruct.artifact import Layer, constant
from reconstruct.inference.evaluator import Evaluator
from reconstruct.inference.forward import Weights
from reconstruct.inference.structure import Form, Node, Wiring
from reconstruct.inference.window import window

RNG = np.random.default_rng(3)


def convolution(channels: int, filters: int, stride: int = 1, size: int = 3) -> Layer:
    kernel = RNG.standard_normal((size, size, channels, filters)).astype("float32") / (size * channels)
    config = {"filters": filters, "kernel_size": [size, size], "strides": [stride] * 2, "padding": "same"}
    return Layer("Conv2D", "c", {**config, "activation": "relu"}, weights={"kernel": constant("k", kernel)})


def chain(*layers: Layer, size: int = 512, channels: int = 3) -> Form:
    entry = Layer("InputLayer", "i")
    nodes = [Node(entry, ()), *(Node(layer, (i,)) for i, layer in enumerate(layers))]
    wiring = Wiring(tuple(nodes), (len(layers),))
    shape = (size, size, channels)
    return Form(wiring, (entry, *layers), (shape,) * len(nodes), 0.0)


@pytest.mark.parametrize(
    "layers",
    [
        [convolution(3, 4), convolution(4, 2, size=5)],
        [convolution(3, 4, stride=2), Layer("UpSampling2D", "u", {"size": [2, 2]}), convolution(4, 1)],
        [convolution(3, 4), Layer("MaxPooling2D", "p", {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid"})],
    ],
)
def test_what_does_not_see_the_cut_is_the_same_as_for_the_whole(layers: list[Layer]) -> None:
    form = chain(*layers)
    found = window(form, form.layers)
    assert found is not None
    image = RNG.standard_normal((1, 512, 512, 3)).astype("float32")
    evaluator = Evaluator(Weights(), False)
    (whole,) = evaluator.outputs(form, form.layers, [image], "whole")
    (corner,) = evaluator.outputs(form, form.layers, found.of_inputs([image]), "corner")
    ours, theirs = found.of_outputs([corner])[0], found.of_outputs([whole])[0]
    assert ours.shape == theirs.shape
    assert min(ours.shape[1:3]) >= 16
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_models_that_mix_places_and_small_images_have_no_corner() -> None:
    mixing = chain(convolution(3, 4), Layer("Reshape", "r", {"target_shape": [512, 512, 4]}))
    assert window(mixing, mixing.layers) is None
    small = chain(convolution(3, 4), size=64)
    assert window(small, small.layers) is None
