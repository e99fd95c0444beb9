"""Keras 1.2.2: the names and arguments of Keras 1, its merges, its recurrent weights and 'th' dimension ordering.

These files carry no `backend` attribute: Keras 1 did not record it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import keras
import keras.layers as L
import numpy as np
from keras.models import Model, Sequential

from fixture_models.common import Catalogue, edit_attributes, padded, padded_tokens, train

warnings.filterwarnings("ignore")
catalogue = Catalogue("keras-1.2.2")


def fixture(*covers: str, ordering: str = "tf", reload: Any = None, **options: Any) -> Any:
    """Like `Catalogue.add`, under the global `image_dim_ordering` of a user's keras.json.

    It matters: UpSampling2D/3D, ZeroPadding2D/3D and Cropping2D/3D of Keras 1 do not write their `dim_ordering`, so
    a file by a user of 'th' says 'th' at its convolutions only; Keras 1 itself needs the same setting to read it.
    """

    def decorate(build: Any) -> Any:
        def build_under() -> Any:
            keras.backend.set_image_dim_ordering(ordering)
            return build()

        def reload_under(path: Path) -> Any:
            keras.backend.set_image_dim_ordering(ordering)
            return reload(path) if reload else keras.models.load_model(str(path))

        if ordering == "th":
            options.setdefault(
                "note", "written and read with image_dim_ordering 'th', which only some layers of the file say"
            )
        options.setdefault("name", build.__name__)
        catalogue.add(*covers, reload=reload_under, **options)(build_under)
        return build

    return decorate


def functional(inputs: Any, outputs: Any) -> Any:
    return Model(input=inputs, output=outputs)


def sequential(*layers: Any) -> Any:
    return Sequential(list(layers))


# Dense layers


@fixture("sequential_list_config", "Dense", "hard_sigmoid", "training_config")
def mlp() -> Any:
    model = sequential(
        L.Dense(10, input_dim=6, activation="relu", init="he_normal", W_regularizer="l2"),
        L.Dropout(0.3),
        L.Dense(output_dim=7, bias=False),
        L.Activation("hard_sigmoid"),
        L.Dense(5, activation="hard_sigmoid"),
        L.Dense(3),
    )
    return train(model, loss="mse", optimizer="adam", metrics=["mae"])


@fixture("Dense", "Activation", "activations", "multi_output")
def activations() -> Any:
    x = L.Input((6,))
    names = ("softmax", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear", "elu")
    y = L.Dense(5)(x)
    return functional(x, [L.Activation(name)(y) for name in names])


@fixture("MaxoutDense", "Highway", "Dense")
def maxout_highway() -> Any:
    return sequential(
        L.Highway(input_dim=6, activation="tanh"),
        L.Highway(),
        L.MaxoutDense(5, nb_feature=3),
        L.MaxoutDense(4, bias=False),
        L.Highway(bias=False, activation="hard_sigmoid"),
    )


@fixture("TimeDistributedDense", "TimeDistributed", "hard_sigmoid")
def time_distributed_dense() -> Any:
    return sequential(
        L.TimeDistributedDense(5, input_shape=(6, 4), activation="hard_sigmoid"),
        L.TimeDistributed(L.Dense(4)),
        L.TimeDistributedDense(3, bias=False),
    )


@fixture(
    "no_keras_version",
    "sequential_list_config",
    "Dense",
    edit=edit_attributes(keras_version=None),
    writer={"keras": None, "backend": None},
    note="the attribute keras_version is removed: early Keras wrote none",
)
def without_version() -> Any:
    return sequential(L.Dense(8, input_dim=5, activation="tanh"), L.Dense(3, activation="softmax"))


@fixture(
    "no_keras_version",
    "Conv2D",
    "th",
    ordering="th",
    edit=edit_attributes(keras_version=None),
    writer={"keras": None, "backend": None},
    note="the attribute keras_version is removed, as early Keras wrote none; image_dim_ordering is 'th'",
)
def without_version_conv_th() -> Any:
    return conv_stack("th")


# Convolutions (asymmetric `atrous_rate` is left out: this version refuses it on TensorFlow)


def conv_stack(ordering: str) -> Any:
    shape = (2, 9, 8) if ordering == "th" else (9, 8, 2)
    return sequential(
        L.Convolution2D(4, 3, 2, activation="relu", dim_ordering=ordering, input_shape=shape, subsample=(1, 2)),
        L.ZeroPadding2D((1, 2), dim_ordering=ordering),
        L.MaxPooling2D((2, 2), dim_ordering=ordering, border_mode="same"),
        L.Flatten(),
        L.Dense(4, activation="tanh"),
    )


@fixture("Convolution2D", "th", "channels_first", "Flatten", "MaxPooling2D", "ZeroPadding2D", ordering="th")
def conv2d_th() -> Any:
    return conv_stack("th")


@fixture("Convolution2D", "tf", "Flatten", "MaxPooling2D", "ZeroPadding2D")
def conv2d_tf() -> Any:
    return conv_stack("tf")


@fixture("Convolution2D", "default dim_ordering", "BatchNormalization", "SpatialDropout2D", "GlobalAveragePooling2D")
def conv2d_default() -> Any:
    return sequential(
        L.Convolution2D(4, 3, 3, border_mode="same", bias=False, input_shape=(8, 7, 3)),
        L.BatchNormalization(),
        L.Activation("relu"),
        L.SpatialDropout2D(0.2),
        L.Convolution2D(3, 2, 3),
        L.GlobalAveragePooling2D(),
        L.Dense(2, activation="softmax"),
    )


@fixture(
    "Convolution1D",
    "AtrousConvolution1D",
    "MaxPooling1D",
    "AveragePooling1D",
    "UpSampling1D",
    "ZeroPadding1D",
    "Cropping1D",
)
def conv1d() -> Any:
    x = L.Input((12, 4))
    a = L.Convolution1D(5, 3, activation="relu", subsample_length=2, border_mode="same")(L.ZeroPadding1D(1)(x))
    a = L.MaxPooling1D(pool_length=2, stride=1)(a)
    b = L.AtrousConvolution1D(4, 3, atrous_rate=2, border_mode="valid")(x)
    b = L.AveragePooling1D(pool_length=2)(L.Cropping1D((1, 2))(L.UpSampling1D(length=2)(b)))
    return functional(x, [L.Flatten()(a), L.GlobalMaxPooling1D()(b), L.GlobalAveragePooling1D()(b)])


@fixture("AtrousConvolution2D", "tf")
def atrous_conv2d() -> Any:
    return sequential(
        L.AtrousConvolution2D(4, 3, 2, atrous_rate=(2, 2), activation="relu", input_shape=(9, 10, 2)),
        L.AtrousConvolution2D(3, 2, 2, atrous_rate=(3, 3), border_mode="same"),
        L.Flatten(),
        L.Dense(3),
    )


@fixture("AtrousConvolution2D", "th")
def atrous_conv2d_th() -> Any:
    return sequential(
        L.AtrousConvolution2D(4, 3, 2, atrous_rate=(2, 2), dim_ordering="th", input_shape=(2, 9, 10)),
        L.Flatten(),
        L.Dense(3),
    )


@fixture("Deconvolution2D", "tf")
def deconv2d() -> Any:
    return sequential(
        L.Deconvolution2D(
            3, 3, 2, output_shape=(3, 11, 8, 3), subsample=(2, 2), activation="relu", batch_input_shape=(3, 5, 4, 2)
        ),
        L.Convolution2D(2, 2, 2),
    )


@fixture("Deconvolution2D", "th")
def deconv2d_th() -> Any:
    return sequential(
        L.Deconvolution2D(
            4, 3, 2, output_shape=(3, 4, 11, 8), subsample=(2, 2), dim_ordering="th", batch_input_shape=(3, 2, 5, 4)
        ),
        L.Flatten(),
        L.Dense(2),
    )


@fixture("SeparableConvolution2D", "depth_multiplier")
def separable_conv2d() -> Any:
    return sequential(
        L.SeparableConvolution2D(4, 3, 2, depth_multiplier=2, activation="relu", input_shape=(7, 6, 3)),
        L.SeparableConvolution2D(3, 2, 2, border_mode="same", bias=False),
        L.Flatten(),
        L.Dense(2),
    )


@fixture("SeparableConvolution2D", "th")
def separable_conv2d_th() -> Any:
    return sequential(
        L.SeparableConvolution2D(4, 3, 2, depth_multiplier=2, dim_ordering="th", input_shape=(3, 7, 6)),
        L.GlobalMaxPooling2D(dim_ordering="th"),
    )


@fixture(
    "Convolution3D",
    "MaxPooling3D",
    "AveragePooling3D",
    "UpSampling3D",
    "ZeroPadding3D",
    "Cropping3D",
    "SpatialDropout3D",
)
def conv3d() -> Any:
    return sequential(
        L.Convolution3D(3, 2, 3, 2, activation="relu", input_shape=(5, 6, 4, 2)),
        L.ZeroPadding3D((1, 0, 1)),
        L.MaxPooling3D(),
        L.UpSampling3D((2, 1, 2)),
        L.Convolution3D(2, 2, 2, 1, subsample=(1, 1, 2), border_mode="same"),
        L.SpatialDropout3D(0.2),
        L.Cropping3D(((1, 0), (0, 1), (0, 0))),
        L.AveragePooling3D((2, 1, 1)),
    )


@fixture("Convolution3D", "MaxPooling3D", "th")
def conv3d_th() -> Any:
    return sequential(
        L.Convolution3D(3, 2, 3, 2, dim_ordering="th", input_shape=(2, 5, 6, 4)),
        L.MaxPooling3D(dim_ordering="th"),
        L.Flatten(),
        L.Dense(3),
    )


@fixture("UpSampling2D", "Cropping2D", "ZeroPadding2D", "AveragePooling2D", "GlobalMaxPooling2D", "tf")
def resampling() -> Any:
    x = L.Input((6, 5, 3))
    a = L.Cropping2D(((1, 0), (1, 1)))(L.UpSampling2D((2, 3))(L.Convolution2D(4, 2, 3)(x)))
    a = L.ZeroPadding2D({"top_pad": 1, "left_pad": 2})(
        L.AveragePooling2D((3, 2), strides=(2, 1), border_mode="same")(a)
    )
    return functional(x, [a, L.GlobalMaxPooling2D()(a)])


@fixture(
    "UpSampling2D", "Cropping2D", "ZeroPadding2D", "AveragePooling2D", "GlobalAveragePooling2D", "th", ordering="th"
)
def resampling_th() -> Any:
    x = L.Input((3, 6, 5))
    a = L.Cropping2D(((1, 2), (0, 1)))(L.UpSampling2D((2, 3))(L.Convolution2D(4, 2, 3)(x)))
    a = L.ZeroPadding2D((1, 2))(L.AveragePooling2D((2, 2))(a))
    return functional(x, [a, L.GlobalAveragePooling2D()(a), L.Dense(2)(L.Flatten()(a))])


@fixture("VGG", "Convolution2D", "ZeroPadding2D", "th", "frozen", ordering="th")
def vgg_like_th() -> Any:
    return sequential(
        L.ZeroPadding2D((1, 1), input_shape=(3, 8, 6)),
        L.Convolution2D(4, 3, 3, activation="relu", trainable=False),
        L.ZeroPadding2D((1, 1)),
        L.Convolution2D(4, 3, 3, activation="relu"),
        L.MaxPooling2D((2, 2), strides=(2, 2)),
        L.UpSampling2D((1, 2)),
        L.Flatten(),
        L.Dense(6, activation="relu"),
        L.Dropout(0.5),
        L.Dense(4, activation="softmax"),
    )


@fixture("Convolution3D", "UpSampling3D", "ZeroPadding3D", "Cropping3D", "th", ordering="th")
def conv3d_th_resampling() -> Any:
    return sequential(
        L.Convolution3D(3, 2, 3, 2, input_shape=(2, 5, 6, 4)),
        L.ZeroPadding3D((1, 0, 2)),
        L.UpSampling3D((1, 2, 1)),
        L.Cropping3D(((1, 0), (0, 1), (1, 1))),
        L.AveragePooling3D((2, 1, 2)),
        L.Flatten(),
        L.Dense(3),
    )


@fixture("LocallyConnected1D", "LocallyConnected2D", "tf")
def locally_connected() -> Any:
    x, y = L.Input((8, 3)), L.Input((6, 5, 2))
    a = L.LocallyConnected1D(4, 3, subsample_length=2, activation="tanh")(x)
    b = L.LocallyConnected2D(3, 3, 2, dim_ordering="tf", subsample=(1, 2))(y)
    return functional([x, y], [a, L.Dense(2)(L.Flatten()(b))])


@fixture("LocallyConnected2D", "th")
def locally_connected_th() -> Any:
    return sequential(L.LocallyConnected2D(3, 3, 2, dim_ordering="th", input_shape=(2, 6, 5)), L.Flatten(), L.Dense(2))


# Recurrent layers: twelve arrays for an LSTM, nine for a GRU


for mode in ("cpu", "mem", "gpu"):

    @fixture("LSTM", "twelve_arrays", "hard_sigmoid", f"consume_less={mode}", name=f"lstm_{mode}")
    def lstm(mode: str = mode) -> Any:
        return sequential(
            L.LSTM(6, return_sequences=True, input_shape=(7, 4), consume_less=mode, dropout_W=0.1),
            L.LSTM(5, inner_activation="sigmoid", go_backwards=True, consume_less=mode),
            L.Dense(3),
        )

    @fixture("GRU", "nine_arrays", "hard_sigmoid", f"consume_less={mode}", name=f"gru_{mode}")
    def gru(mode: str = mode) -> Any:
        return sequential(
            L.GRU(6, return_sequences=True, input_shape=(7, 4), consume_less=mode, dropout_U=0.1),
            L.GRU(5, inner_activation="sigmoid", consume_less=mode),
            L.Dense(3),
        )


@fixture("SimpleRNN", "Bidirectional", "LSTM", "GRU", "hard_sigmoid")
def bidirectional() -> Any:
    x = L.Input((6, 4))
    a = L.Bidirectional(L.LSTM(5, return_sequences=True))(x)
    outputs = [
        L.Bidirectional(L.GRU(4), merge_mode="sum")(a),
        L.Bidirectional(L.LSTM(4, consume_less="gpu"), merge_mode="mul")(a),
    ]
    outputs += [L.Bidirectional(L.SimpleRNN(3), merge_mode="ave")(a), L.SimpleRNN(4, activation="hard_sigmoid")(a)]
    return functional(x, outputs)


@fixture("ConvLSTM2D", "hard_sigmoid", "tf")
def conv_lstm() -> Any:
    return sequential(
        L.ConvLSTM2D(3, 3, 2, border_mode="same", return_sequences=True, input_shape=(4, 6, 5, 2)),
        L.ConvLSTM2D(2, 2, 2, border_mode="valid", go_backwards=True),
        L.Flatten(),
        L.Dense(3),
    )


@fixture("ConvLSTM2D", "hard_sigmoid", "th")
def conv_lstm_th() -> Any:
    return sequential(
        L.ConvLSTM2D(3, 3, 2, border_mode="same", dim_ordering="th", input_shape=(4, 2, 6, 5)), L.Flatten(), L.Dense(3)
    )


@fixture("stateful", "LSTM", "batch_input_shape")
def stateful() -> Any:
    return sequential(
        L.LSTM(5, stateful=True, batch_input_shape=(3, 6, 4), return_sequences=True), L.GRU(4, stateful=True)
    )


@fixture("Masking", "LSTM", "TimeDistributed", "mask", inputs=padded(7, 4))
def masking() -> Any:
    return sequential(
        L.Masking(0.0, input_shape=(7, 4)), L.LSTM(5, return_sequences=True), L.TimeDistributed(L.Dense(4)), L.GRU(3)
    )


def _tokens_of_two(rng: np.random.Generator) -> list[np.ndarray]:
    return padded_tokens(8, 20)(rng) + padded_tokens(8, 20)(rng)


@fixture("Merge", "Bidirectional", "mask_zero", "mask", inputs=_tokens_of_two)
def masked_branches() -> Any:
    both = L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum")
    left = sequential(L.Embedding(20, 4, mask_zero=True, input_length=8), both)
    right = sequential(L.Embedding(20, 3, input_length=8))
    return sequential(L.Merge([left, right], mode="concat"), L.LSTM(3))


@fixture("Embedding", "mask_zero", "LSTM", "mask", inputs=padded_tokens(8, 20))
def embedding() -> Any:
    return sequential(
        L.Embedding(20, 6, mask_zero=True, input_length=8, dropout=0.1),
        L.SpatialDropout1D(0.1),
        L.LSTM(5),
        L.Dense(1, activation="sigmoid"),
    )


@fixture("Embedding", "Convolution1D", "text", integers=20)
def text_cnn() -> Any:
    return sequential(
        L.Embedding(20, 6, input_length=10),
        L.Convolution1D(nb_filter=5, filter_length=3, border_mode="valid"),
        L.GlobalMaxPooling1D(),
        L.Dense(1),
        L.Activation("sigmoid"),
    )


@fixture("TimeDistributed", "Convolution2D", "LSTM", "tf")
def time_distributed_conv() -> Any:
    return sequential(
        L.TimeDistributed(L.Convolution2D(3, 3, 2), input_shape=(4, 7, 6, 2)),
        L.TimeDistributed(L.Flatten()),
        L.LSTM(4),
        L.RepeatVector(3),
        L.GRU(3, return_sequences=True),
    )


@fixture("TimeDistributed", "Convolution2D", "th")
def time_distributed_conv_th() -> Any:
    return sequential(
        L.TimeDistributed(L.Convolution2D(3, 3, 2, dim_ordering="th"), input_shape=(4, 2, 7, 6)),
        L.TimeDistributed(L.MaxPooling2D(dim_ordering="th")),
        L.TimeDistributed(L.Flatten()),
        L.SimpleRNN(4),
    )


# Normalisation, activations, noise, shapes


@fixture("BatchNormalization", "mode=0", "mode=1", "mode=2")
def batch_normalization() -> Any:
    x, y = L.Input((6,)), L.Input((5, 4, 3))
    a = [L.BatchNormalization(mode=mode, epsilon=0.01)(L.Dense(5)(x)) for mode in (0, 1, 2)]
    b = [L.BatchNormalization(axis=axis)(y) for axis in (1, 3, -1)]
    return functional([x, y], a + b)


@fixture("PReLU", "ELU", "LeakyReLU", "ThresholdedReLU", "ParametricSoftplus", "SReLU")
def advanced_activations() -> Any:
    x = L.Input((4, 3, 5))
    layers = [
        L.PReLU(),
        L.ELU(0.7),
        L.LeakyReLU(0.1),
        L.LeakyReLU(),
        L.ThresholdedReLU(0.4),
        L.ParametricSoftplus(),
        L.SReLU(),
    ]
    return functional(x, [layer(x) for layer in layers])


def shared_axes_model() -> Any:
    return sequential(L.PReLU(shared_axes=[1, 2], input_shape=(4, 3, 5)), L.SReLU(shared_axes=[1, 2]), L.Dense(3))


def shared_axes_with_weights(path: Path) -> Any:
    model = shared_axes_model()
    model.load_weights(str(path))
    return model


@fixture(
    "PReLU",
    "SReLU",
    "shared_axes",
    reload=shared_axes_with_weights,
    note="this version does not write shared_axes; only the shapes of the weights show it. Outputs: rebuilt in code",
)
def prelu_shared_axes() -> Any:
    return shared_axes_model()


@fixture("GaussianNoise", "GaussianDropout", "RepeatVector", "Permute", "Reshape", "Flatten", "ActivityRegularization")
def noise_and_shapes() -> Any:
    return sequential(
        L.Reshape((3, 4), input_shape=(12,)),
        L.GaussianNoise(0.2),
        L.Permute((2, 1)),
        L.GaussianDropout(0.3),
        L.Flatten(),
        L.ActivityRegularization(l1=0.1),
        L.Dense(5),
        L.RepeatVector(3),
        L.Reshape((-1,)),
        L.Dense(2),
    )


# Merges


def branches(*shapes: tuple[int, ...]) -> list[Any]:
    return [Sequential([L.Dense(5, input_shape=shape, activation="tanh")]) for shape in shapes]


for mode in ("sum", "mul", "concat", "ave", "max"):

    @fixture("Merge", f"mode={mode}", "multi_input", name=f"merge_layer_{mode}")
    def merge_layer(mode: str = mode) -> Any:
        return sequential(L.Merge(branches((6,), (4,), (3,)), mode=mode), L.Dense(3, activation="sigmoid"))


for mode in ("dot", "cos"):

    @fixture("Merge", f"mode={mode}", "multi_input", name=f"merge_layer_{mode}")
    def merge_layer_dot(mode: str = mode) -> Any:
        return sequential(L.Merge(branches((6,), (4,)), mode=mode, dot_axes=1), L.Reshape((1,)), L.Dense(3))


@fixture(
    "Merge",
    "merge",
    "mode=sum",
    "mode=mul",
    "mode=concat",
    "mode=ave",
    "mode=max",
    "mode=dot",
    "mode=cos",
    "functional",
)
def merge_functional() -> Any:
    x, y = L.Input((4, 6)), L.Input((4, 6))
    a, b = L.Dense(5)(L.Flatten()(x)), L.Dense(5)(L.Flatten()(y))
    outputs = [L.merge([a, b], mode=mode) for mode in ("sum", "mul", "concat", "ave", "max")]
    outputs += [L.merge([x, y], mode="concat", concat_axis=1), L.merge([x, y], mode="dot", dot_axes=2)]
    outputs += [L.merge([a, b], mode="cos", dot_axes=1), L.merge([a, b], mode="dot", dot_axes=1)]
    return functional([x, y], outputs)


@fixture("Merge", "nested", "Sequential", "Convolution2D", "th", "Embedding", integers=12)
def merge_of_deep_branches() -> Any:
    image = sequential(L.Convolution2D(3, 2, 2, dim_ordering="th", input_shape=(2, 5, 4)), L.Flatten(), L.Dense(4))
    words = sequential(L.Embedding(12, 5, input_length=6), L.LSTM(4))
    both = sequential(L.Merge([image, words], mode="concat"), L.Dense(4, activation="hard_sigmoid"))
    return sequential(L.Merge([both, sequential(L.Dense(4, input_dim=3))], mode="mul"), L.Dense(2))


# Nested and shared models


@fixture("nested", "functional_in_sequential", "Convolution2D", "th", "frozen", "BatchNormalization", "weight_order")
def functional_in_sequential() -> Any:
    x = L.Input((3, 8, 7))
    y = L.Convolution2D(3, 3, 3, dim_ordering="th", border_mode="same", trainable=False)(x)
    y = L.BatchNormalization(axis=1)(y)
    inner = functional(x, L.Convolution2D(3, 3, 3, dim_ordering="th", border_mode="same")(y))
    return sequential(inner, L.Flatten(), L.Dense(4))


@fixture("nested", "sequential_in_functional", "called_twice", "shared", "siamese", "LSTM")
def model_called_twice() -> Any:
    encoder = sequential(
        L.LSTM(4, input_shape=(6, 3), return_sequences=True), L.GRU(4), L.Dense(5, activation="hard_sigmoid")
    )
    x, y = L.Input((6, 3)), L.Input((6, 3))
    return functional([x, y], L.Dense(2)(L.merge([encoder(x), encoder(y)], mode="concat")))


@fixture("shared", "several_nodes", "multi_output")
def shared_layer() -> Any:
    x = L.Input((5,))
    dense = L.Dense(5, activation="tanh")
    a = dense(x)
    b = dense(a)
    return functional(x, [L.merge([a, b], mode="sum"), dense(b)])


@fixture("nested", "TimeDistributed", "Sequential", "hard_sigmoid")
def model_in_time_distributed() -> Any:
    frame = sequential(L.Dense(4, input_dim=5, activation="hard_sigmoid"), L.BatchNormalization(), L.Dense(3))
    x = L.Input((6, 5))
    return functional(x, L.LSTM(4)(L.TimeDistributed(frame)(x)))


# Other containers


def save_json_and_weights(model: Any, path: Path) -> None:
    path.write_text(model.to_json())
    model.save_weights(str(path.with_name(path.stem + "_weights.h5")), overwrite=True)


def read_json_and_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    model.load_weights(str(path.with_name(path.stem + "_weights.h5")))
    return model


@fixture(
    "config_json",
    "Convolution2D",
    "th",
    ordering="th",
    container="config-json",
    suffix=".json",
    weights="_weights.h5",
    save=save_json_and_weights,
    reload=read_json_and_weights,
)
def json_beside_weights() -> Any:
    return conv_stack("th")


def save_json_and_numbered_weights(model: Any, path: Path) -> None:
    """Weights as Keras before 1.0 wrote them: numbered layers and parameters without names."""
    path.write_text(model.to_json())
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        file.attrs["nb_layers"] = len(model.flattened_layers)
        for number, layer in enumerate(model.flattened_layers):
            group = file.create_group(f"layer_{number}")
            group.attrs["nb_params"] = len(layer.weights)
            for index, value in enumerate(layer.get_weights()):
                group.create_dataset(f"param_{index}", data=value)


def read_json_and_numbered_weights(path: Path) -> Any:
    model = keras.models.model_from_json(path.read_text())
    with h5py.File(path.with_suffix(".h5")) as file:
        model.load_weights_from_hdf5_group(file)
    return model


@fixture(
    "config_json",
    "nb_layers",
    "no_keras_version",
    "LSTM",
    container="config-json",
    suffix=".json",
    weights=".h5",
    save=save_json_and_numbered_weights,
    reload=read_json_and_numbered_weights,
    note="the weights are in the layout of Keras before 1.0, which 1.2.2 reads",
)
def json_beside_numbered_weights() -> Any:
    return sequential(L.LSTM(4, input_shape=(5, 3)), L.Dropout(0.2), L.Dense(3, activation="hard_sigmoid"))
