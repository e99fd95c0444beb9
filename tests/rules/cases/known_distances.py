"""Distances of siamese networks, and boxes of keras-retinanet."""

from __future__ import annotations

from tests.rules.cases import Case, Refusal, called, layer

_ASSUMED = "known_layer_assumed"
_BOX = {"mean": [0, 0, 0, 0], "std": [0.2, 0.2, 0.2, 0.2]}


CASES = [
    Case(
        "l1_distance",
        called(layer("L1Dist"), "a", "b"),
        """
input_0 = InputLayer
input_1 = InputLayer
subtract_0 = subtract(input_0, input_1)
abs_1 = abs(subtract_0)
-> abs_1
""",
        finding=_ASSUMED,
    ),
    Case("l1_distance", called(layer("L1Dist"), "a"), called(layer("L1Dist"), "a")),
    Case(
        "euclidean_distance",
        called(layer("EuclideanDistance"), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
subtract_0 = subtract(input_0, input_1)
square_1 = square(subtract_0)
sum_2 = sum(square_1, axis=-1, keepdims=True)
maximum_3 = maximum(sum_2, np.float32(1e-07))
sqrt_4 = sqrt(maximum_3)
-> sqrt_4
""",
        finding=_ASSUMED,
    ),
    Case(
        "euclidean_distance",
        called(layer("EuclideanDistance", squared=True), ["a", "b"]),
        called(layer("EuclideanDistance", squared=True), ["a", "b"]),
    ),
    Case(
        "cosine_similarity",
        called(layer("CosineSimilarity"), "a", other="b"),
        """
input_0 = InputLayer
input_1 = InputLayer
normalize_0 = normalize(input_0, axis=-1, order=2, epsilon=1e-06)
normalize_1 = normalize(input_1, axis=-1, order=2, epsilon=1e-06)
multiply_2 = multiply(normalize_0, normalize_1)
sum_3 = sum(multiply_2, axis=-1, keepdims=True)
-> sum_3
""",
        finding=_ASSUMED,
    ),
    Case(
        "cosine_distance",
        called(layer("CosineDistance"), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
normalize_0 = normalize(input_0, axis=-1, order=2, epsilon=1e-06)
normalize_1 = normalize(input_1, axis=-1, order=2, epsilon=1e-06)
multiply_2 = multiply(normalize_0, normalize_1)
sum_3 = sum(multiply_2, axis=-1, keepdims=True)
subtract_4 = subtract(np.float32(1.0), sum_3)
-> subtract_4
""",
        finding=_ASSUMED,
    ),
    Case(
        "triplet_distances",
        called(layer("DistanceLayer"), "a", "b", "c"),
        """
input_0 = InputLayer
input_1 = InputLayer
input_2 = InputLayer
subtract_0 = subtract(input_0, input_1)
square_1 = square(subtract_0)
sum_2 = sum(square_1, axis=-1, keepdims=False)
subtract_3 = subtract(input_0, input_2)
square_4 = square(subtract_3)
sum_5 = sum(square_4, axis=-1, keepdims=False)
-> [sum_2, sum_5]
""",
        finding=_ASSUMED,
    ),
    Case(
        "upsample_like",
        called(layer("UpsampleLike"), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
get_item_0 = get_item(input_1, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
get_item_2 = get_item(input_0, [0, slice(None, None, None), 0, 0])
ones_like_3 = ones_like(get_item_2, dtype='float32')
sum_4 = sum(ones_like_3, keepdims=True)
cumsum_5 = cumsum(ones_like_1)
subtract_6 = subtract(cumsum_5, np.float32(1.0))
sum_7 = sum(ones_like_1, keepdims=True)
divide_8 = divide(sum_4, sum_7)
multiply_9 = multiply(subtract_6, divide_8)
floor_10 = floor(multiply_9)
subtract_11 = subtract(sum_4, np.float32(1.0))
minimum_12 = minimum(floor_10, subtract_11)
cast_13 = cast(minimum_12, 'int32')
take_14 = take(input_0, cast_13, axis=1)
get_item_15 = get_item(input_1, [0, 0, slice(None, None, None), 0])
ones_like_16 = ones_like(get_item_15, dtype='float32')
get_item_17 = get_item(take_14, [0, 0, slice(None, None, None), 0])
ones_like_18 = ones_like(get_item_17, dtype='float32')
sum_19 = sum(ones_like_18, keepdims=True)
cumsum_20 = cumsum(ones_like_16)
subtract_21 = subtract(cumsum_20, np.float32(1.0))
sum_22 = sum(ones_like_16, keepdims=True)
divide_23 = divide(sum_19, sum_22)
multiply_24 = multiply(subtract_21, divide_23)
floor_25 = floor(multiply_24)
subtract_26 = subtract(sum_19, np.float32(1.0))
minimum_27 = minimum(floor_25, subtract_26)
cast_28 = cast(minimum_27, 'int32')
take_29 = take(take_14, cast_28, axis=2)
-> take_29
""",
    ),
    Case(
        "anchors",
        layer("Anchors", size=4, stride=2, ratios=[1], scales=[1, 2]),
        """
input = InputLayer
get_item_0 = get_item(input, [Ellipsis, 0])
ones_like_1 = ones_like(get_item_0)
cumsum_2 = cumsum(ones_like_1, axis=2)
subtract_3 = subtract(cumsum_2, np.float32(0.5))
cumsum_4 = cumsum(ones_like_1, axis=1)
subtract_5 = subtract(cumsum_4, np.float32(0.5))
multiply_6 = multiply(subtract_3, np.float32(2.0))
multiply_7 = multiply(subtract_5, np.float32(2.0))
stack_8 = stack([multiply_6, multiply_7, multiply_6, multiply_7], axis=-1)
expand_dims_9 = expand_dims(stack_8, 3)
add_10 = add(expand_dims_9, array([[-2., -2.,  2.,  2.],
       [-4., -4.,  4.,  4.]], dtype=float32))
reshape_11 = Reshape(add_10) target_shape=[-1, 4]
-> reshape_11
""",
    ),
    Case(
        "anchors",
        layer("Anchors", size=4, stride=2, ratios=None, scales=None),
        layer("Anchors", size=4, stride=2, ratios=None, scales=None),
    ),
    Case(
        "regress_boxes",
        called(layer("RegressBoxes", **_BOX), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
get_item_0 = get_item(input_0, [Ellipsis, 0])
get_item_1 = get_item(input_0, [Ellipsis, 1])
get_item_2 = get_item(input_0, [Ellipsis, 2])
get_item_3 = get_item(input_0, [Ellipsis, 3])
subtract_4 = subtract(get_item_2, get_item_0)
subtract_5 = subtract(get_item_3, get_item_1)
stack_6 = stack([subtract_4, subtract_5, subtract_4, subtract_5], axis=-1)
multiply_7 = multiply(input_1, array([0.2, 0.2, 0.2, 0.2], dtype=float32))
add_8 = add(multiply_7, array([0., 0., 0., 0.], dtype=float32))
multiply_9 = multiply(add_8, stack_6)
add_10 = add(input_0, multiply_9)
-> add_10
""",
    ),
    Case(
        "clip_boxes",
        called(layer("ClipBoxes"), ["a", "b"]),
        """
input_0 = InputLayer
input_1 = InputLayer
get_item_0 = get_item(input_0, [0, slice(None, None, None), 0, 0])
ones_like_1 = ones_like(get_item_0, dtype='float32')
sum_2 = sum(ones_like_1, keepdims=True)
get_item_3 = get_item(input_0, [0, 0, slice(None, None, None), 0])
ones_like_4 = ones_like(get_item_3, dtype='float32')
sum_5 = sum(ones_like_4, keepdims=True)
concatenate_6 = concatenate([sum_5, sum_2, sum_5, sum_2])
subtract_7 = subtract(concatenate_6, np.float32(1.0))
maximum_8 = maximum(input_1, np.float32(0.0))
minimum_9 = minimum(maximum_8, subtract_7)
-> minimum_9
""",
        finding=_ASSUMED,
    ),
]
REFUSALS: list[Refusal] = []
