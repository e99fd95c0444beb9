"""Keras 1 to Keras 2: names and layouts of weights.

The facts are those of Keras 2.2.4, `preprocess_weights_for_loading` in engine/saving.py, and of the layers of 1.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from reconstruct.artifact import Layer, Tensor, combine
from reconstruct.rules.engine import Rule, keras_1, rule

# Theano's kernels are (out, in, …spatial), whatever the backend, where `dim_ordering` is "th" (Keras 1.2.2).
_TH_TO_TF = {
    "Convolution2D": (2, 3, 1, 0),
    "AtrousConvolution2D": (2, 3, 1, 0),
    "Convolution3D": (2, 3, 4, 1, 0),
    "Deconvolution2D": (2, 3, 0, 1),
    "SeparableConvolution2D": (2, 3, 1, 0),
    "ConvLSTM2D": (2, 3, 1, 0),
}
# Keras 2 and later swap the last two axes of a transposed convolution: (rows, cols, out, in).
_TF_TO_TF = {"Deconvolution2D": (0, 1, 3, 2)}
_NAMES = {
    "W": "kernel",
    "U": "recurrent_kernel",
    "b": "bias",
    "alphas": "alpha",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
_RENAMED = (
    *("Dense", "TimeDistributedDense", "Embedding", "SimpleRNN", "LSTM", "GRU", "PReLU", "BatchNormalization"),
    *("LocallyConnected1D", "LocallyConnected2D", "Convolution1D", "AtrousConvolution1D", *_TH_TO_TF),
)
# The gates in the order of the blocks of a Keras 2 kernel (layers/recurrent.py); Keras 1 lists them as i, c, f, o.
_GATES = {"LSTM": "ifco", "ConvLSTM2D": "ifco", "GRU": "zrh"}


def written_on_theano(tensors: Sequence[Tensor]) -> bool | None:
    """Whether Keras 1 on Theano wrote these tensors; None if their names do not tell.

    TensorFlow adds an output number to the name of a variable, `dense_1_W:0`; Theano keeps the name that Keras gave,
    `dense_1_W` (Keras 1.2.2, `variable` in backend/theano_backend.py and `save_weights_to_hdf5_group` in
    engine/topology.py). Keras 0.3, and 1 for variables without a name, wrote `param_0`, which both did.
    """
    names = [t.name for t in tensors if not re.fullmatch(r"param_\d+", t.name.split("/")[-1])]
    numbered = {re.search(r":\d+$", name) is not None for name in names}
    return None if len(numbered) != 1 else not numbered.pop()


@rule(layers=("Convolution1D", "AtrousConvolution1D"), writers=keras_1)
def kernel_of_convolution_1d(layer: Layer) -> Layer:
    """A Convolution1D of Keras 1 has a kernel of images of width 1; before 1.1, with the filters first."""
    kernel = layer.weights.get("W")
    if kernel is None or len(kernel.shape) != 4:
        return layer
    length, filters = layer.config.get("filter_length"), layer.config.get("nb_filter")
    if kernel.shape[:2] != (length, 1) or kernel.shape[3] != filters:
        kernel = _transposed(kernel, (2, 3, 1, 0))
    return layer.with_weights(W=kernel.map(lambda k: k[:, 0], (kernel.shape[0], *kernel.shape[2:])))


@rule(layers=_TH_TO_TF, writers=keras_1)
def kernels_of_convolutions(layer: Layer) -> Layer:
    """Keras 1 stored "th" kernels as (out, in, rows, cols); Keras 2 stores all as (rows, cols, in, out)."""
    permutations = _TH_TO_TF if layer.config.get("dim_ordering") == "th" else _TF_TO_TF
    axes = permutations.get(layer.class_name)
    if axes is None or "kernel" in layer.weights:
        return layer
    changed = {k: _transposed(t, axes) for k, t in layer.weights.items() if len(t.shape) == len(axes)}
    return layer.replace(weights={**layer.weights, **changed})


@rule(layers=_GATES, writers=keras_1)
def gates_in_one_kernel(layer: Layer) -> Layer:
    """Keras 1 stored a kernel for each gate of a recurrent layer; Keras 2 has one, in LSTM of i, f, c, o."""
    gates = _GATES[layer.class_name]
    if not all(f"{kind}_{gate}" in layer.weights for kind in "WUb" for gate in gates):
        return layer
    joined = {kind: _side_by_side(kind, [layer.weights[f"{kind}_{gate}"] for gate in gates]) for kind in "WUb"}
    return layer.replace(weights=joined)


@rule(layers=_RENAMED, writers=keras_1, effect="neutral")
def names_of_weights(layer: Layer) -> Layer:
    """Keras 2 renamed the variables: `W` to `kernel`, `running_std`, which holds the variance, to `moving_variance`."""
    names = {**_NAMES, "W": "embeddings"} if layer.class_name == "Embedding" else _NAMES
    return layer.replace(weights={names.get(name, name): tensor for name, tensor in layer.weights.items()})


def _transposed(tensor: Tensor, axes: Sequence[int]) -> Tensor:
    return tensor.map(lambda array: np.transpose(array, axes), [tensor.shape[axis] for axis in axes])


def _side_by_side(name: str, tensors: Sequence[Tensor]) -> Tensor:
    *rest, units = tensors[0].shape
    return combine(name, tensors, lambda arrays: np.concatenate(arrays, axis=-1), (*rest, units * len(tensors)))


RULES: tuple[Rule, ...] = (
    kernel_of_convolution_1d,
    kernels_of_convolutions,
    gates_in_one_kernel,
    names_of_weights,
)
