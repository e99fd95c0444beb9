# ruff: noqa: E501  (a node of a model is one line)
"""keras-tcn: TCN, one layer in the file."""

from __future__ import annotations

from typing import Any

from tests.rules.cases import Case, Refusal, layer

TCN = {"nb_filters": 1, "kernel_size": 2, "nb_stacks": 1, "dilations": [1], "padding": "causal", "dropout_rate": 0.5}
TCN |= {"use_skip_connections": True, "return_sequences": True, "activation": "relu", "go_backwards": False}


def block(number: int, channels: int) -> dict[str, Any]:
    """The weights of the two convolutions of a block with one filter, by their names in a `.h5` file."""
    name = f"residual_block_{number}/conv1D_"
    return {
        f"{name}0/kernel": (2, channels, 1),
        f"{name}0/bias": (1,),
        f"{name}1/kernel": (2, 1, 1),
        f"{name}1/bias": (1,),
    }


CASES = [
    Case(
        "temporal_convolutions",
        layer(
            "TCN",
            weights={**block(0, 3), "residual_block_0/matching_conv1D/kernel": (1, 3, 1)}
            | {"residual_block_0/matching_conv1D/bias": (1,), **block(1, 1)},
            **{**TCN, "dilations": [1, 2]},
        ),
        """
input = InputLayer
block_0_conv_0 = Conv1D(input) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[1] kernel=[[[0.0], [1.0], [2.0]], [[3.0], [4.0], [5.0]]] bias=[0.0]
block_0_activation_0 = Activation(block_0_conv_0) activation='relu'
block_0_drop_0 = SpatialDropout1D(block_0_activation_0) rate=0.5
block_0_conv_1 = Conv1D(block_0_drop_0) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[1] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_0_activation_1 = Activation(block_0_conv_1) activation='relu'
block_0_drop_1 = SpatialDropout1D(block_0_activation_1) rate=0.5
block_0_skip = Activation(block_0_drop_1) activation='relu'
block_0_match = Conv1D(input) filters=1 kernel_size=[1] data_format='channels_last' padding='same' kernel=[[[0.0], [1.0], [2.0]]] bias=[0.0]
block_0_sum = Add([block_0_match, block_0_skip])
block_0_output = Activation(block_0_sum) activation='relu'
block_1_conv_0 = Conv1D(block_0_output) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[2] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_1_activation_0 = Activation(block_1_conv_0) activation='relu'
block_1_drop_0 = SpatialDropout1D(block_1_activation_0) rate=0.5
block_1_conv_1 = Conv1D(block_1_drop_0) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[2] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_1_activation_1 = Activation(block_1_conv_1) activation='relu'
block_1_drop_1 = SpatialDropout1D(block_1_activation_1) rate=0.5
block_1_skip = Activation(block_1_drop_1) activation='relu'
block_1_sum = Add([block_0_output, block_1_skip])
block_1_output = Activation(block_1_sum) activation='relu'
skips = Add([block_0_skip, block_1_skip])
-> skips
""",
    ),
    Case(
        "temporal_convolutions",
        layer(
            "TCN",
            weights={**block(0, 1), "residual_block_0/norm_0/gamma": (1,), "residual_block_0/norm_0/beta": (1,)}
            | {"residual_block_0/norm_1/gamma": (1,), "residual_block_0/norm_1/beta": (1,)},
            **{**TCN, "padding": "same", "use_layer_norm": True, "return_sequences": False, "go_backwards": True},
        ),
        """
input = InputLayer
backwards = flip(input, axis=1)
block_0_conv_0 = Conv1D(backwards) filters=1 kernel_size=[2] data_format='channels_last' padding='same' dilation_rate=[1] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_0_norm_0 = LayerNormalization(block_0_conv_0) axis=-1 epsilon=0.001 gamma=[0.0] beta=[0.0]
block_0_activation_0 = Activation(block_0_norm_0) activation='relu'
block_0_drop_0 = SpatialDropout1D(block_0_activation_0) rate=0.5
block_0_conv_1 = Conv1D(block_0_drop_0) filters=1 kernel_size=[2] data_format='channels_last' padding='same' dilation_rate=[1] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_0_norm_1 = LayerNormalization(block_0_conv_1) axis=-1 epsilon=0.001 gamma=[0.0] beta=[0.0]
block_0_activation_1 = Activation(block_0_norm_1) activation='relu'
block_0_drop_1 = SpatialDropout1D(block_0_activation_1) rate=0.5
block_0_skip = Activation(block_0_drop_1) activation='relu'
block_0_sum = Add([backwards, block_0_skip])
block_0_output = Activation(block_0_sum) activation='relu'
feature = getitem(block_0_skip, [Ellipsis, slice(None, 1, None)])
ones = ones_like(feature)
counted = cumsum(ones, axis=1)
steps = max(counted, axis=1, keepdims=True)
half = multiply(steps, np.float32(0.5))
before = floor(half)
middle = add(before, np.float32(1.0))
is_middle = equal(counted, middle)
zeros = zeros_like(block_0_skip)
chosen = where(is_middle, block_0_skip, zeros)
step = sum(chosen, axis=1)
-> step
""",
    ),
    Case(
        "temporal_convolutions",
        layer(
            "TCN",
            weights=block(0, 1),
            **{k: v for k, v in (TCN | {"activation": "tanh"}).items() if k != "go_backwards"},
        ),
        """
input = InputLayer
block_0_conv_0 = Conv1D(input) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[1] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_0_activation_0 = Activation(block_0_conv_0) activation='relu'
block_0_drop_0 = SpatialDropout1D(block_0_activation_0) rate=0.5
block_0_conv_1 = Conv1D(block_0_drop_0) filters=1 kernel_size=[2] data_format='channels_last' padding='causal' dilation_rate=[1] kernel=[[[0.0]], [[1.0]]] bias=[0.0]
block_0_activation_1 = Activation(block_0_conv_1) activation='relu'
block_0_drop_1 = SpatialDropout1D(block_0_activation_1) rate=0.5
block_0_sum = Add([input, block_0_drop_1])
block_0_output = Activation(block_0_sum) activation='tanh'
-> block_0_drop_1
""",
    ),
]

REFUSALS = [
    Refusal(
        "temporal_convolutions", layer("TCN", weights=block(0, 1), **{**TCN, "nb_stacks": 2}), "weights of 1 blocks"
    ),
]
