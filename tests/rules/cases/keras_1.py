"""What Keras 1 wrote, and before it Keras 0.3 (`rules/keras_1*.py`)."""

from __future__ import annotations

import numpy as np

from reconstruct.artifact import Layer, Writer
from tests.rules.cases import KERAS_1, Case, Refusal, layer, sequential


def _merge(*branches: Layer, **config: object) -> Layer:
    return layer("Merge", "merge", **config).replace(children={f"layers/{i}": b for i, b in enumerate(branches)})


_branch = layer("Dense", "d", batch_input_shape=[None, 3])
_kernel = np.arange(12).reshape(3, 1, 2, 2)  # (length, 1, channels, filters)
_gates = {f"{kind}_{gate}": [[i] if kind != "b" else i] for i, gate in enumerate("ifco") for kind in "WUb"}

CASES = [
    Case(
        "dim_ordering_of_model",
        sequential(layer("Convolution2D", "conv", dim_ordering="th"), layer("ZeroPadding2D", "pad")),
        sequential(layer("Convolution2D", "conv", dim_ordering="th"), layer("ZeroPadding2D", "pad", dim_ordering="th")),
        KERAS_1,
    ),
    Case(
        "dim_ordering_unsaid",
        layer("UpSampling2D"),
        layer("UpSampling2D", dim_ordering="tf"),
        KERAS_1,
        finding="dim_ordering_assumed",
    ),
    Case(
        "input_layer_of_sequential",
        sequential(layer("LSTM", "rnn", output_dim=2, input_dim=3, input_length=None)),
        sequential(
            layer("InputLayer", "rnn_input", batch_input_shape=[None, None, 3], dtype="float32", sparse=False),
            layer("LSTM", "rnn", output_dim=2, input_dim=3, input_length=None),
        ),
        KERAS_1,
    ),
    Case(
        "merge_of_models",
        sequential(_merge(sequential(_branch, name="a"), sequential(_branch, name="b")), layer("Dense", "head")),
        """
a_input = InputLayer batch_input_shape=[None, 3]
b_input = InputLayer batch_input_shape=[None, 3]
a = Sequential(a_input)
  d = Dense batch_input_shape=[None, 3]
b = Sequential(b_input)
  d = Dense batch_input_shape=[None, 3]
merge = Merge([a, b])
head = Dense(merge)
-> [head]
""",
        KERAS_1,
    ),
    Case("merge_modes", layer("Merge", mode="mul", mode_type="raw"), layer("Multiply"), KERAS_1),
    Case(
        "merge_modes",
        layer("Merge", mode="concat", concat_axis=1, trainable=False),
        layer("Concatenate", axis=1, trainable=False),
        KERAS_1,
    ),
    Case(
        "merge_modes",
        layer("Merge", mode="cos", dot_axes=[1, 1]),
        """
input_0 = InputLayer
input_1 = InputLayer
dot = Dot([input_0, input_1]) axes=[1, 1]
square_0 = Dot([input_0, input_0]) axes=[1, 1]
square_1 = Dot([input_1, input_1]) axes=[1, 1]
squares = multiply(square_0, square_1)
above_zero = maximum(squares, 0.0)
root = sqrt(above_zero)
denominator = maximum(root, 1e-07)
cosine = divide(dot, denominator)
output = expand_dims(cosine, axis=1)
-> output
""",
        KERAS_1,
    ),
    Case(
        "running_std_of_keras_1_0",
        layer("BatchNormalization", epsilon=1e-6, weights={"running_std": [1, 2]}),
        layer("BatchNormalization", epsilon=1e-6, weights={"running_std": [1, 2]}),
        Writer(None, None),
        finding="running_std_ambiguous",
    ),
    Case(
        "maxout_dense",
        layer("MaxoutDense", nb_feature=2, output_dim=1, weights={"W": [[[1], [2]], [[3], [4]]], "b": [[5], [6]]}),
        """
input = InputLayer
features = EinsumDense(input) equation='ab,cbd->acd' output_shape=[2, 1] bias_axes='cd' \
kernel=[[[1.0], [2.0]], [[3.0], [4.0]]] bias=[[5.0], [6.0]]
output = max(features, axis=1)
-> output
""",
        KERAS_1,
    ),
    Case(
        "highway",
        layer("Highway", activation="relu", weights={"W": [[1]], "W_carry": [[2]], "b": [3], "b_carry": [4]}),
        """
input = InputLayer
transform = Dense(input) units=1 use_bias=True activation='relu' kernel=[[1.0]] bias=[3.0]
gate = Dense(input) units=1 use_bias=True activation='sigmoid' kernel=[[2.0]] bias=[4.0]
transformed = multiply(transform, gate)
carry = subtract(1.0, gate)
carried = multiply(carry, input)
output = add(transformed, carried)
-> output
""",
        KERAS_1,
    ),
    Case(
        "parametric_softplus",
        layer("ParametricSoftplus", weights={"alphas": np.ones((2, 2)), "betas": [[1, 2], [3, 4]]}),
        (
            layer(
                "EinsumDense",
                "x_scale",
                equation="abc,bc->abc",
                output_shape=[2, 2],
                bias_axes=None,
                weights={"kernel": [[1, 2], [3, 4]]},
            ),
            layer("Activation", "x_softplus", activation="softplus"),
            layer(
                "EinsumDense",
                "x_weigh",
                equation="abc,bc->abc",
                output_shape=[2, 2],
                bias_axes=None,
                weights={"kernel": np.ones((2, 2))},
            ),
        ),
        KERAS_1,
    ),
    Case(
        "s_relu",
        layer(
            "SReLU",
            weights={
                "t_left": np.zeros((2, 2)),
                "a_left": np.full((2, 2), 0.5),
                "t_right": np.full((2, 2), -3),
                "a_right": np.full((2, 2), 4),
            },
        ),
        """
input = InputLayer
u = EinsumDense(input) equation='abc,bc->abc' output_shape=[2, 2] bias_axes='bc' \
kernel=[[1, 1.0], [1, 1.0]] bias=[[-0, -0.0], [-0, -0.0]]
left = PReLU(u) shared_axes=None alpha=[[0.5, 0.5], [0.5, 0.5]]
v = EinsumDense(u) equation='abc,bc->abc' output_shape=[2, 2] bias_axes='bc' \
kernel=[[1, 1.0], [1, 1.0]] bias=[[-3, -3.0], [-3, -3.0]]
right = relu(v)
bend = EinsumDense(right) equation='abc,bc->abc' output_shape=[2, 2] bias_axes='bc' \
kernel=[[3, 3.0], [3, 3.0]] bias=[[0, 0.0], [0, 0.0]]
output = add(left, bend)
-> output
""",
        KERAS_1,
    ),
    Case(
        "batch_normalization_modes",
        layer("BatchNormalization", mode=1, epsilon=1e-5, weights={"gamma": [1, 2], "beta": [3, 4]}),
        """
input = InputLayer
mean = mean(input, axis=-1, keepdims=True)
variance = var(input, axis=-1, keepdims=True)
above_zero = add(variance, 1e-05)
deviation = sqrt(above_zero)
centred = subtract(input, mean)
divisor = add(deviation, 1e-05)
normed = divide(centred, divisor)
output = BatchNormalization(normed) axis=-1 epsilon=0.0009765625 momentum=1.0 center=True trainable=False \
gamma=[1, 2.0] beta=[3, 4.0] moving_mean=[0, 0.0] moving_variance=[0.9990000128746033, 0.9990000128746033]
-> output
""",
        KERAS_1,
    ),
    Case(
        "full_border_mode",
        layer("Convolution1D", nb_filter=1, filter_length=3, border_mode="full"),
        (
            layer("ZeroPadding1D", "x_x_padding", padding=2),
            layer("Convolution1D", nb_filter=1, filter_length=3, border_mode="valid"),
        ),
        KERAS_1,
    ),
    Case(
        "kernel_of_convolution_1d",
        layer("Convolution1D", filter_length=3, nb_filter=2, weights={"W": _kernel}),
        layer("Convolution1D", filter_length=3, nb_filter=2, weights={"W": _kernel[:, 0]}),
        KERAS_1,
    ),
    Case(
        "kernel_of_convolution_1d",  # before 1.1: (filters, channels, length, 1)
        layer("Convolution1D", filter_length=3, nb_filter=2, weights={"W": _kernel.transpose(3, 2, 0, 1)}),
        layer("Convolution1D", filter_length=3, nb_filter=2, weights={"W": _kernel[:, 0]}),
        KERAS_1,
    ),
    Case(
        "kernels_of_convolutions",
        layer("Convolution2D", dim_ordering="th", weights={"W": [[[[1, 2], [3, 4]], [[5, 6], [7, 8]]]], "b": [9]}),
        layer(
            "Convolution2D",
            dim_ordering="th",
            weights={"W": [[[[1], [5]], [[2], [6]]], [[[3], [7]], [[4], [8]]]], "b": [9]},
        ),
        KERAS_1,
        once=True,
    ),
    Case(
        "kernels_of_convolutions",  # (rows, cols, in, out) to (rows, cols, out, in)
        layer("Deconvolution2D", dim_ordering="tf", weights={"W": [[[[1, 2], [3, 4]]]]}),
        layer("Deconvolution2D", dim_ordering="tf", weights={"W": [[[[1, 3], [2, 4]]]]}),
        KERAS_1,
        once=True,
    ),
    Case(
        "gates_in_one_kernel",
        layer(
            "LSTM", output_dim=1, weights={name: _gates[name] for gate in "icfo" for name in _gates if name[-1] == gate}
        ),
        layer("LSTM", output_dim=1, weights={"W": [[0, 1, 2, 3]], "U": [[0, 1, 2, 3]], "b": [0, 1, 2, 3]}),
        KERAS_1,
    ),
    Case(
        "names_of_weights",
        layer("BatchNormalization", weights={"gamma": [1], "running_mean": [2], "running_std": [3]}),
        layer("BatchNormalization", weights={"gamma": [1], "moving_mean": [2], "moving_variance": [3]}),
        KERAS_1,
    ),
    Case(
        "names_of_weights",
        layer("Embedding", weights={"W": [[1, 2]]}),
        layer("Embedding", weights={"embeddings": [[1, 2]]}),
        KERAS_1,
    ),
    Case(
        "output_shape_of_deconvolution",
        layer("Deconvolution2D", nb_row=3, nb_col=3, subsample=[2, 2], output_shape=[None, 8, 7, 4], dim_ordering="tf"),
        layer("Deconvolution2D", nb_row=3, nb_col=3, subsample=[2, 2], dim_ordering="tf", output_padding=[1, 0]),
        KERAS_1,
    ),
    Case(
        "classes_and_arguments",
        layer("Convolution2D", nb_filter=2, nb_row=3, nb_col=4, border_mode="same", init="zero", bias=False),
        layer("Conv2D", filters=2, padding="same", kernel_initializer="zeros", use_bias=False, kernel_size=[3, 4]),
        KERAS_1,
    ),
]

REFUSALS = [
    Refusal("merge_modes", layer("Merge", mode="f", mode_type="lambda"), "Python function", KERAS_1),
    Refusal("highway", layer("Highway"), "without its weights", KERAS_1),
    Refusal("parametric_softplus", layer("ParametricSoftplus"), "without its weights", KERAS_1),
    Refusal("s_relu", layer("SReLU"), "without its weights", KERAS_1),
    Refusal("batch_normalization_modes", layer("BatchNormalization", mode=2), "without its weights", KERAS_1),
    Refusal(
        "output_shape_of_deconvolution",
        layer(
            "Deconvolution2D", nb_row=4, nb_col=4, subsample=[2, 2], output_shape=[None, 8, 9, 4], border_mode="same"
        ),
        "output shape",
        KERAS_1,
    ),
]
