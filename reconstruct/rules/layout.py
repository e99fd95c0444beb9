"""Memory layout: Theano's flipped kernels, and channels-first convolutions, which TensorFlow runs on GPUs only."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Artifact, Finding, Layer, Writer
from reconstruct.rules.engine import before_keras_3, rule
from reconstruct.rules.expansion import chain, stock
from reconstruct.rules.keras_1_weights import written_on_theano


def of_theano(writer: Writer) -> bool:
    return writer.backend == "theano"


@rule(layers=("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D"), writers=of_theano)
def theano_kernels(layer: Layer) -> Layer:
    """Theano convolves and TensorFlow correlates, so kernels are flipped (Keras 2.2.4, `convert_kernel`)."""
    flipped = {k: t.map(_flip) for k, t in layer.weights.items() if k in ("kernel", "recurrent_kernel")}
    return layer.replace(weights={**layer.weights, **flipped})


def _flip(kernel: np.ndarray) -> np.ndarray:
    """All spatial axes of a kernel (…spatial, in, out) reversed."""
    return np.ascontiguousarray(np.flip(kernel, axis=tuple(range(kernel.ndim - 2))))


def theano_doubt(artifact: Artifact) -> Finding | None:
    """Whether Theano may have written a file that does not say so: then its kernels are flipped, and nothing shows it.

    Keras 1 wrote no backend, and loads such a file on TensorFlow as it is (Keras 1.2.2, engine/topology.py), so that is
    what the rules do; but the names of its tensors tell Theano from TensorFlow.
    """
    if artifact.writer.major != 1 or artifact.writer.backend is not None or artifact.model is None:
        return None
    tensors = [t for n in artifact.model.walk() for t in n.weights.values() if "Conv" in n.class_name]
    if not any(len(t.shape) > 3 and t.size > t.shape[-1] * t.shape[-2] for t in tensors):
        return None
    if not written_on_theano(artifact.tensors):
        return None
    return Finding(
        "backend_unknown",
        "warning",
        "model",
        "the names of the tensors look as if Keras 1 on Theano wrote them, which stores convolution kernels flipped; "
        "the file does not say so, and they were not flipped, as Keras 1 on TensorFlow does not",
        hint="if it was trained on Theano, recover it with --backend theano; --examples prove which is right",
    )


_SPATIAL = {
    "Conv1D": 1,
    "Conv1DTranspose": 1,
    "SeparableConv1D": 1,
    "DepthwiseConv1D": 1,
    "Conv2D": 2,
    "Conv2DTranspose": 2,
    "SeparableConv2D": 2,
    "DepthwiseConv2D": 2,
    "Conv3D": 3,
    "Conv3DTranspose": 3,
}


@rule(layers=_SPATIAL, writers=before_keras_3)
def channels_last_convolution(layer: Layer) -> Layer:
    """Keras 3 on TensorFlow has channels-first convolutions on GPUs only: the data is permuted around the layer."""
    if layer.config.get("data_format") != "channels_first":
        return layer
    n = _SPATIAL[layer.class_name]
    last = [*range(2, n + 2), 1]
    first = [n + 1, *range(1, n + 1)]
    return chain(
        layer,
        stock("Permute", "channels_last", {"dims": last}),
        layer.having(data_format="channels_last", name=layer.name),
        stock("Permute", "channels_first", {"dims": first}),
    )


RULES = (theano_kernels, channels_last_convolution)
