# ruff: noqa: E501  (a node of a model is one line)
"""kapre before 0.3 (`reconstruct/objects/known/kapre_0_1.py`)."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, layer

_ASSUMED = "known_layer_assumed"
_KERNELS = {"real_kernels": (2, 1, 1, 2), "imag_kernels": (2, 1, 1, 2)}
_SPECTRUM = {
    "n_dft": 2,
    "n_hop": 1,
    "padding": "same",
    "power_spectrogram": 2.0,
    "return_decibel_spectrogram": False,
    "trainable_kernel": False,
    "image_data_format": "channels_last",
}
_MEL = {"n_mels": 1, "power_melgram": 1.0, "return_decibel_melgram": True, "trainable_fb": True}


CASES = [
    Case(
        "spectrogram_by_convolution",
        layer("Spectrogram", weights=_KERNELS, **{**_SPECTRUM, "image_data_format": "channels_first"}),
        """
input = InputLayer
transpose_0 = transpose(input, [0, 2, 1])
expand_dims_1 = expand_dims(transpose_0, -1)
conv2d_2 = Conv2D(expand_dims_1) filters=2 kernel_size=[2, 1] strides=[1, 1] padding='same' data_format='channels_last' use_bias=False trainable=False kernel=[[[[0, 1.0]]], [[[2, 3.0]]]]
square_3 = square(conv2d_2)
conv2d_4 = Conv2D(expand_dims_1) filters=2 kernel_size=[2, 1] strides=[1, 1] padding='same' data_format='channels_last' use_bias=False trainable=False kernel=[[[[0, 1.0]]], [[[2, 3.0]]]]
square_5 = square(conv2d_4)
add_6 = add(square_3, square_5)
transpose_7 = transpose(add_6, [0, 2, 3, 1])
-> transpose_7
""",
    ),
    Case(
        "spectrogram_by_convolution",
        layer("Melspectrogram", weights={"Variable": (2, 1), **_KERNELS}, **_SPECTRUM, **_MEL),
        """
input = InputLayer
transpose_0 = transpose(input, [0, 2, 1])
expand_dims_1 = expand_dims(transpose_0, -1)
conv2d_2 = Conv2D(expand_dims_1) filters=2 kernel_size=[2, 1] strides=[1, 1] padding='same' data_format='channels_last' use_bias=False trainable=False kernel=[[[[0, 1.0]]], [[[2, 3.0]]]]
square_3 = square(conv2d_2)
conv2d_4 = Conv2D(expand_dims_1) filters=2 kernel_size=[2, 1] strides=[1, 1] padding='same' data_format='channels_last' use_bias=False trainable=False kernel=[[[[0, 1.0]]], [[[2, 3.0]]]]
square_5 = square(conv2d_4)
add_6 = add(square_3, square_5)
dense_7 = Dense(add_6) use_bias=False trainable=True units=1 kernel=[[0.0], [1.0]]
sqrt_8 = sqrt(dense_7)
power_9 = power(sqrt_8, np.float32(1.0))
maximum_10 = maximum(power_9, np.float32(1e-10))
log_11 = log(maximum_10)
multiply_12 = multiply(log_11, np.float32(4.3429446))
flatten_13 = Flatten(multiply_12)
max_14 = max(flatten_13, axis=1)
transpose_15 = transpose(multiply_12)
subtract_16 = subtract(transpose_15, max_14)
maximum_17 = maximum(subtract_16, np.float32(-80.0))
transpose_18 = transpose(maximum_17)
transpose_19 = transpose(transpose_18, [0, 3, 1, 2])
-> transpose_19
""",
    ),
    Case("spectrogram_by_convolution", layer("Spectrogram", **_SPECTRUM), layer("Spectrogram", **_SPECTRUM)),
    Case(
        "amplitude_to_decibel",
        layer("AmplitudeToDB", amin=1e-10, top_db=80.0),
        """
input = InputLayer
maximum_0 = maximum(input, np.float32(1e-10))
log_1 = log(maximum_0)
multiply_2 = multiply(log_1, np.float32(4.3429446))
flatten_3 = Flatten(multiply_2)
max_4 = max(flatten_3, axis=1)
transpose_5 = transpose(multiply_2)
subtract_6 = subtract(transpose_5, max_4)
maximum_7 = maximum(subtract_6, np.float32(-80.0))
transpose_8 = transpose(maximum_7)
-> transpose_8
""",
    ),
    Case(
        "normalization_2d",
        layer("Normalization2D", int_axis=1, str_axis="freq", image_data_format="channels_last"),
        """
input = InputLayer
mean_0 = mean(input, axis=[0, 2, 3], keepdims=True)
subtract_1 = subtract(input, mean_0)
square_2 = square(subtract_1)
mean_3 = mean(square_2, axis=[0, 2, 3], keepdims=True)
sqrt_4 = sqrt(mean_3)
add_5 = add(sqrt_4, np.float32(1e-10))
divide_6 = divide(subtract_1, add_5)
-> divide_6
""",
    ),
    Case(
        "additive_noise",
        layer("AdditiveNoise", power=0.1, random_gain=False, noise_type="white"),
        layer("GaussianNoise", "x", stddev=0.1),
    ),
    Case(
        "additive_noise",
        layer("AdditiveNoise", power=0.1, random_gain=True, noise_type="white"),
        layer("GaussianNoise", "x", stddev=0.1),
        finding="training_noise_assumed",
    ),
]
REFUSALS = [
    Refusal(
        "normalization_2d",
        layer("Normalization2D", int_axis=None, str_axis="freq", image_data_format="channels_last"),
        "which kapre does not have",
    ),
]
