"""What Keras 2.0 to 2.3 wrote, and what all versions before Keras 3 had in common."""

from __future__ import annotations

from reconstruct.artifact import Layer, Writer
from tests.rules.cases import Case, Refusal, called, layer, sequential

THEANO = Writer("2.2.4", "theano")


def _bidirectional(**config: object) -> Layer:
    return layer("Bidirectional").replace(
        children={
            "forward_layer": layer("LSTM", "forward", units=2, **config),
            "backward_layer": layer("LSTM", "backward", units=2, go_backwards=True, **config),
        }
    )


_cell = layer("LSTMCell", "cell", units=2)
_stack = layer("StackedRNNCells", "stack").replace(children={"cells/0": _cell})

CASES = [
    Case(
        "sequential_input_layer",
        sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3], dtype="float32")),
        sequential(
            layer("InputLayer", "d_input", batch_shape=[None, 3]),
            layer("Dense", "d", units=2, batch_input_shape=[None, 3], dtype="float32"),
        ),
    ),
    Case(
        "model_subclass",
        sequential(layer("Dense", "d")).replace(class_name="MyModel"),
        sequential(layer("Dense", "d")),
        finding="model_subclass",
    ),
    Case("class_names", layer("SyncBatchNormalization", axis=-1), layer("BatchNormalization", axis=-1)),
    Case("class_names", layer("MaxPool2D"), layer("MaxPooling2D"), Writer("3.15.1")),
    Case(
        "grouped_query_attention",
        layer("GroupedQueryAttention", head_dim=2, num_query_heads=2, num_key_value_heads=1),
        layer("GroupQueryAttention", head_dim=2, num_query_heads=2, num_key_value_heads=1),
        Writer("3.15.1"),
    ),
    Case(  # somebody's own
        "grouped_query_attention",
        layer("GroupedQueryAttention", heads=2),
        layer("GroupedQueryAttention", heads=2),
        Writer("3.15.1"),
    ),
    Case("dtype_names", layer("InputLayer", dtype="float32_ref"), layer("InputLayer", dtype="float32")),
    Case("dtype_names", layer("InputLayer", dtype="<dtype: 'int32'>"), layer("InputLayer", dtype="int32")),
    Case("dtype_names", layer("Dense", dtype=None), layer("Dense")),
    Case(
        "ndarray_values",
        layer("LeakyReLU", alpha={"type": "ndarray", "value": 0.25}, other=[{"type": "ndarray", "value": [1, 2]}]),
        layer("LeakyReLU", alpha=0.25, other=[[1, 2]]),
    ),
    Case("scalar_values", layer("LeakyReLU", alpha=[0.25]), layer("LeakyReLU", alpha=0.25)),
    Case(
        "activation_names",
        layer("Dense", activation={"class_name": "function", "config": "relu", "module": "builtins"}),
        layer("Dense", activation="relu"),
    ),
    Case(
        "slash_in_names",
        sequential(layer("Dense", "block/conv"), layer("Dense", "block_conv")),
        sequential(layer("Dense", "block_conv_").having(name="block/conv"), layer("Dense", "block_conv")),
    ),
    Case(
        "batch_shape",
        layer("InputLayer", batch_input_shape=[None, 3], dtype="float32"),
        layer("InputLayer", batch_shape=[None, 3], dtype="float32"),
    ),
    Case("model_config_fields", sequential(build_input_shape=[None, 3], trainable=False), sequential(trainable=False)),
    Case(
        "thresholded_relu",
        layer("ThresholdedReLU", theta=0.5, trainable=True),
        layer("ReLU", trainable=True, threshold=0.5),
    ),
    Case(
        "locally_connected",
        layer(
            "LocallyConnected2D", filters=1, kernel_size=[1, 2], strides=[1, 1], weights={"kernel": [[[1], [2]]] * 3}
        ),
        """
input = InputLayer
patches = image.extract_patches(input, [1, 2], strides=[1, 1])
row_of_patches = reshape(patches, [-1, 3, 2])
per_place = EinsumDense(row_of_patches) equation='bif,ifo->bio' output_shape=[3, 1] bias_axes=None activation=None \
kernel=[[[1.0], [2.0]], [[1.0], [2.0]], [[1.0], [2.0]]]
rows_and_columns = build.reshape(per_place, -1, [patches, 1, 3], 1)
-> rows_and_columns
""",
    ),
    Case(
        "locally_connected",
        layer(
            "LocallyConnected1D",
            filters=1,
            kernel_size=[2],
            strides=[1],
            activation="relu",
            weights={"kernel": [[[1], [2]], [[3], [4]]], "bias": [[5], [6]]},
        ),
        """
input = InputLayer
as_image = expand_dims(input, axis=2)
patches_of_image = image.extract_patches(as_image, [2, 1], strides=[1, 1])
patches = squeeze(patches_of_image, axis=2)
per_place = EinsumDense(patches) equation='bif,ifo->bio' output_shape=[2, 1] bias_axes='io' activation='relu' \
kernel=[[[1.0], [2.0]], [[3.0], [4.0]]] bias=[[5.0], [6.0]]
-> per_place
""",
    ),
    Case(
        "bilinear_upsampling_of_keras_2",
        layer("UpSampling2D", size=[2, 3], interpolation="bilinear"),
        """
input = InputLayer
repeat = UpSampling2D(input) size=[2, 3] data_format='channels_last'
edge = pad(repeat, [[0, 0], [0, 1], [0, 2], [0, 0]], mode='symmetric')
between = AveragePooling2D(edge) pool_size=[2, 3] strides=[1, 1] padding='valid' data_format='channels_last'
-> between
""",
    ),
    Case(
        "cudnn_to_plain",  # one unit of one input: the blocks are single numbers, and the two biases are added
        layer(
            "CuDNNLSTM", units=1, weights={"kernel": [[1, 2, 3, 4]], "recurrent_kernel": [[5, 6, 7, 8]], "bias": (8,)}
        ),
        layer(
            "LSTM",
            units=1,
            activation="tanh",
            recurrent_activation="sigmoid",
            use_bias=True,
            weights={"kernel": [[1, 2, 3, 4]], "recurrent_kernel": [[5, 6, 7, 8]], "bias": [4, 6, 8, 10]},
        ),
    ),
    Case(
        "cudnn_to_plain",  # blocks of the recurrent kernel are transposed, those of the kernel read in another order
        layer(
            "CuDNNGRU",
            units=2,
            weights={"kernel": (3, 6), "recurrent_kernel": (2, 6), "bias": (12,)},
        ),
        layer(
            "GRU",
            units=2,
            activation="tanh",
            recurrent_activation="sigmoid",
            use_bias=True,
            reset_after=True,
            weights={
                "kernel": [[0, 7, 2, 9, 4, 11], [1, 12, 3, 14, 5, 16], [6, 13, 8, 15, 10, 17]],
                "recurrent_kernel": [[0, 6, 2, 8, 4, 10], [1, 7, 3, 9, 5, 11]],
                "bias": [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]],
            },
        ),
    ),
    Case(
        "foreign_activation_apart",
        layer("Dense", units=1, activation="softplus2"),
        (
            layer("Dense", units=1, activation="linear"),
            layer("Activation", "x_activation", activation="softplus2"),
        ),
    ),
    Case("gru_reset_before", layer("GRU", units=1), layer("GRU", units=1, reset_after=False)),
    Case(
        "recurrent_activation_default",
        layer("LSTM", units=1),
        layer("LSTM", units=1, recurrent_activation="hard_sigmoid"),
    ),
    Case(
        "initial_state_argument",
        called(layer("LSTM"), ["a", "h", "c"]),
        called(layer("LSTM"), "a", initial_state=["h", "c"]),
    ),
    Case(
        "time_major",
        layer("LSTM", time_major=True, return_sequences=True),
        """
input = InputLayer
batch_major = transpose(input, axes=[1, 0, 2])
recurrent = LSTM(batch_major) return_sequences=True
time_major = transpose(recurrent, axes=[1, 0, 2])
-> time_major
""",
    ),
    Case(
        "time_major",
        layer("GRU", time_major=True, return_state=True),
        """
input = InputLayer
batch_major = transpose(input, axes=[1, 0, 2])
recurrent = GRU(batch_major) return_state=True
-> [recurrent, recurrent:1]
""",
    ),
    Case(
        "time_major_in_both_directions",
        _bidirectional(time_major=True),
        """
input = InputLayer
batch_major = transpose(input, axes=[1, 0, 2])
recurrent = Bidirectional(batch_major)
  forward_layer: forward = LSTM units=2
  backward_layer: backward = LSTM units=2 go_backwards=True
-> recurrent
""",
    ),
    Case(
        "stack_of_one_cell",
        layer("RNN").replace(children={"cell": _stack}),
        layer("RNN").replace(children={"cell": _cell}),
    ),
    Case(
        "theano_kernels",
        layer("Conv1D", weights={"kernel": [[[1]], [[2]], [[3]]], "bias": [4]}),
        layer("Conv1D", weights={"kernel": [[[3]], [[2]], [[1]]], "bias": [4]}),
        THEANO,
        once=True,
    ),
    Case(
        "theano_kernels",
        layer("Conv2D", weights={"kernel": [[[[1]], [[2]]], [[[3]], [[4]]]]}),
        layer("Conv2D", weights={"kernel": [[[[4]], [[3]]], [[[2]], [[1]]]]}),
        THEANO,
        once=True,
    ),
    Case(
        "channels_last_convolution",
        layer("Conv2D", data_format="channels_first", filters=2),
        (
            layer("Permute", "x_channels_last", dims=[2, 3, 1]),
            layer("Conv2D", data_format="channels_last", filters=2),
            layer("Permute", "x_channels_first", dims=[3, 1, 2]),
        ),
    ),
    Case(
        "hard_sigmoid_layer",
        layer("Activation", activation="hard_sigmoid"),
        (
            layer("Rescaling", "x_scale", scale=1.2, offset=0.0),
            layer("Activation", "x_hard_sigmoid", activation="hard_sigmoid"),
        ),
        once=True,
    ),
    Case(
        "hard_sigmoid_of_linear",
        layer("Dense", activation="hard_sigmoid", weights={"kernel": [[5, 10]], "bias": [0, -5]}),
        layer("Dense", activation="hard_sigmoid", weights={"kernel": [[6, 12]], "bias": [0, -6]}),
        once=True,
    ),
    Case(
        "hard_sigmoid_of_linear",  # of the two kernels in the product, one is scaled
        layer(
            "SeparableConv1D",
            activation="hard_sigmoid",
            weights={"depthwise_kernel": [[[5]]], "pointwise_kernel": [[[5]]], "bias": [5]},
        ),
        layer(
            "SeparableConv1D",
            activation="hard_sigmoid",
            weights={"depthwise_kernel": [[[6]]], "pointwise_kernel": [[[5]]], "bias": [6]},
        ),
        once=True,
    ),
    Case(
        "hard_sigmoid_gates",  # i, f, c, o: not c
        layer(
            "LSTM",
            recurrent_activation="hard_sigmoid",
            weights={"kernel": [[5, 5, 5, 5]], "recurrent_kernel": [[10, 10, 10, 10]], "bias": [5, 5, 5, 5]},
        ),
        layer(
            "LSTM",
            recurrent_activation="hard_sigmoid",
            weights={"kernel": [[6, 6, 5, 6]], "recurrent_kernel": [[12, 12, 10, 12]], "bias": [6, 6, 5, 6]},
        ),
        once=True,
    ),
    Case(
        "hard_sigmoid_gates",  # z, r, h: not h
        layer(
            "GRU", recurrent_activation="hard_sigmoid", weights={"kernel": [[5, 5, 5]], "bias": [[5, 5, 5], [5, 5, 5]]}
        ),
        layer(
            "GRU", recurrent_activation="hard_sigmoid", weights={"kernel": [[6, 6, 5]], "bias": [[6, 6, 5], [6, 6, 5]]}
        ),
        once=True,
    ),
    Case(
        "hard_sigmoid_of_simple_rnn",
        layer(
            "SimpleRNN", activation="hard_sigmoid", weights={"kernel": [[5]], "recurrent_kernel": [[10]], "bias": [5]}
        ),
        layer(
            "SimpleRNN", activation="hard_sigmoid", weights={"kernel": [[6]], "recurrent_kernel": [[12]], "bias": [6]}
        ),
        once=True,
    ),
]

REFUSALS = [
    Refusal(
        "locally_connected",
        layer("LocallyConnected1D", kernel_size=[2], padding="same", weights={"kernel": (2, 2, 1)}),
        "padding 'same'",
    ),
    Refusal(
        "locally_connected",
        layer("LocallyConnected1D", kernel_size=[2], filters=1, implementation=3, weights={"kernel": (4,)}),
        "no bias",
    ),
    Refusal("hard_sigmoid_gates", layer("LSTM", activation="hard_sigmoid"), "cell state"),
]
