"""hard_sigmoid: 0.2·x + 0.5 until Keras 2 and tf_keras, x/6 + 0.5 in Keras 3, both clipped to 0…1.

Keras 3's hard_sigmoid(1.2·x) is the old hard_sigmoid(x), so the factor goes into the weights that make x.
"""

from __future__ import annotations

from reconstruct.artifact import Layer, Tensor
from reconstruct.errors import NotEquivalent
from reconstruct.rules.engine import Context, before_keras_3, rule
from reconstruct.rules.expansion import chain, stock
from reconstruct.stock import foreign_activation

SCALE = 1.2
LINEAR = (
    "Dense Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D EinsumDense LocallyConnected1D LocallyConnected2D"
).split()
# The variables that make x, each exactly once in every product.
FACTORS = ("kernel", "depthwise_kernel", "bias")


@rule(layers=LINEAR)
def foreign_activation_apart(layer: Layer, context: Context) -> Layer:
    """An activation that Keras 3 does not have becomes a layer of its own, so that the one before it is stock Keras."""
    name = foreign_activation(layer.config.get("activation"))
    if name is None or name in context.objects:
        return layer
    own = {"activation": layer.config["activation"]}
    return chain(layer, layer.having(activation="linear"), stock("Activation", "activation", own))


@rule(layers=("Activation",), writers=before_keras_3)
def hard_sigmoid_layer(layer: Layer) -> Layer:
    """hard_sigmoid was 0.2·x + 0.5 before Keras 3 and is x/6 + 0.5 since: its input is scaled by 1.2."""
    if layer.config.get("activation") != "hard_sigmoid":
        return layer
    return chain(
        layer,
        stock("Rescaling", "scale", {"scale": SCALE, "offset": 0.0}),
        stock("Activation", "hard_sigmoid", {"activation": "hard_sigmoid"}),
    )


@rule(layers=LINEAR, writers=before_keras_3)
def hard_sigmoid_of_linear(layer: Layer) -> Layer:
    """hard_sigmoid was 0.2·x + 0.5 before Keras 3 and is x/6 + 0.5 since: kernel and bias are scaled by 1.2."""
    if layer.config.get("activation") != "hard_sigmoid":
        return layer
    scaled = {k: t.map(_times_scale) for k, t in layer.weights.items() if k in FACTORS}
    return layer.replace(weights={**layer.weights, **scaled})


# Which gates, in the order of the kernel's blocks, go through recurrent_activation (Keras 2.2.4, layers/recurrent.py).
GATES = {"LSTM": (True, True, False, True), "GRU": (True, True, False)}
GATES["LSTMCell"] = GATES["ConvLSTM1D"] = GATES["ConvLSTM2D"] = GATES["ConvLSTM3D"] = GATES["LSTM"]
GATES["ConvLSTM2DCell"] = GATES["LSTM"]
GATES["GRUCell"] = GATES["GRU"]


@rule(layers=GATES, writers=before_keras_3)
def hard_sigmoid_gates(layer: Layer) -> Layer:
    """hard_sigmoid was 0.2·x + 0.5 before Keras 3 and is x/6 + 0.5 since: the gates' weights are scaled by 1.2."""
    candidate = layer.config.get("activation") == "hard_sigmoid"
    if candidate and not layer.class_name.startswith("GRU"):  # a GRU's activation makes the candidate only
        raise NotEquivalent(
            f"the cell state of {layer.name} goes through the old hard_sigmoid, which no weights can carry",
        )
    by_gate = layer.config.get("recurrent_activation") == "hard_sigmoid"
    gates = tuple(by_gate if gate else candidate for gate in GATES[layer.class_name])
    if not any(gates):
        return layer
    return layer.replace(weights={k: scale_gates(t, gates) for k, t in layer.weights.items()})


@rule(layers=("SimpleRNN", "SimpleRNNCell"), writers=before_keras_3)
def hard_sigmoid_of_simple_rnn(layer: Layer) -> Layer:
    """hard_sigmoid was 0.2·x + 0.5 before Keras 3 and is x/6 + 0.5 since: all weights are scaled by 1.2."""
    if layer.config.get("activation") != "hard_sigmoid":
        return layer
    return layer.replace(weights={k: t.map(_times_scale) for k, t in layer.weights.items()})


def _times_scale(array):  # type: ignore[no-untyped-def]
    return (array * SCALE).astype(array.dtype)


def scale_gates(tensor: Tensor, gates: tuple[bool, ...], factor: float = SCALE) -> Tensor:
    def scale(array):  # type: ignore[no-untyped-def]
        units = array.shape[-1] // len(gates)
        scaled = array.copy()
        for i, gate in enumerate(gates):
            if gate:
                scaled[..., i * units : (i + 1) * units] *= factor
        return scaled

    return tensor.map(scale)


RULES = (hard_sigmoid_layer, hard_sigmoid_of_linear, hard_sigmoid_gates, hard_sigmoid_of_simple_rnn)
