"""Each TensorFlow function of the tables: tf_keras saves a model of it, Keras 3 must compute the same from the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
import keras  # noqa: E402

from reconstruct import readers  # noqa: E402
from reconstruct.artifact import Call, Graph, Layer, Ref, Writer  # noqa: E402
from reconstruct.errors import NotEquivalent  # noqa: E402
from reconstruct.rules import inputs, tf_ops  # noqa: E402
from reconstruct.rules.engine import Context, apply  # noqa: E402
from reconstruct.runtimes import building  # noqa: E402

RULES = (inputs.batch_shape, *tf_ops.RULES)
Function = Callable[[Any, Any], Any]
C = np.array([0.5, -1.0, 2.0], "float32")

# Of two inputs (batch, 4, 3): values of both signs, whole and half numbers among them.
ARITHMETIC: dict[str, Function] = {
    "add": lambda a, b: a + b,
    "add constant": lambda a, b: a + C,
    "subtract": lambda a, b: a - 1,
    "subtract from constant": lambda a, b: 1 - a,
    "multiply": lambda a, b: a * b,
    "multiply constant first": lambda a, b: 2.0 * a,
    "multiply array first": lambda a, b: tf.constant(C) * a,
    "divide": lambda a, b: a / 3,
    "divide constant": lambda a, b: 1 / (a + 10.0),
    "divide ints": lambda a, b: tf.cast(a * 4, "int32") / 3,
    "math.divide": lambda a, b: tf.math.divide(a, 4.0),
    "floordiv": lambda a, b: a // 2,
    "floordiv ints": lambda a, b: tf.cast(a * 4, tf.int32) // 3,
    "mod": lambda a, b: a % 2,
    "mod ints": lambda a, b: tf.cast(a * 4, tf.int32) % 3,
    "pow": lambda a, b: a**2,
    "pow of constant": lambda a, b: 2.0**a,
    "negative": lambda a, b: -a,
    "abs": lambda a, b: abs(a),
    "matmul operator": lambda a, b: a @ tf.transpose(b, [0, 2, 1]),
    "maximum": lambda a, b: tf.maximum(a, 0.0),
    "maximum constant first": lambda a, b: tf.maximum(0.0, a),
    "minimum": lambda a, b: tf.minimum(a, b),
    "squared_difference": lambda a, b: tf.math.squared_difference(a, b),
    "divide_no_nan": lambda a, b: tf.math.divide_no_nan(a, tf.nn.relu(b)),
    "multiply_no_nan": lambda a, b: tf.math.multiply_no_nan(a, tf.nn.relu(b)),
    "atan2": lambda a, b: tf.atan2(a, b),
    "add_n": lambda a, b: tf.add_n([a, b, a]),
    "scalar_mul": lambda a, b: tf.math.scalar_mul(3.0, a),
    "clip_by_value": lambda a, b: tf.clip_by_value(a, -0.5, 1.0),
    "clip_by_norm": lambda a, b: tf.clip_by_norm(a, 0.5, axes=[2]),
    "cumsum": lambda a, b: tf.cumsum(a, axis=1),
    "cumsum exclusive": lambda a, b: tf.cumsum(a, axis=1, exclusive=True),
    "cumsum reverse": lambda a, b: tf.cumsum(a, axis=-1, reverse=True, exclusive=True),
    "cumprod": lambda a, b: tf.math.cumprod(a, axis=1),
    "l2_normalize": lambda a, b: tf.math.l2_normalize(a, axis=-1),
    "l2_normalize of zeros": lambda a, b: tf.nn.l2_normalize(a * 0.0, axis=1, epsilon=1e-3),
    "l2_normalize two axes": lambda a, b: tf.linalg.l2_normalize(a, [1, 2]),
    "norm": lambda a, b: tf.norm(a, axis=-1),
    "norm 1": lambda a, b: tf.norm(a, ord=1, axis=1, keepdims=True),
    "norm 3": lambda a, b: tf.norm(a, ord=3, axis=1),
    "norm inf": lambda a, b: tf.norm(a, ord=np.inf, axis=1),
    "norm matrix": lambda a, b: tf.norm(a, axis=[1, 2]),
    "zero_fraction": lambda a, b: tf.nn.zero_fraction(tf.nn.relu(a)),
    "l2_loss": lambda a, b: tf.nn.l2_loss(a),
}
UNARY: dict[str, Function] = {
    name: (lambda f: lambda a, b: f(a))(function)
    for name, function in {
        "exp": tf.exp, "expm1": tf.math.expm1, "square": tf.square, "sign": tf.sign, "round": tf.round,
        "floor": tf.floor, "ceil": tf.math.ceil, "sin": tf.sin, "cos": tf.cos, "tan": tf.tan, "sinh": tf.sinh,
        "cosh": tf.cosh, "tanh": tf.tanh, "atan": tf.atan, "asinh": tf.asinh, "sigmoid": tf.sigmoid,
        "log_sigmoid": tf.math.log_sigmoid, "softplus": tf.math.softplus, "softsign": tf.nn.softsign,
        "relu": tf.nn.relu, "relu6": tf.nn.relu6, "elu": tf.nn.elu, "selu": tf.nn.selu, "erf": tf.math.erf,
        "silu": tf.nn.silu, "swish": tf.nn.swish, "gelu": tf.nn.gelu, "leaky_relu": tf.nn.leaky_relu,
        "crelu": tf.nn.crelu, "softmax": tf.nn.softmax, "log_softmax": tf.nn.log_softmax, "identity": tf.identity,
        "stop_gradient": tf.stop_gradient, "is_nan": tf.math.is_nan, "is_inf": tf.math.is_inf,
        "is_finite": tf.math.is_finite, "zeros_like": tf.zeros_like, "ones_like": tf.ones_like,
        "reciprocal": tf.math.reciprocal, "convert_to_tensor": tf.convert_to_tensor,
    }.items()
}  # fmt: skip
UNARY |= {
    "log": lambda a, b: tf.math.log(a * a + 1e-3),
    "log1p": lambda a, b: tf.math.log1p(a * a),
    "sqrt": lambda a, b: tf.sqrt(a * a),
    "rsqrt": lambda a, b: tf.math.rsqrt(a * a + 0.1),
    "acos": lambda a, b: tf.acos(tf.tanh(a)),
    "asin": lambda a, b: tf.asin(tf.tanh(a)),
    "acosh": lambda a, b: tf.acosh(a * a + 1.5),
    "atanh": lambda a, b: tf.atanh(tf.tanh(a)),
    "leaky_relu alpha": lambda a, b: tf.nn.leaky_relu(a, alpha=0.3),
    "gelu approximate": lambda a, b: tf.nn.gelu(a, approximate=True),
    "silu beta": lambda a, b: tf.nn.silu(a, beta=1.5),
    "softmax axis": lambda a, b: tf.nn.softmax(a, axis=1),
    "check_numerics": lambda a, b: tf.debugging.check_numerics(a, "bad"),
    "ensure_shape": lambda a, b: tf.ensure_shape(a, (None, 4, 3)),
    "zeros_like int": lambda a, b: tf.zeros_like(a, dtype=tf.int32),
}
LOGIC: dict[str, Function] = {
    "equal": lambda a, b: tf.equal(a, b),
    "not_equal": lambda a, b: tf.not_equal(a, b),
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= 0,
    "greater": lambda a, b: a > b,
    "greater_equal": lambda a, b: a >= 1.0,
    "and": lambda a, b: (a > 0) & (b > 0),
    "or": lambda a, b: (a > 0) | (b > 0),
    "xor": lambda a, b: tf.math.logical_xor(a > 0, b > 0),
    "not": lambda a, b: ~(a > 0),
    "where": lambda a, b: tf.where(a > 0, a, b),
    "where constant": lambda a, b: tf.where(a > 0, a, 0.0),
    "cast bool": lambda a, b: tf.cast(a > 0, tf.float32),
    "cast int": lambda a, b: tf.cast(a * 3, "int32"),
    "cast int64": lambda a, b: tf.cast(a * 3, tf.int64),
    "cast float64": lambda a, b: tf.cast(a, tf.float64),
    "cast float16": lambda a, b: tf.cast(a, tf.float16),
    "saturate_cast": lambda a, b: tf.saturate_cast(a * 1000, tf.uint8),
}
REDUCTIONS: dict[str, Function] = {
    f"{name} {options}": (lambda f, o: lambda a, b: f(a, **o))(function, options)
    for name, function in {
        "reduce_sum": tf.reduce_sum, "reduce_mean": tf.reduce_mean, "reduce_max": tf.reduce_max,
        "reduce_min": tf.reduce_min, "reduce_prod": tf.reduce_prod, "reduce_std": tf.math.reduce_std,
        "reduce_variance": tf.math.reduce_variance, "reduce_logsumexp": tf.reduce_logsumexp,
        "reduce_euclidean_norm": tf.math.reduce_euclidean_norm,
    }.items()
    for options in ({"axis": 1}, {"axis": [1, 2], "keepdims": True}, {})
}  # fmt: skip
REDUCTIONS |= {
    "reduce_all": lambda a, b: tf.reduce_all(a > 0, axis=1),
    "reduce_any": lambda a, b: tf.reduce_any(a > 0, axis=-1, keepdims=True),
    "reduce_sum ints": lambda a, b: tf.reduce_sum(tf.cast(a * 3, tf.int32), axis=1),
    "count_nonzero": lambda a, b: tf.math.count_nonzero(a > 0, axis=1),
    "argmax": lambda a, b: tf.argmax(a, axis=-1),
    "argmax int32": lambda a, b: tf.argmax(a, axis=1, output_type=tf.int32),
    "argmin": lambda a, b: tf.argmin(a, 1),
    "top_k": lambda a, b: list(tf.math.top_k(a, k=2)),
    "sort": lambda a, b: tf.sort(a, axis=1),
    "sort descending": lambda a, b: tf.sort(a, axis=1, direction="DESCENDING"),
    "argsort": lambda a, b: tf.argsort(a, axis=1),
    "moments": lambda a, b: list(tf.nn.moments(a, [1])),
    "moments keepdims": lambda a, b: list(tf.nn.moments(a, [1, 2], keepdims=True)),
}
SHAPES: dict[str, Function] = {
    "reshape": lambda a, b: tf.reshape(a, (-1, 2, 6)),
    "reshape batch": lambda a, b: tf.reshape(a, [tf.shape(a)[0], 12]),
    "reshape batch and open": lambda a, b: tf.reshape(a, [tf.shape(a)[0], -1, 2]),
    "reshape like": lambda a, b: tf.reshape(tf.reshape(a, [-1, 12]), tf.shape(b)),
    "reshape slice of shape": lambda a, b: tf.reshape(a, tf.concat([tf.shape(a)[:1], [12]], 0)),
    "reshape stacked": lambda a, b: tf.reshape(a, tf.stack([tf.shape(a * 2)[0], 12])),
    "reshape product": lambda a, b: tf.reshape(a, [tf.shape(a)[0] * tf.shape(a)[1], 3]),
    "transpose": lambda a, b: tf.transpose(a, [0, 2, 1]),
    "transpose all": lambda a, b: tf.transpose(a),
    "expand_dims": lambda a, b: tf.expand_dims(a, -1),
    "squeeze": lambda a, b: tf.squeeze(tf.expand_dims(a, 2), axis=2),
    "squeeze list": lambda a, b: tf.squeeze(tf.reshape(a, (-1, 1, 12, 1)), axis=[1, 3]),
    "concat": lambda a, b: tf.concat([a, b], axis=-1),
    "concat constant": lambda a, b: tf.concat([a, tf.zeros_like(a), b], 1),
    "stack": lambda a, b: tf.stack([a, b], axis=1),
    "stack one": lambda a, b: tf.stack([a], axis=1),
    "unstack": lambda a, b: tf.unstack(a, axis=1),
    "split": lambda a, b: tf.split(a, 2, axis=1),
    "split sizes": lambda a, b: tf.split(a, [1, 2, 1], axis=1),
    "split open": lambda a, b: tf.split(a, [1, -1, 1], axis=1),
    "split open last": lambda a, b: tf.split(a, [1, -1], axis=-1),
    "split open first": lambda a, b: tf.split(a, [-1, 1, 1], axis=-1),
    "tile": lambda a, b: tf.tile(a, [1, 2, 3]),
    "repeat": lambda a, b: tf.repeat(a, 3, axis=1),
    "pad": lambda a, b: tf.pad(a, [[0, 0], [1, 2], [0, 1]]),
    "pad value": lambda a, b: tf.pad(a, [[0, 0], [1, 2], [0, 1]], constant_values=-7.0),
    "pad reflect": lambda a, b: tf.pad(a, [[0, 0], [2, 2], [1, 1]], mode="REFLECT"),
    "pad symmetric": lambda a, b: tf.pad(a, [[0, 0], [2, 2], [1, 1]], mode="SYMMETRIC"),
    "reverse": lambda a, b: tf.reverse(a, axis=[1, -1]),
    "roll": lambda a, b: tf.roll(a, shift=[1, -1], axis=[1, 2]),
    "gather": lambda a, b: tf.gather(a, [2, 0], axis=1),
    "gather from constant": lambda a, b: tf.gather(tf.constant(C), tf.cast(a > 0, tf.int32)),
    "boolean_mask": lambda a, b: tf.boolean_mask(a, [True, False, True, True], axis=1),
    "one_hot": lambda a, b: tf.one_hot(tf.cast(a, tf.int32), 3),
    "one_hot values": lambda a, b: tf.one_hot(tf.cast(a, tf.int32), 4, on_value=5.0, off_value=-1.0, axis=1),
    "broadcast_to": lambda a, b: tf.broadcast_to(tf.reduce_sum(a, 0, keepdims=True), [2, 4, 3]),
    "getitem slices": lambda a, b: a[:, 1:, ::2],
    "getitem index": lambda a, b: a[:, -1],
    "getitem first": lambda a, b: a[0],
    "getitem ellipsis and newaxis": lambda a, b: a[..., None, 1],
    "getitem backwards": lambda a, b: a[:, ::-1],
    "getitem up to a size": lambda a, b: a[:, : tf.shape(b)[1] // 2],
    "tile over the batch": lambda a, b: tf.tile(tf.constant([[[1.0, 2.0, 3.0]]]), [tf.shape(a)[0], 2, 1]) + a[:, :2],
    "zeros of the batch": lambda a, b: tf.zeros([tf.shape(a * 2)[0], 3]) + a[:, 0],
    "ones of the batch": lambda a, b: tf.ones([tf.shape(a)[0], 5], tf.int32),
    "fill of the batch": lambda a, b: tf.fill([tf.shape(a)[0], 2], 7.0),
    "broadcast over the batch": lambda a, b: tf.broadcast_to(tf.constant(C), [tf.shape(a)[0], 4, 3]),
    "size as a number": lambda a, b: a / tf.sqrt(tf.cast(tf.shape(a * 2)[-1], tf.float32)),
    "fixed size as a number": lambda a, b: a * tf.cast(tf.shape(a)[2], tf.float32),
    "batch size as a number": lambda a, b: a * tf.cast(tf.shape(a)[0], tf.float32),
}
MATRICES: dict[str, Function] = {
    "matmul": lambda a, b: tf.matmul(a, b, transpose_b=True),
    "matmul transpose_a": lambda a, b: tf.linalg.matmul(a, b, transpose_a=True),
    "matmul constant": lambda a, b: tf.matmul(a, np.ones((3, 5), "float32") * 0.1),
    "matvec": lambda a, b: tf.linalg.matvec(a, b[:, 0]),
    "tensordot": lambda a, b: tf.tensordot(a, np.arange(6, dtype="float32").reshape(3, 2), [[2], [0]]),
    "tensordot axes number": lambda a, b: tf.tensordot(a, np.arange(6, dtype="float32").reshape(3, 2), 1),
    "matrix_transpose": lambda a, b: tf.linalg.matrix_transpose(a),
    "diag_part": lambda a, b: tf.linalg.diag_part(a[:, :3]),
    "trace": lambda a, b: tf.linalg.trace(a[:, :3]),
    "inv": lambda a, b: tf.linalg.inv(a[:, :3] + 5.0 * np.eye(3, dtype="float32")),
    "det": lambda a, b: tf.linalg.det(a[:, :3]),
    "cross": lambda a, b: tf.linalg.cross(a, b),
}
KERAS: dict[str, Function] = {
    "K.mean": lambda a, b: tf_keras.backend.mean(a, axis=1),
    "K.batch_dot": lambda a, b: tf_keras.backend.batch_dot(a, b, axes=2),
    "K.repeat_elements": lambda a, b: tf_keras.backend.repeat_elements(a, 2, 1),
    "K.concatenate": lambda a, b: tf_keras.backend.concatenate([a, b]),
    "K.reshape": lambda a, b: tf_keras.backend.reshape(a, (tf_keras.backend.shape(a)[0], 12)),
    "K.var": lambda a, b: tf_keras.backend.var(a, axis=1),
    "K.l2_normalize": lambda a, b: tf_keras.backend.l2_normalize(a, axis=1),
    "K.hard_sigmoid": lambda a, b: tf_keras.backend.hard_sigmoid(a),
    "K.one_hot": lambda a, b: tf_keras.backend.one_hot(tf_keras.backend.cast(a, "int32"), 3),
    "K.batch_flatten": lambda a, b: tf_keras.backend.batch_flatten(a),
    "activations.relu": lambda a, b: tf_keras.activations.relu(a, alpha=0.1, max_value=1.5, threshold=0.2),
    "activations.swish": lambda a, b: tf_keras.activations.swish(a),
    "activations.gelu": lambda a, b: tf_keras.activations.gelu(a),
}
# Of two inputs (batch, 6, 8, 3).
W = np.linspace(-1, 1, 2 * 2 * 3 * 4, dtype="float32").reshape(2, 2, 3, 4)
IMAGES: dict[str, Function] = {
    "conv2d": lambda a, b: tf.nn.conv2d(a, W, 1, "SAME"),
    "conv2d strides": lambda a, b: tf.nn.conv2d(a, W, [1, 2, 2, 1], "VALID"),
    "conv2d unequal strides": lambda a, b: tf.nn.conv2d(a, W, [1, 2, 1, 1], "SAME"),
    "conv2d dilations": lambda a, b: tf.nn.conv2d(a, W, 1, "VALID", dilations=[2, 2]),
    "conv2d explicit": lambda a, b: tf.nn.conv2d(a, W, 1, [[0, 0], [1, 2], [0, 1], [0, 0]]),
    "conv1d": lambda a, b: tf.nn.conv1d(a[:, 0], W[0], 1, "SAME"),
    "depthwise_conv2d": lambda a, b: tf.nn.depthwise_conv2d(a, W, [1, 2, 2, 1], "SAME"),
    "avg_pool": lambda a, b: tf.nn.avg_pool2d(a, 3, 2, "SAME"),
    "avg_pool unequal": lambda a, b: tf.nn.avg_pool2d(a, [2, 3], [1, 2], "SAME"),
    "avg_pool 4 numbers": lambda a, b: tf.nn.avg_pool2d(a, [1, 2, 2, 1], [1, 2, 2, 1], "VALID"),
    "max_pool": lambda a, b: tf.nn.max_pool2d(a, 2, 2, "VALID"),
    "max_pool same": lambda a, b: tf.nn.max_pool2d(a, 3, 2, "SAME"),
    "max_pool of any rank": lambda a, b: tf.nn.max_pool(a, 2, 2, "VALID"),
    "avg_pool of any rank": lambda a, b: tf.nn.avg_pool(a, 2, 1, "SAME"),
    "bias_add": lambda a, b: tf.nn.bias_add(a, C),
    "batch_normalization": lambda a, b: tf.nn.batch_normalization(a, C, C * C, C, C, 1e-3),
    "batch_normalization of moments": lambda a, b: tf.nn.batch_normalization(
        a, *tf.nn.moments(a, [1, 2], keepdims=True), None, None, 1e-5
    ),
    "depth_to_space": lambda a, b: tf.nn.depth_to_space(tf.concat([a, b, a, b], -1), 2),
    "space_to_depth": lambda a, b: tf.nn.space_to_depth(a, 2),
    "resize": lambda a, b: tf.image.resize(a, (9, 5)),
    "resize nearest": lambda a, b: tf.image.resize(a, [12, 16], method="nearest"),
    "resize nearest down": lambda a, b: tf.image.resize(a, [4, 5], method="nearest"),
    "resize bicubic": lambda a, b: tf.image.resize(a, (9, 11), tf.image.ResizeMethod.BICUBIC),
    "resize lanczos3": lambda a, b: tf.image.resize(a, (9, 11), "lanczos3"),
    "resize antialias": lambda a, b: tf.image.resize(a, (3, 4), antialias=True),
    "resize ints": lambda a, b: tf.image.resize(tf.cast(a * 50, tf.int32), (9, 5)),
    "resize half pixels": lambda a, b: tf.compat.v1.image.resize_bilinear(a, (9, 5), half_pixel_centers=True),
    "K.resize_images": lambda a, b: tf_keras.backend.resize_images(a, 2, 3, "channels_last"),
    "flip_left_right": lambda a, b: tf.image.flip_left_right(a),
    "flip_up_down": lambda a, b: tf.image.flip_up_down(a),
    "rgb_to_grayscale": lambda a, b: tf.image.rgb_to_grayscale(a),
    "grayscale_to_rgb": lambda a, b: tf.image.grayscale_to_rgb(a[..., :1]),
    "per_image_standardization": lambda a, b: tf.image.per_image_standardization(a),
    "per_image_standardization of equal pixels": lambda a, b: tf.image.per_image_standardization(a * 0.0 + 3.0),
    "adjust_brightness": lambda a, b: tf.image.adjust_brightness(a, 0.2),
    "adjust_contrast": lambda a, b: tf.image.adjust_contrast(a, 1.5),
    "adjust_gamma": lambda a, b: tf.image.adjust_gamma(tf.sigmoid(a), 0.7, 2.0),
    "adjust_saturation": lambda a, b: tf.image.adjust_saturation(tf.sigmoid(a), 1.7),
    "rgb_to_hsv": lambda a, b: tf.image.rgb_to_hsv(tf.sigmoid(a)),
    "crop_to_bounding_box": lambda a, b: tf.image.crop_to_bounding_box(a, 1, 2, 3, 4),
    "extract_patches": lambda a, b: tf.image.extract_patches(a, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
    "convert_image_dtype": lambda a, b: tf.image.convert_image_dtype(tf.cast(a * 50 + 100, tf.uint8), tf.float32),
}  # fmt: skip
MATRIX_CASES = {**ARITHMETIC, **UNARY, **LOGIC, **REDUCTIONS, **SHAPES, **MATRICES, **KERAS}
CASES = [*((n, f, (4, 3)) for n, f in MATRIX_CASES.items()), *((n, f, (6, 8, 3)) for n, f in IMAGES.items())]


def _arrays(shape: tuple[int, ...]) -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    a, b = (generator.normal(size=(2, *shape)).astype("float32") * 1.5 for _ in range(2))
    a[0, 0], b[0, 0] = [0.5, -1.5, 2.5], [1.0, -1.5, 3.0]
    if len(shape) > 2:
        a[0, 0], b[0, 0] = 0.5, 1.0
    return [a, b]


def _recovered(path: Path) -> Any:
    outcome = apply(readers.read(path), RULES)
    assert outcome.artifact.model is not None
    assert not any(n.class_name in ("TFOpLambda", "SlicingOpLambda") for n in outcome.artifact.model.walk())
    assert apply(outcome.artifact.replace(dialect=Writer("2.9.0")), tf_ops.RULES).changes == ()
    return building.build(outcome.artifact.model).model


def _saved(function: Function, shape: tuple[int, ...], path: Path) -> list[np.ndarray]:
    """Save a tf_keras model of the function; its outputs."""
    a, b = tf_keras.Input(shape, name="a"), tf_keras.Input(shape, name="b")
    # The functions may use one input only, and a model needs both connected.
    model = tf_keras.Model([a, b], [function(a, b), tf_keras.layers.Add()([a, b])])
    model.save(path, save_format="h5")
    return [np.asarray(y) for y in tf.nest.flatten(model(_arrays(shape)))]


def _assert_same(actual: Any, expected: list[np.ndarray]) -> None:
    arrays = [np.asarray(y) for y in keras.tree.flatten(actual)]
    assert [(y.shape, y.dtype) for y in arrays] == [(y.shape, y.dtype) for y in expected]
    for one, other in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(("name", "function", "shape"), CASES, ids=[c[0] for c in CASES])
def test_keras_3_computes_the_same_before_and_after_saving(
    name: str, function: Function, shape: tuple[int, ...], tmp_path: Path
) -> None:
    expected = _saved(function, shape, tmp_path / "old.h5")
    model = _recovered(tmp_path / "old.h5")
    _assert_same(model(_arrays(shape)), expected)
    model.save(tmp_path / "new.keras")
    _assert_same(keras.models.load_model(tmp_path / "new.keras", safe_mode=True)(_arrays(shape)), expected)


def _function_layer(function: str, *args: Any, **kwargs: Any) -> Layer:
    return Layer("TFOpLambda", f"tf.{function}", {"function": function}, calls=(Call(args, kwargs),))


def _rewritten(layer: Layer) -> Layer:
    return tf_ops.tensorflow_function_to_keras_op.function(layer, ALONE)  # type: ignore[return-value]


X = Ref("x")
ALONE = Context(Layer("Functional", "model"), Writer("2.9.0"))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (_function_layer("signal.stft", X, frame_length=8), "tf.signal.stft"),
        (_function_layer("vectorized_map", X), "tf.vectorized_map"),
        (_function_layer("__operators__.eq", X), "does not save"),
        (_function_layer("einsum", "ij,jk"), "does not save"),
        (_function_layer("nn.dropout", X, rate=0.5), "random"),
        (_function_layer("image.resize", X, size=[4, 4], method="area"), "area"),
        (_function_layer("image.resize", X, size=[4, 4], preserve_aspect_ratio=True), "preserve_aspect_ratio"),
        (_function_layer("compat.v1.image.resize", X, size=[4, 4]), "TensorFlow 1"),
        (_function_layer("compat.v1.image.resize_bilinear", X, size=[4, 4], align_corners=True), "TensorFlow 1"),
        (_function_layer("compat.v1.image.resize_nearest_neighbor", X, size=[4, 4]), "TensorFlow 1"),
        (_function_layer("compat.v1.where", X, x=X, y=X), "compat.v1.where"),
        (_function_layer("gather", X, indices=[0], batch_dims=1), "batch_dims"),
        (_function_layer("reshape", X, shape=[Ref("n"), -1]), "in advance"),
        (_function_layer("math.reduce_sum", X, axis=1, unheard_of=3), "unheard_of=3"),
        (_function_layer("math.reduce_mean", X).having(input_dtype="int32"), "integers"),
        (_function_layer("__operators__.and", X, y=X), "integers"),
    ],
    ids=lambda value: value.name if isinstance(value, Layer) else None,
)
def test_what_has_no_equal_form_is_refused_by_name(layer: Layer, says: str) -> None:
    with pytest.raises(NotEquivalent, match=says):
        _rewritten(layer)


@pytest.mark.parametrize(
    "layer",
    [
        Layer("ClassMethod", "r", {"cls_symbol": "RaggedTensor", "method_name": "from_tensor"}),
        Layer("InstanceProperty", "v", {"attr_name": "flat_values"}),
        Layer("InstanceMethod", "t", {"attr_name": "to_tensor"}),
    ],
    ids=lambda layer: layer.class_name,
)
def test_ragged_tensors_are_refused(layer: Layer) -> None:
    with pytest.raises(NotEquivalent, match="ragged"):
        tf_ops.ragged_and_sparse_methods.function(layer, ALONE)


def test_an_op_keeps_its_name_and_other_dtypes_are_read() -> None:
    for dtype in ("int32", {"class_name": "DType", "config": "int32"}, 3, "DT_INT32"):
        assert _rewritten(_function_layer("cast", X, dtype=dtype)) == Layer(
            "Op", "tf.cast", {"function": "cast"}, calls=(Call((X, "int32"), {}),)
        )


def test_a_layer_called_twice_stays_one_layer() -> None:
    layer = _function_layer("nn.relu", X).replace(calls=(Call((X,)), Call((Ref("y"),))))
    assert [call.args for call in _rewritten(layer).calls] == [(X,), (Ref("y"),)]


def _graph_op(op: str, inputs: list[Any], attr: dict[str, Any], constants: dict[str, Any] | None = None) -> Layer:
    node = {"name": op.lower(), "op": op, "input": ["x", "y"], "attr": attr}
    config = {"name": op.lower(), "trainable": True, "dtype": "float32", "node_def": node, "constants": constants or {}}
    return Layer("TensorFlowOpLayer", f"tf_op_layer_{op.lower()}", config, calls=(Call((inputs,)),))


STRIDED = {
    "begin_mask": {"i": "1"}, "end_mask": {"i": "3"}, "shrink_axis_mask": {"i": "4"}, "ellipsis_mask": {},
    "new_axis_mask": {"i": "0"}, "T": {"type": "DT_FLOAT"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        (_graph_op("AddV2", [X], {"T": {"type": "DT_FLOAT"}}, {"1": 1.5}), lambda x: x + 1.5),
        (_graph_op("Sub", [X], {"T": {"type": "DT_FLOAT"}}, {"0": 1.5}), lambda x: 1.5 - x),
        (_graph_op("Mean", [X], {"keep_dims": {"b": True}}, {"1": [1, 2]}), lambda x: x.mean((1, 2), keepdims=True)),
        (_graph_op("Sum", [X], {}, {"1": 1}), lambda x: x.sum(1)),
        (_graph_op("ConcatV2", [X, X], {"N": {"i": "2"}}, {"2": -1}), lambda x: np.concatenate([x, x], -1)),
        (_graph_op("Pack", [X, X], {"axis": {"i": "1"}}), lambda x: np.stack([x, x], 1)),
        (_graph_op("Cast", [X], {"DstT": {"type": "DT_INT32"}}), lambda x: x.astype("int32")),
        (
            _graph_op("StridedSlice", [X], STRIDED, {"1": [0, 1, 2], "2": [0, 9, 3], "3": [1, 2, 1]}),
            lambda x: x[:, 1::2, 2],
        ),
        (_graph_op("Squeeze", [X], {"squeeze_dims": {"list": {"i": ["1"]}}}), lambda x: x[:, 0]),
        (_graph_op("Softmax", [X], {}), lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True)),
        (_graph_op("ExpandDims", [X], {}, {"1": -1}), lambda x: x[..., None]),
        (_graph_op("BatchMatMulV2", [X, X], {"adj_y": {"b": True}}), lambda x: x @ x.transpose(0, 2, 1)),
        (_graph_op("Split", [X], {"num_split": {"i": "1"}}, {"0": 1}), lambda x: x),
    ],
    ids=lambda value: value.name if isinstance(value, Layer) else None,
)
def test_operations_of_tf_keras_2_0_to_2_3(layer: Layer, reference: Callable[[np.ndarray], np.ndarray]) -> None:
    x = np.linspace(-2, 3, 24, dtype="float32").reshape(2, 4, 3)
    x = x[:, :1] if "squeeze" in layer.name else x
    entry = Layer("InputLayer", "x", {"batch_shape": [None, *x.shape[1:]], "dtype": "float32"})
    model = Layer("Functional", "model", graph=Graph((entry, layer), [X], Ref(layer.name)))
    for rule in tf_ops.RULES:
        model = model.map_parts(lambda _, part: rule.function(part, ALONE) if rule.applies_to(part) else part)  # noqa: B023
    _assert_same(building.build(model).model(x), [reference(x)])


def test_an_unknown_operation_is_refused_by_name() -> None:
    with pytest.raises(NotEquivalent, match="RFFT2D"):
        tf_ops.graph_op_to_function.function(_graph_op("RFFT2D", [X], {}), ALONE)
