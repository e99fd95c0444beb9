"""Small layers of tutorials (`reconstruct/objects/known/tutorials.py`)."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, layer

_ASSUMED = "known_layer_assumed"


CASES = [
    Case(
        "capsule_length",
        layer("Length"),
        """
input = InputLayer
length_square = square(input)
length_sum = sum(length_square, axis=-1)
length_above_zero = add(length_sum, 1e-07)
length = sqrt(length_above_zero)
-> length
""",
        finding=_ASSUMED,
    ),
    Case(
        "capsule_mask",
        layer("Mask"),
        """
input = InputLayer
length_square = square(input)
length_sum = sum(length_square, axis=-1)
length_above_zero = add(length_sum, 1e-07)
length = sqrt(length_above_zero)
longest = max(length, axis=1, keepdims=True)
equal = equal(length, longest)
is_longest = cast(equal, 'float32')
column = expand_dims(is_longest, -1)
kept = multiply(input, column)
row = Flatten(kept)
-> row
""",
        finding=_ASSUMED,
    ),
    Case(
        "capsule_layer",
        layer("CapsuleLayer", weights={"W": (1, 2, 1, 1)}, num_capsule=1, dim_capsule=1, routings=2),
        """
input = InputLayer
predicted = EinsumDense(input) equation='bik,jidk->bjid' output_shape=[1, 2, 1] kernel=[[[[0.0]], [[1.0]]]]
first = take(predicted, 0, axis=-1)
agreed_0 = zeros_like(first)
coupling_0 = softmax(agreed_0, axis=1)
sum_0 = einsum('bji,bjid->bjd', coupling_0, predicted)
output_0_squares = square(sum_0)
output_0_norm = sum(output_0_squares, axis=-1, keepdims=True)
output_0_more = add(output_0_norm, 1.0)
output_0_share = divide(output_0_norm, output_0_more)
output_0_positive = add(output_0_norm, 1e-07)
output_0_root = sqrt(output_0_positive)
output_0_scale = divide(output_0_share, output_0_root)
output_0 = multiply(sum_0, output_0_scale)
fits_0 = einsum('bjd,bjid->bji', output_0, predicted)
agreed_1 = add(agreed_0, fits_0)
coupling_1 = softmax(agreed_1, axis=1)
sum_1 = einsum('bji,bjid->bjd', coupling_1, predicted)
output_1_squares = square(sum_1)
output_1_norm = sum(output_1_squares, axis=-1, keepdims=True)
output_1_more = add(output_1_norm, 1.0)
output_1_share = divide(output_1_norm, output_1_more)
output_1_positive = add(output_1_norm, 1e-07)
output_1_root = sqrt(output_1_positive)
output_1_scale = divide(output_1_share, output_1_root)
output_1 = multiply(sum_1, output_1_scale)
-> output_1
""",
        finding=_ASSUMED,
    ),
    Case("capsule_layer", layer("CapsuleLayer", num_capsule=1), layer("CapsuleLayer", num_capsule=1)),
    Case(
        "vector_quantizer",
        layer("VectorQuantizer", weights={"codes": (1, 2)}, num_embeddings=2, embedding_dim=1, beta=0.25),
        """
input = InputLayer
near = Dense(input) units=2 use_bias=True kernel=[[0, 1.0]] bias=[-0, -0.5]
nearest = argmax(near, axis=-1)
codes = Embedding(nearest) input_dim=2 output_dim=1 embeddings=[[0.0], [1.0]]
-> codes
""",
        finding=_ASSUMED,
    ),
    Case(
        "vector_quantizer",
        layer("VectorQuantizer", weights={"codes": (2, 2)}, num_embeddings=2, embedding_dim=2),
        layer("VectorQuantizer", weights={"codes": (2, 2)}, num_embeddings=2, embedding_dim=2),
    ),
    Case(
        "gaussian_layer",
        layer("GaussianLayer", weights={"kernel_1": (2, 1), "kernel_2": (2, 1), "bias_1": (1,), "bias_2": (1,)}),
        """
input = InputLayer
mean = Dense(input) units=1 use_bias=True kernel=[[0.0], [1.0]] bias=[0.0]
spread = Dense(input) units=1 use_bias=True activation='softplus' kernel=[[0.0], [1.0]] bias=[0.0]
deviation = add(spread, 1e-06)
-> [mean, deviation]
""",
        finding=_ASSUMED,
    ),
    Case("gaussian_layer", layer("GaussianLayer"), layer("GaussianLayer")),
    Case("sampling", layer("Sampling", seed=1), layer("Sampling", seed=1)),
]
REFUSALS: list[Refusal] = []
