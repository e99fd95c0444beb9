"""HGQ (`reconstruct/objects/known/hgq.py`)."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, called, layer

_VALUES = {"rnd_strategy": "standard_round", "bw_clip": [-23, 23]}
_DOWN = {"rnd_strategy": "floor", "bw_clip": None}
_DENSE = {"kernel": [[0.3, -1.3]], "bias": [0.3, 1.3], "kernel_bw": [[1.0, 0.0]], "activation_bw": [[1.0, 2.0]]}
_CONV = {
    "kernel": [[[0.25, 1.3]]], "kernel_bw": [[[0.0, 1.0]]], "activation_bw": [[[2.0, 0.0]]], "bias": [0.3, 0.8],
    "bn_beta": [1.0, 0.0], "bn_gamma": [2.0, 1.0], "moving_mean": [0.5, 0.0], "moving_variance": [4.0, 1.0],
}  # fmt: skip


CASES = [
    Case(
        "hgq_linear",
        layer("HDense", weights=_DENSE, units=2, activation="relu", use_bias=True, kq_conf=_VALUES, paq_conf=_VALUES),
        """
input = InputLayer
dense_0 = Dense(input) units=2 use_bias=True kernel=[[0.5, -1.0]] bias=[0.5, 1.25]
einsumdense_1 = EinsumDense(dense_0) equation='bc,c->bc' output_shape=[2] trainable=False kernel=[2, 4.0]
add_2 = add(einsumdense_1, np.float32(0.5))
floor_3 = floor(add_2)
einsumdense_4 = EinsumDense(floor_3) equation='bc,c->bc' output_shape=[2] trainable=False kernel=[0.5, 0.25]
activation_5 = Activation(einsumdense_4) activation='relu'
-> activation_5
""",
    ),
    Case(
        "hgq_linear",
        layer(
            "HConv1DBatchNorm",
            weights=_CONV,
            filters=2,
            kernel_size=[1],
            epsilon=0.0,
            kq_conf=_DOWN,
            paq_conf=_VALUES | {"rnd_strategy": "auto"},
        ),
        """
input = InputLayer
conv1d_0 = Conv1D(input) filters=2 kernel_size=[1] kernel=[[[0, 1.0]]] bias=[0.75, 1.0]
multiply_1 = multiply(conv1d_0, array([[4., 1.]], dtype=float32))
add_2 = add(multiply_1, np.float32(0.5))
floor_3 = floor(add_2)
multiply_4 = multiply(floor_3, array([[0.25, 1.  ]], dtype=float32))
activation_5 = Activation(multiply_4) activation='linear'
-> activation_5
""",
    ),
    Case(
        "hgq_linear",
        layer("HDense", weights={"kernel": (1, 2)}, units=2),
        layer("HDense", weights={"kernel": (1, 2)}, units=2),
    ),
    Case(
        "hgq_values",
        layer("HActivation", weights={"activation_bw": [[2.0]]}, activation="tanh", paq_conf=_DOWN),
        """
input = InputLayer
activation_0 = Activation(input) activation='tanh'
multiply_1 = multiply(activation_0, array([4.], dtype=float32))
floor_2 = floor(multiply_1)
multiply_3 = multiply(floor_2, array([0.25], dtype=float32))
-> multiply_3
""",
    ),
    Case(
        "hgq_values",
        called(layer("HAdd", weights={"activation_bw": [[2.0, 3.0]]}, paq_conf=_DOWN), ["a", "b", "c"]),
        """
input_0 = InputLayer
input_1 = InputLayer
input_2 = InputLayer
add_0 = add(input_0, input_1)
add_1 = add(add_0, input_2)
einsumdense_2 = EinsumDense(add_1) equation='bc,c->bc' output_shape=[2] trainable=False kernel=[4, 8.0]
floor_3 = floor(einsumdense_2)
einsumdense_4 = EinsumDense(floor_3) equation='bc,c->bc' output_shape=[2] trainable=False kernel=[0.25, 0.125]
-> einsumdense_4
""",
    ),
    Case(
        "hgq_values",
        layer("HQuantize", weights={"bits": (1, 2)}),
        layer("HQuantize", weights={"bits": (1, 2)}),
    ),
    Case(
        "hgq_passive",
        layer("PFlatten").replace(package="HGQ>PFlatten"),
        layer("Flatten"),
    ),
    Case("hgq_passive", layer("PFlatten"), layer("PFlatten")),
    Case(
        "hgq_signature",
        layer("Signature", keep_negative=[1], bits=[8], int_bits=[3]),
        layer("Identity"),
    ),
    Case(
        "hgq_signature",
        layer("Signature", author="me"),
        layer("Signature", author="me"),
    ),
]
REFUSALS = [
    Refusal(
        "hgq_linear",
        layer("HConv2D", weights=_CONV, data_format="channels_first", kq_conf=_VALUES, paq_conf=_VALUES),
        "x has its channels first, where HGQ takes the bits of its bias elsewhere",
    ),
]
