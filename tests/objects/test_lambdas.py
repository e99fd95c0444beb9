"""Lambda layers: what the genuine function computes under tf_keras or Keras 3, the translated layer must, too."""

import base64
import json
import marshal
import math
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
from reconstruct.objects import lambda_functions, lambdas  # noqa: E402
from reconstruct.rules import inputs  # noqa: E402
from reconstruct.rules import lambdas as lambda_rules  # noqa: E402
from reconstruct.rules.engine import Context, Outcome, apply  # noqa: E402
from reconstruct.runtimes import building  # noqa: E402
from tests.objects import lambda_sources  # noqa: E402
from tests.objects.test_bytecode import SUM_3_5  # noqa: E402

K = tf_keras.backend
ops = keras.ops
lambda_sources.K, lambda_sources.tf = K, tf  # type: ignore[attr-defined]
RULES = (inputs.batch_shape, *lambda_rules.RULES)
Function = Callable[..., Any]

FACTOR = 3.0
MATRIX, IMAGE, VECTOR = (4, 3), (6, 8, 3), (5,)


def _closed() -> Function:
    mean, scale = [1.0, 2.0, 3.0], 0.5
    return lambda x: (x - tf.constant(mean)) * scale


def _helper(x: Any) -> Any:
    def inner(v: Any, k: float = 2.0) -> Any:
        return v * k

    total = inner(x)
    for i in range(3):
        total = total + inner(x, k=float(i))
    return total


def _distance(vectors: Any) -> Any:
    x, y = vectors
    total = K.sum(K.square(x - y), axis=1, keepdims=True)
    return K.sqrt(K.maximum(total, K.epsilon()))


def _cosine(vectors: Any) -> Any:
    x, y = vectors
    return -K.mean(K.l2_normalize(x, axis=-1) * K.l2_normalize(y, axis=-1), axis=-1, keepdims=True)


def _channels(x: Any) -> Any:
    r, g, b = tf.split(x, 3, axis=-1)
    return tf.concat([b - 103.939, g - 116.779, r - 123.68], axis=-1)


def _per_part(x: Any) -> Any:
    return K.concatenate([K.expand_dims(K.max(x[:, i : i + 2], axis=1), 1) for i in range(0, 4, 2)], axis=1)


def _attention(tensors: Any) -> Any:
    weights, values = tensors
    return K.sum(K.expand_dims(K.softmax(weights[:, :, 0]), -1) * values, axis=1)


def _shuffled(x: Any) -> Any:
    height, width, channels = K.int_shape(x)[1:]
    x = K.reshape(x, [-1, height, width, 3, channels // 3])
    return K.reshape(K.permute_dimensions(x, (0, 1, 2, 4, 3)), [-1, height, width, channels])


def _positions(x: Any) -> Any:
    row = K.expand_dims(tf.range(start=0, limit=K.shape(x)[1], delta=1), 0)
    return x[:, :, 0] + K.cast(K.tile(row, [K.shape(x)[0], 1]), "float32")


def _grid(x: Any) -> Any:
    rows, columns = np.meshgrid(np.linspace(-1, 1, 6), np.linspace(-1, 1, 8), indexing="ij")
    return x[..., :2] * K.constant(np.stack([rows, columns], -1))


def _gathered(tensors: Any) -> Any:
    values, where = tensors
    at = K.cast(K.abs(where[:, 0, :1]), "int32") % 4
    return tf.gather_nd(values, K.concatenate([K.expand_dims(K.arange(0, K.shape(values)[0]), 1), at], 1))


def _imported(x: Any) -> Any:
    import tensorflow as tf

    return tf.image.resize(x, (4, 4))


ONE: dict[str, tuple[Function, tuple[int, ...]]] = {
    "identity": (lambda x: x, MATRIX),
    "image normalisation": (lambda x: x / 127.5 - 1.0, IMAGE),
    "image normalisation to 1": (lambda x: x / 255, IMAGE),
    "image shift": (lambda x: x - 0.5, IMAGE),
    "image shift and scale": (lambda x: (x - 128.0) / 128.0, IMAGE),
    "from constant": (lambda x: 1 - x, MATRIX),
    "divided constant": (lambda x: 1.0 / (x + 10.0), MATRIX),
    "power": (lambda x: 0.5 * x**2, MATRIX),
    "channel means": (lambda x: (x - np.array([103.9, 116.8, 123.7])) / [1.0, 2.0, 3.0], IMAGE),
    "closure": (_closed(), MATRIX),
    "last step": (lambda x: x[:, -1], MATRIX),
    "last step with colon": (lambda x: x[:, -1, :], MATRIX),
    "ellipsis": (lambda x: x[..., 0:2], IMAGE),
    "new axis": (lambda x: x[:, :, None], VECTOR),
    "tf.newaxis": (lambda x: x[:, tf.newaxis, :], VECTOR),
    "reversed": (lambda x: x[:, ::-1], MATRIX),
    "half of the channels": (lambda x: x[:, :, : K.int_shape(x)[-1] // 2], (4, 6)),
    "other half of the channels": (lambda x: x[..., x.shape[-1] // 2 :], (4, 6)),
    "third": (lambda x: x[:, :, : int(x.shape[2] / 3)], (4, 6)),
    "K.mean": (lambda x: K.mean(x, axis=1), MATRIX),
    "K.mean of axes": (lambda x: K.mean(x, axis=[1, 2]), IMAGE),
    "K.sum": (lambda x: K.sum(x, axis=-1, keepdims=True), MATRIX),
    "K.max": (lambda x: K.max(x, axis=1), MATRIX),
    "K.std": (lambda x: K.std(x, axis=1), MATRIX),
    "K.min": (lambda x: K.min(x, axis=(1, 2)), IMAGE),
    "K.prod": (lambda x: K.prod(x, axis=1), MATRIX),
    "K.square": (lambda x: K.sqrt(K.square(x) + K.epsilon()), MATRIX),
    "K.log": (lambda x: K.log(K.abs(x) + 1.0) / K.log(K.constant(10.0) + K.abs(x)), MATRIX),
    "np constants": (lambda x: x * np.sqrt(2.0) + np.pi, MATRIX),
    "math constants": (lambda x: x * math.sqrt(0.5) + math.pi, MATRIX),
    "K.exp": (lambda x: K.exp(-K.abs(x)), MATRIX),
    "K.pow": (lambda x: K.pow(K.abs(x), 0.5), MATRIX),
    "K.clip": (lambda x: K.clip(x, -0.5, 0.5), MATRIX),
    "K.round": (lambda x: K.round(x * 10), MATRIX),
    "K.sign": (lambda x: K.sign(x), MATRIX),
    "K.l2_normalize": (lambda x: K.l2_normalize(x, axis=1), MATRIX),
    "K.expand_dims": (lambda x: K.expand_dims(x), MATRIX),
    "K.expand_dims axis": (lambda x: K.expand_dims(x, axis=1), MATRIX),
    "K.squeeze": (lambda x: K.squeeze(x, axis=1), (1, 3)),
    "K.reshape": (lambda x: K.reshape(x, (-1, 3, 2, 2)), MATRIX),
    "K.reshape with batch": (lambda x: K.reshape(x, (K.shape(x)[0], 12)), MATRIX),
    "K.reshape with batch and open": (lambda x: K.reshape(x, (K.shape(x)[0], -1, 2)), MATRIX),
    "K.reshape with sizes": (lambda x: K.reshape(x, (-1, K.int_shape(x)[2], K.int_shape(x)[1])), MATRIX),
    "tf.reshape with sizes": (lambda x: tf.reshape(x, [tf.shape(x)[0], x.shape[2], x.shape[1]]), MATRIX),
    "tf.reshape with stacked sizes": (lambda x: tf.reshape(x, tf.stack([tf.shape(x)[0], 6, 2])), MATRIX),
    "size as a number": (lambda x: K.sum(x, axis=1) / K.int_shape(x)[1], MATRIX),
    "cast size": (lambda x: K.sum(x, axis=1) / tf.cast(tf.shape(x)[1], tf.float32), MATRIX),
    "K.permute_dimensions": (lambda x: K.permute_dimensions(x, (0, 2, 1)), MATRIX),
    "tf.transpose": (lambda x: tf.transpose(x, [0, 3, 1, 2]), IMAGE),
    "K.batch_flatten": (lambda x: K.batch_flatten(x), IMAGE),
    "K.repeat_elements": (lambda x: K.repeat_elements(x, 2, axis=1), MATRIX),
    "K.repeat": (lambda x: K.repeat(x, 4), VECTOR),
    "K.tile": (lambda x: K.tile(x, (1, 2, 1)), MATRIX),
    "K.stack": (lambda x: K.stack([x, x * 2.0], axis=1), MATRIX),
    "K.cast": (lambda x: K.cast(x > 0.0, "float32"), MATRIX),
    "K.cast to floatx": (lambda x: K.cast(K.greater(x, 0.5), K.floatx()), MATRIX),
    "K.one_hot": (lambda x: K.one_hot(K.cast(K.abs(x), "int32"), 4), VECTOR),
    "K.argmax": (lambda x: K.cast(K.argmax(x, axis=-1), "float32"), MATRIX),
    "K.softmax": (lambda x: K.softmax(x), MATRIX),
    "K.sigmoid": (lambda x: K.sigmoid(x) * K.tanh(x), MATRIX),
    "K.relu": (lambda x: K.relu(x, alpha=0.1, max_value=1.0), MATRIX),
    "K.elu": (lambda x: K.elu(x, 0.5), MATRIX),
    "K.hard_sigmoid": (lambda x: K.hard_sigmoid(x), MATRIX),
    "K.dot constant": (lambda x: K.dot(x, K.constant([[1.0], [2.0], [3.0]])), MATRIX),
    "K.resize_images": (lambda x: K.resize_images(x, 2, 2, "channels_last", interpolation="bilinear"), IMAGE),
    "K.resize_images nearest": (lambda x: K.resize_images(x, 2, 3, "channels_last"), IMAGE),
    "K.reverse": (lambda x: K.reverse(x, axes=1), MATRIX),
    "K.cumsum": (lambda x: K.cumsum(x, axis=1), MATRIX),
    "K.zeros_like": (lambda x: K.zeros_like(x) + K.ones_like(x), MATRIX),
    "K.zeros of a batch": (lambda x: K.concatenate([x, tf.zeros((K.shape(x)[0], 2))], axis=-1), VECTOR),
    "K.switch": (lambda x: K.switch(x > 0.0, x, -x), MATRIX),
    "K.not_equal": (lambda x: K.cast(K.any(K.not_equal(x, 0.0), axis=-1, keepdims=True), "float32") * x, MATRIX),
    "K.in_train_phase": (lambda x: K.in_train_phase(x * 2.0, x), MATRIX),
    "K.temporal_padding": (lambda x: K.temporal_padding(x, (2, 1)), MATRIX),
    "K.spatial_2d_padding": (lambda x: K.spatial_2d_padding(x, ((1, 2), (3, 4))), IMAGE),
    "tf.image.resize": (lambda x: tf.image.resize(x, (9, 5)), IMAGE),
    "tf.image.resize nearest": (lambda x: tf.image.resize(x, [12, 16], tf.image.ResizeMethod.NEAREST_NEIGHBOR), IMAGE),
    "tf.image.resize bicubic": (lambda x: tf.image.resize(x, (3, 4), method="bicubic", antialias=True), IMAGE),
    "import in the function": (_imported, IMAGE),
    "tf.image.rgb_to_grayscale": (lambda x: tf.image.rgb_to_grayscale(x), IMAGE),
    "tf.image.per_image_standardization": (lambda x: tf.image.per_image_standardization(x), IMAGE),
    "tf.expand_dims": (lambda x: tf.expand_dims(x, -1), MATRIX),
    "tf.squeeze": (lambda x: tf.squeeze(x, [1]), (1, 3)),
    "tf.nn.relu": (lambda x: tf.nn.relu(x) + tf.nn.softplus(x) + tf.nn.leaky_relu(x, alpha=0.1), MATRIX),
    "tf.nn.l2_normalize": (lambda x: tf.nn.l2_normalize(x, axis=-1), MATRIX),
    "tf.math": (lambda x: tf.math.log(tf.math.abs(x) + 1.0) + tf.math.sin(x) * tf.sqrt(tf.square(x)), MATRIX),
    "tf.reduce_mean": (lambda x: tf.reduce_mean(x, axis=[1, 2], keepdims=True), IMAGE),
    "tf.reduce_max": (lambda x: tf.reduce_max(x, 1) - tf.reduce_min(x, 1) + tf.reduce_sum(x, axis=1), MATRIX),
    "tf.norm": (lambda x: tf.norm(x, axis=-1, keepdims=True), MATRIX),
    "tf.space_to_depth": (lambda x: tf.nn.space_to_depth(x, 2), IMAGE),
    "tf.depth_to_space": (lambda x: tf.nn.depth_to_space(tf.concat([x, x, x, x], 3), 2), IMAGE),
    "tf.pad": (lambda x: tf.pad(x, [[0, 0], [1, 1], [2, 2], [0, 0]], mode="REFLECT"), IMAGE),
    "tf.pad constant": (lambda x: tf.pad(x, tf.constant([[0, 0], [1, 2], [0, 0]])), MATRIX),
    "tf.clip_by_value": (lambda x: tf.clip_by_value(x, clip_value_min=-1, clip_value_max=1), MATRIX),
    "tf.cast": (lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32), MATRIX),
    "tf.cast like": (lambda x: tf.cast(x > 0, x.dtype) * x, MATRIX),
    "tf.where": (lambda x: tf.where(x > 0, x, tf.zeros_like(x)), MATRIX),
    "tf.split": (lambda x: tf.split(x, 2, axis=1)[1], MATRIX),
    "tf.split sizes": (lambda x: tf.split(x, [1, 2], -1)[0], MATRIX),
    "tf.split as outputs": (lambda x: tf.split(x, num_or_size_splits=3, axis=-1), IMAGE),
    "tf.split of sizes as outputs": (lambda x: tf.split(x, [3, 3, 2], axis=2), IMAGE),
    "K.tf": (lambda x: K.mean(tf.cast(x, dtype="float32"), axis=[1], keepdims=False), MATRIX),
    "tf.unstack": (lambda x: tf.unstack(x, axis=1)[2], MATRIX),
    "tf.unpacked split": (_channels, IMAGE),
    "tf.gather": (lambda x: tf.gather(x, [2, 0], axis=2), MATRIX),
    "tf.matmul": (lambda x: tf.matmul(x, x, transpose_b=True), MATRIX),
    "tf.einsum": (lambda x: tf.einsum("bij,bkj->bik", x, x), MATRIX),
    "tf.tensordot": (lambda x: tf.tensordot(x, tf.ones((3, 2)), axes=1), MATRIX),
    "tf.tile": (lambda x: tf.tile(tf.expand_dims(x, 1), [1, 3, 1]), VECTOR),
    "tf.tile constant": (lambda x: x + tf.tile(tf.constant([[1.0, 2.0, 3.0, 4.0, 5.0]]), [tf.shape(x)[0], 1]), VECTOR),
    "tf.ones of a batch": (lambda x: x * tf.ones((tf.shape(x)[0], 1)) * 2.0, VECTOR),
    "tf.keras.backend": (lambda x: tf.keras.backend.mean(x, axis=1), MATRIX),
    "tf.keras.activations": (lambda x: tf.keras.activations.relu(x) + tf.keras.activations.tanh(x), MATRIX),
    "tf.stop_gradient": (lambda x: tf.stop_gradient(x) * 1.5, MATRIX),
    "tf.nn.local_response_normalization": (lambda x: tf.nn.lrn(x, depth_radius=1, alpha=1e-1, beta=0.75), IMAGE),
    "tf.math.top_k": (lambda x: tf.math.top_k(x, k=2).values + tf.nn.top_k(x, 2)[0], MATRIX),
    "gelu": (lambda x: 0.5 * x * (1.0 + tf.math.erf(x / tf.sqrt(2.0))), MATRIX),
    "gelu of tanh": (lambda x: x * (1 + K.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * K.pow(x, 3)))), MATRIX),
    "function of a constant": (lambda x: x / tf.math.sqrt(tf.cast(64, tf.float32)) + K.log(2.0), MATRIX),
    "dueling network": (lambda a: K.expand_dims(a[:, 0], -1) + a[:, 1:] - K.mean(a[:, 1:], keepdims=True), VECTOR),
    "constant first": (lambda x: np.float32(2.0) * x + np.array([1.0, 2.0, 3.0]) * x, MATRIX),
    "tf.constant of numpy": (lambda x: tf.constant(np.ones((1, 3)), dtype=tf.float32) + x, MATRIX),
    "tf.math.add_n": (lambda x: tf.add_n([x, x]) + sum([x, x, x]), MATRIX),
    "tf.range": (lambda x: x * tf.cast(tf.range(3), tf.float32), MATRIX),
    "K.arange": (lambda x: x + K.arange(0, 3, dtype="float32"), MATRIX),
    "tf.linspace": (lambda x: x + K.cast(K.cumsum(K.ones_like(x), axis=1), "float32"), MATRIX),
    "where of equal": (lambda x: tf.where(tf.equal(x, 0.0), x * 0.0 + 1.0, x), MATRIX),
    "not used channels": (lambda x: x[:, :, :, 1:2] * 0.5 + x[..., :1], IMAGE),
    "shape of get_shape": (lambda x: K.sum(x, 1) / float(x.get_shape().as_list()[1]), MATRIX),
    "tf.reverse": (lambda x: tf.reverse(x, axis=[-1]), MATRIX),
    "tf.identity": (lambda x: tf.identity(x), MATRIX),
    "matmul operator": (lambda x: x @ tf.transpose(x, (0, 2, 1)), MATRIX),
    "modulo": (lambda x: x % 2.0 + x // 2.0, MATRIX),
    "comparison and logic": (lambda x: tf.cast((x > 0) & ~(x > 1), tf.float32), MATRIX),
    "helper": (_helper, MATRIX),
    "parts": (_per_part, MATRIX),
    "default argument": (lambda x, factor=FACTOR, axis=(1,): K.sum(x * factor, axis=axis), MATRIX),
    "a layer without weights": (lambda x: tf_keras.layers.Flatten()(x), IMAGE),
    "size twice": (lambda x: tf.image.resize(x, (tf.shape(x)[1] * 2, tf.shape(x)[2] * 2)), IMAGE),
    "size of a property": (lambda x: tf.image.resize(x, [x.shape[1] // 2, x.shape[2] * 3], "nearest"), IMAGE),
    "merge with the batch": (lambda x: K.reshape(x, (K.shape(x)[0] * K.shape(x)[1], 8, 3)), IMAGE),
    "own shape": (lambda x: tf.reshape(x, tf.shape(x)), MATRIX),
    "rest of a shape": (lambda x: K.reshape(x, (-1, 2, *K.int_shape(x)[2:])), MATRIX),
    "shapes put together": (lambda x: K.reshape(x, [-1] + list(K.int_shape(x)[1:-1]) + [3, 1]), MATRIX),  # noqa: RUF005
    "shape and more": (lambda x: tf.reshape(x, tf.concat([tf.shape(x)[:2], [3, 1]], 0)), MATRIX),
    "product of a shape": (lambda x: K.reshape(x, (-1, int(np.prod(K.int_shape(x)[1:])))), IMAGE),
    "open sizes": (lambda x: tf.reshape(x, (-1, tf.shape(x)[1], tf.shape(x)[2] // 2, 2, 3)), IMAGE),
    "channel shuffle": (_shuffled, IMAGE),
    "slice up to a size": (lambda x: x[:, : K.int_shape(x)[1] - 1], MATRIX),
    "slice of a third": (lambda x: x[:, x.shape[1] // 3 :, -tf.shape(x)[2] // 2 :], MATRIX),
    "number of axes": (lambda x: K.expand_dims(x, K.ndim(x)), MATRIX),
    "length of a shape": (lambda x: tf.expand_dims(x, axis=len(x.shape) - 1), MATRIX),
    "positions": (lambda x: x + K.cast(K.expand_dims(K.arange(0, K.shape(x)[1]), -1), "float32"), MATRIX),
    "positions of a batch": (_positions, MATRIX),
    "number in the batch": (lambda x: x + K.cast(K.expand_dims(K.arange(0, K.shape(x)[0]), -1), "float32"), VECTOR),
    "tile to a size": (lambda x: K.tile(x[:, :, :1], [1, 1, K.shape(x)[2]]), MATRIX),
    "repeat to a size": (lambda x: K.repeat_elements(x[:, :1], int(x.shape[1]), 1), MATRIX),
    "pad by a size": (lambda x: tf.pad(x, [[0, 0], [0, x.shape[1] - 1], [0, 0]]), MATRIX),
    "tf.slice to a size": (lambda x: tf.slice(x, [0, 1, 0], [tf.shape(x)[0], 2, -1]), MATRIX),
    "tf.strided_slice": (lambda x: tf.strided_slice(x, [0, 0, 1], [2, 4, 3], [1, 2, 1]), MATRIX),
    "tf.strided_slice with masks": (lambda x: tf.strided_slice(x, [1, 1], [1, 3], begin_mask=1, end_mask=1), MATRIX),
    "tf.fill": (lambda x: tf.concat([x, tf.fill([tf.shape(x)[0], 2], 3.0)], axis=1), VECTOR),
    "triangle": (lambda x: tf.linalg.band_part(x, -1, 0) - tf.linalg.band_part(tf.ones((4, 3)), 0, 1), MATRIX),
    "tf.broadcast_to a shape": (lambda x: tf.broadcast_to(x[:, :1], tf.shape(x)), MATRIX),
    "tf.image.rot90": (lambda x: tf.image.rot90(x) + tf.image.rot90(x, 3), (6, 6, 3)),
    "tf.image.rot90 twice": (lambda x: tf.image.rot90(image=x, k=-2), IMAGE),
    "tf.image.central_crop": (lambda x: tf.image.central_crop(x, 0.4), IMAGE),
    "tf.image.resize_with_crop_or_pad": (lambda x: tf.image.resize_with_crop_or_pad(x, 3, 11), IMAGE),
    "tf.compat.v1.image.resize": (lambda x: tf.compat.v1.image.resize(x, (9, 5)), IMAGE),
    "resize with aligned corners": (lambda x: tf.compat.v1.image.resize_bilinear(x, (9, 5), align_corners=True), IMAGE),
    "resize to one": (lambda x: tf.compat.v1.image.resize_bilinear(x, (1, 1), align_corners=True), IMAGE),
    "old resize": (lambda x: tf.compat.v1.image.resize_images(x, [17, 3]), IMAGE),
    "old resize to the nearest": (lambda x: tf.compat.v1.image.resize_nearest_neighbor(x, (7, 13)), IMAGE),
    "old resize to the nearest, aligned": (lambda x: tf.compat.v1.image.resize(x, (7, 13), 1, True), IMAGE),
    "K.conv2d": (lambda x: K.conv2d(x, K.constant(np.ones((3, 3, 3, 1))), padding="same"), IMAGE),
    "K.cast_to_floatx": (lambda x: K.cast_to_floatx(x) * 2.0, MATRIX),
    "np.meshgrid": (_grid, IMAGE),
    "tf.signal.fft": (lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex64))), MATRIX),
    "part of tf.signal.fft": (lambda x: tf.cast(tf.signal.fft(tf.cast(x, tf.complex64)), tf.float32), MATRIX),
    "tf.signal.fft2d": (lambda x: tf.math.imag(tf.signal.fft2d(tf.complex(x, x * 2.0))), MATRIX),
    "tf.signal.rfft": (lambda x: K.abs(tf.signal.rfft(x)), VECTOR),
    "tf.signal.rfft of a length": (lambda x: tf.math.real(tf.signal.rfft(x, [8])), VECTOR),
    "tf.signal.stft": (lambda x: tf.abs(tf.signal.stft(x, frame_length=16, frame_step=4)), (40,)),
    "angle": (lambda x: tf.math.angle(tf.complex(x, x[:, ::-1])), MATRIX),
    "part of a split": (lambda x: tf.concat(tf.split(x, 3, axis=-1)[::-1], -1), IMAGE),
}  # fmt: skip
TWO: dict[str, tuple[Function, tuple[int, ...]]] = {
    "euclidean distance": (_distance, VECTOR),
    "cosine": (_cosine, VECTOR),
    "L1 distance": (lambda t: K.abs(t[0] - t[1]), VECTOR),
    "L1 distance of tf": (lambda tensors: tf.math.abs(tensors[0] - tensors[1]), VECTOR),
    "sum of exp": (lambda t: K.exp(-K.sum(K.abs(t[0] - t[1]), axis=1, keepdims=True)), VECTOR),
    "concatenate": (lambda t: K.concatenate(t, axis=1), MATRIX),
    "concatenate parts": (lambda t: tf.concat([t[0], t[1][:, :2]], 1), MATRIX),
    "batch_dot": (lambda t: K.batch_dot(t[0], t[1], axes=(1, 1)), MATRIX),
    "batch_dot of a vector": (lambda t: K.batch_dot(t[0], t[1][:, 0], axes=[2, 1]), MATRIX),
    "batch_dot of vectors": (lambda t: K.batch_dot(t[0], t[1], axes=1), VECTOR),
    "batch_dot axes 2": (lambda t: K.batch_dot(t[0], t[1], axes=2), MATRIX),
    "weighted": (lambda t: t[0] * K.sigmoid(t[1]) + (1 - K.sigmoid(t[1])) * t[0], MATRIX),
    "attention": (_attention, MATRIX),
    "several outputs": (lambda t: [t[0] + t[1], t[0]], MATRIX),
    "one input is not used": (lambda t: t[1] * 2.0, MATRIX),
    "add of layers": (lambda t: tf_keras.layers.add([t[0], t[1]]), MATRIX),
    "batch_dot without axes": (lambda t: K.batch_dot(t[0], K.permute_dimensions(t[1], (0, 2, 1))), MATRIX),
    "batch_dot of matrix and vector": (lambda t: K.batch_dot(t[0], t[1][:, 0]), MATRIX),
    "gather in each sample": (
        lambda t: tf.gather(t[0], tf.cast(tf.abs(t[1][:, :, 0]), tf.int32) % 4, batch_dims=1),
        MATRIX,
    ),
    "gather_nd": (_gathered, MATRIX),
    "size of the other": (lambda t: tf.image.resize(t[0][:, :2], tf.shape(t[1])[1:3]), IMAGE),
    "difference of sizes": (lambda t: tf.pad(t[0][..., :1], [[0, 0]] * 3 + [[0, t[1].shape[-1] - 1]]) + t[1], IMAGE),
}


@pytest.fixture
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """While it is entered, whatever could make or run code from a file fails."""

    def forbidden(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("code of the file would run")

    def context() -> Any:
        patch = pytest.MonkeyPatch.context()
        m = patch.__enter__()
        for target in ("marshal.loads", "marshal.load", "types.FunctionType", "types.CodeType", "types.LambdaType",
                       "builtins.exec", "builtins.eval", "builtins.compile", "pickle.loads"):  # fmt: skip
            m.setattr(target, forbidden)
        return patch

    return context


def _arrays(shape: tuple[int, ...], count: int) -> list[np.ndarray]:
    generator = np.random.default_rng(7)
    return [generator.normal(size=(2, *shape)).astype("float32") * 1.5 for _ in range(count)]


def _outcome(path: Path, context: Callable[[], Any]) -> Outcome:
    artifact = readers.read(path)
    patch = context()
    try:
        outcome = apply(artifact, RULES)
    finally:
        patch.__exit__(None, None, None)
    assert outcome.artifact.model is not None
    assert not any(n.class_name == "Lambda" for n in outcome.artifact.model.walk())
    again = apply(outcome.artifact.replace(dialect=artifact.dialect), lambda_rules.RULES)
    assert again.changes == ()
    return outcome


def _same(actual: Any, expected: list[np.ndarray]) -> None:
    arrays = [np.asarray(y) for y in keras.tree.flatten(actual)]
    assert [(y.shape, y.dtype) for y in arrays] == [(y.shape, y.dtype) for y in expected]
    for one, other in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def _check(path: Path, arrays: list[np.ndarray], expected: list[np.ndarray], context: Callable[[], Any]) -> Any:
    outcome = _outcome(path, context)
    model = building.build(outcome.artifact.model).model  # type: ignore[arg-type]
    given = arrays[0] if len(arrays) == 1 else arrays
    _same(model(given), expected)
    model.save(path.with_suffix(".new.keras"))
    _same(keras.models.load_model(path.with_suffix(".new.keras"), safe_mode=True)(given), expected)
    return outcome


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    ("function", "shape", "count"),
    [pytest.param(*case, 1, id=n) for n, case in ONE.items()] + [pytest.param(*c, 2, id=n) for n, c in TWO.items()],
)
def test_what_tf_keras_saved_computes_the_same(
    function: Function, shape: tuple[int, ...], count: int, tmp_path: Path, nothing_runs: Callable[[], Any]
) -> None:
    arrays = _arrays(shape, count)
    entries = [tf_keras.Input(shape, name=f"in_{i}") for i in range(count)]
    outputs = tf_keras.layers.Lambda(function, name="custom")(entries if count > 1 else entries[0])
    flat = outputs if isinstance(outputs, list) else [outputs]
    model = tf_keras.Model(entries, [*flat, tf_keras.layers.Concatenate()([*entries, *entries])])
    model.save(tmp_path / "old.h5", save_format="h5")
    expected = [np.asarray(y) for y in tf.nest.flatten(model(arrays if count > 1 else arrays[0]))]
    _check(tmp_path / "old.h5", arrays, expected, nothing_runs)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize(
    "name",
    [
        "image normalisation",
        "K.mean",
        "closure",
        "identity",
        "K.cast",
        "channel shuffle",
        "positions of a batch",
        "old resize",
    ],
)
def test_a_sequential_model_and_a_wrapper(name: str, tmp_path: Path, nothing_runs: Callable[[], Any]) -> None:
    function, shape = ONE[name]
    layers = tf_keras.layers
    model = tf_keras.Sequential([layers.Lambda(function, input_shape=shape), layers.Lambda(lambda x: x * 0.5 + 1.0)])
    model.save(tmp_path / "old.h5", save_format="h5")
    arrays = _arrays(shape, 1)
    _check(tmp_path / "old.h5", arrays, [np.asarray(model(arrays[0]))], nothing_runs)
    wrapped = tf_keras.Sequential([layers.TimeDistributed(layers.Lambda(function), input_shape=(2, *shape))])
    wrapped.save(tmp_path / "wrapped.h5", save_format="h5")
    steps = [np.stack([arrays[0], arrays[0] * 2.0], axis=1)]
    _check(tmp_path / "wrapped.h5", steps, [np.asarray(wrapped(steps[0]))], nothing_runs)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
@pytest.mark.parametrize("name", ["image normalisation", "from constant", "K.l2_normalize", "channel means", "K.relu"])
def test_double_precision(name: str, tmp_path: Path, nothing_runs: Callable[[], Any]) -> None:
    function, shape = ONE[name]
    entry = tf_keras.Input(shape, dtype="float64")
    model = tf_keras.Model(entry, tf_keras.layers.Lambda(function, dtype="float64")(entry))
    model.save(tmp_path / "old.h5", save_format="h5")
    arrays = [a.astype("float64") for a in _arrays(shape, 1)]
    _check(tmp_path / "old.h5", arrays, [np.asarray(model(arrays[0]))], nothing_runs)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_layer_that_is_called_twice_and_arguments(tmp_path: Path, nothing_runs: Callable[[], Any]) -> None:
    a, b = tf_keras.Input(VECTOR), tf_keras.Input(VECTOR)
    scaled = tf_keras.layers.Lambda(lambda x, k, shift=None: x * k if shift is None else x, arguments={"k": 2.5})
    model = tf_keras.Model([a, b], tf_keras.layers.Subtract()([scaled(a), scaled(b)]))
    model.save(tmp_path / "old.h5", save_format="h5")
    arrays = _arrays(VECTOR, 2)
    _check(tmp_path / "old.h5", arrays, [np.asarray(model(arrays))], nothing_runs)


KERAS_3: dict[str, tuple[Function, tuple[int, ...]]] = {
    "affine": (lambda x: x / 255.0, IMAGE),
    "ops.mean": (lambda x: ops.mean(x, axis=1), MATRIX),
    "ops.reshape": (lambda x: ops.reshape(x, (-1, 12)), MATRIX),
    "ops.reshape with shape": (lambda x: ops.reshape(x, [ops.shape(x)[0], 6, 2]), MATRIX),
    "ops.concatenate": (lambda x: ops.concatenate([x, ops.square(x)], axis=-1), MATRIX),
    "keras.ops": (lambda x: keras.ops.expand_dims(keras.ops.max(x, axis=-1), axis=-1), MATRIX),
    "ops.norm": (lambda x: ops.norm(x, axis=-1, keepdims=True), MATRIX),
    "ops.cast": (lambda x: ops.cast(x > 0, "float32"), MATRIX),
    "ops.transpose": (lambda x: ops.transpose(x, axes=[0, 2, 1]), MATRIX),
    "ops.split": (lambda x: ops.split(x, 2, axis=1)[0], MATRIX),
    "ops.image.resize": (lambda x: ops.image.resize(x, (3, 4)), IMAGE),
    "keras.activations": (lambda x: keras.activations.relu(x), MATRIX),
    "ops.ones of a batch": (lambda x: ops.concatenate([x, ops.ones((ops.shape(x)[0], 2))], axis=-1), VECTOR),
    "ops.broadcast_to a shape": (lambda x: ops.broadcast_to(x[:, :1], ops.shape(x)), MATRIX),
    "ops.arange of a size": (lambda x: x + ops.arange(x.shape[-1], dtype="float32"), MATRIX),
    "ops.repeat to a size": (lambda x: ops.repeat(x[:, :1], x.shape[1], axis=1), MATRIX),
    "keras.activations.hard_sigmoid": (lambda x: keras.activations.hard_sigmoid(x), MATRIX),
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(("function", "shape"), KERAS_3.values(), ids=KERAS_3)
@pytest.mark.filterwarnings("ignore:.*`__array__` implementation doesn't accept a copy keyword")
def test_what_keras_3_saved_computes_the_same(
    function: Function, shape: tuple[int, ...], suffix: str, tmp_path: Path, nothing_runs: Callable[[], Any]
) -> None:
    entry = keras.Input(shape)
    model = keras.Model(entry, keras.layers.Lambda(function)(entry))
    model.save(tmp_path / f"old{suffix}")
    arrays = _arrays(shape, 1)
    _check(tmp_path / f"old{suffix}", arrays, [np.asarray(model(arrays[0]))], nothing_runs)


@pytest.mark.parametrize("name", sorted(lambda_functions._ACTIVATIONS))
def test_activations_of_keras_3(name: str) -> None:
    """The operations of the same names have other defaults here and there."""
    config = {"function": {"class_name": "function", "config": name, "module": "keras.activations"}}
    model = building.build(_translated(_model(config, MATRIX), "3.5.0")).model
    (x,) = _arrays(MATRIX, 1)
    _same(model(x), [np.asarray(getattr(keras.activations, name)(x))])


# Other Pythons

PYTHONS = json.loads((Path(__file__).parent / "bytecode.json").read_text())
TWO_INPUTS = ("difference", "euclidean", "as_list")


def _model(config: dict[str, Any], shape: tuple[int, ...], count: int = 1, **layer: Any) -> Layer:
    names = [f"in_{i}" for i in range(count)]
    entries = [
        Layer("InputLayer", n, {"batch_shape": (None, *shape), "dtype": "float32"}, path=f"model/{n}") for n in names
    ]
    refs: Any = [Ref(n) for n in names]
    call = Call((refs if count > 1 else refs[0],))
    part = Layer("Lambda", "custom", {"name": "custom", **config}, calls=(call,), path="model/custom", **layer)
    return Layer("Functional", "model", graph=Graph((*entries, part), refs, Ref("custom")), path="model")


def _translated(model: Layer, writer: str = "2.9.0") -> Layer:
    for each in lambda_rules.RULES:
        if each.writers(Writer(writer)):

            def visit(part: Layer, each: Any = each, whole: Layer = model) -> Layer:
                part = part.map_parts(lambda _, inner: visit(inner))
                result = each.function(part, Context(whole, Writer(writer))) if each.applies_to(part) else part
                return getattr(result, "layer", result)

            model = visit(model)
    return model


@pytest.mark.parametrize("name", sorted(lambda_sources.FUNCTIONS))
@pytest.mark.parametrize("version", PYTHONS)
def test_code_of_every_python(version: str, name: str) -> None:
    closure = lambda_sources.CLOSURE if name == "closure" else None
    defaults = lambda_sources.FUNCTIONS[name].__defaults__
    config = {"function": [PYTHONS[version][name]["code"], defaults, closure], "function_type": "lambda"}
    count = 2 if name in TWO_INPUTS else 1
    model = building.build(_translated(_model(config, MATRIX, count))).model
    arrays = _arrays(MATRIX, count)
    given = [tf.constant(a) for a in arrays]
    expected = lambda_sources.FUNCTIONS[name](given if count > 1 else given[0])
    _same(model(arrays if count > 1 else arrays[0]), [np.asarray(expected)])


def test_code_of_python_3_5() -> None:
    code = base64.b64encode(SUM_3_5).decode()
    model = building.build(_translated(_model({"function": [code, [2.5], None]}, MATRIX))).model
    (x,) = _arrays(MATRIX, 1)
    _same(model(x), [np.sum(x * 2.5, axis=1)])


# Random numbers


def _sampling(args: Any) -> Any:
    z_mean, z_log_var = args
    batch, dim = K.shape(z_mean)[0], K.int_shape(z_mean)[1]
    epsilon = K.random_normal(shape=(batch, dim), mean=0.0, stddev=2.0)
    return z_mean + K.exp(0.5 * z_log_var) * epsilon


def _uniform(args: Any) -> Any:
    return args[0] + tf.random.uniform(tf.shape(args[0]), minval=-1.0, maxval=3.0) + 0.0 * args[1]


def _global_size(args: Any) -> Any:
    z_mean, z_log_var = args
    return z_mean + K.exp(z_log_var / 2) * K.random_normal(shape=(batch_size, latent_dim), stddev=2.0)  # noqa: F821


def _random_model(function: Function, tmp_path: Path) -> tuple[Any, Any]:
    config = {"function": [_encoded(function), None, None], "function_type": "lambda"}
    layer = _model(config, VECTOR, 2)
    (part,) = [n for n in layer.walk() if n.class_name == "Lambda"]
    noted: Any = lambda_rules.RULES[2].function(part, Context(layer, Writer("2.9.0")))
    built = building.build(layer.map_parts(lambda _, n: noted.layer if n is part else n)).model
    built.save(tmp_path / "new.keras")
    return noted, keras.models.load_model(tmp_path / "new.keras", safe_mode=True)


def _encoded(function: Function) -> str:
    return base64.b64encode(marshal.dumps(function.__code__)).decode()


@pytest.mark.parametrize(
    ("function", "low", "high", "deviation"),
    [
        (_sampling, -40.0, 40.0, 2.0 * math.exp(0.5)),
        (_global_size, -40.0, 40.0, 2.0 * math.exp(0.5)),
        (_uniform, -1.0, 3.0, 4.0 / math.sqrt(12.0)),
    ],
    ids=["normal", "size is a global", "uniform"],
)
def test_random_numbers_are_drawn_in_every_call(
    function: Function, low: float, high: float, deviation: float, tmp_path: Path
) -> None:
    noted, model = _random_model(function, tmp_path)
    assert "random_outputs" in [f.code for f in noted.findings]
    mean = np.full((4000, 5), 10.0, "float32") + np.arange(5, dtype="float32")
    first, second = (model.predict([mean, np.ones_like(mean)], verbose=0) for _ in range(2))
    assert first.shape == mean.shape
    assert np.abs(first - second).min(axis=0).max() < deviation
    assert not np.allclose(first, second)
    centre = (low + high) / 2
    np.testing.assert_allclose((first - mean).mean(axis=0), centre, atol=0.25)
    np.testing.assert_allclose((first - mean).std(axis=0), deviation, rtol=0.07)
    # not the same numbers in every row or column
    correlation = np.corrcoef((first - mean).T)
    assert np.abs(correlation - np.eye(5)).max() < 0.1
    assert low <= (first - mean).min()
    assert (first - mean).max() <= high


def test_the_loss_of_ctc() -> None:
    def loss(args: Any) -> Any:
        y_pred, labels, input_length, label_length = args
        return K.ctc_batch_cost(labels, y_pred, input_length, label_length)

    shapes = {"y_pred": (12, 5), "labels": (4,), "input_length": (1,), "label_length": (1,)}
    entries = tuple(Layer("InputLayer", n, {"batch_shape": (None, *s), "dtype": "float32"}) for n, s in shapes.items())
    refs = [Ref(n) for n in shapes]
    config = {"function": [_encoded(loss), None, None], "function_type": "lambda"}
    part = Layer("Lambda", "ctc", config, calls=(Call((refs,)),))
    model = building.build(_translated(Layer("Functional", "m", graph=Graph((*entries, part), refs, Ref("ctc"))))).model
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(3, 12, 5)).astype("float32") * 2
    arrays = [
        np.exp(logits) / np.exp(logits).sum(-1, keepdims=True),
        generator.integers(0, 4, (3, 4)).astype("float32"),
        np.array([[12], [10], [11]], "float32"),
        np.array([[4], [2], [3]], "float32"),
    ]
    _same(model(arrays), [np.asarray(loss([tf.constant(a) for a in arrays]))])


# What is refused


def _swallowing(x: Any) -> Any:
    try:
        return x
    finally:
        print(x)


def _growing(x: Any) -> Any:
    for _ in range(60):
        x = x + x * x
    return x


def _endless(x: Any) -> Any:
    while True:
        x = x + 1.0


def _recursive(x: Any) -> Any:
    def again(v: Any) -> Any:
        return again(v)

    return again(x)


REFUSED: dict[str, tuple[Function, str]] = {
    "global": (lambda x: x * max_rating, "'max_rating'"),  # type: ignore[name-defined]  # noqa: F821
    "global function": (lambda x: circular_padding(x, 2), "'circular_padding'"),  # type: ignore[name-defined]  # noqa: F821
    "condition": (lambda x: x if K.sum(x) > 0 else -x, "depends on the values"),
    "unknown function": (lambda x: tf.signal.dct(x), "signal.dct"),
    "filled frames": (lambda x: tf.abs(tf.signal.stft(x, 10, 4)), "fills up the frames"),
    "complex": (lambda x: tf.signal.rfft(x), "complex"),
    "complex numbers calculated with": (lambda x: tf.abs(tf.signal.rfft(x) * 2.0), "complex"),
    "file": (lambda x: open("a.txt").read(), "'open'"),  # noqa: PTH123, SIM115
    "system": (lambda x: __import__("os").system("id"), "'__import__'"),
    "method of a tensor": (lambda x: x.numpy(), "numpy"),
    "numpy function": (lambda x: x + np.load("a.npy"), "numpy.load"),
    "large array": (lambda x: x + np.zeros((10**6, 10**6)), "large"),
    "large number": (lambda x: x + 10 ** (10**8), "large"),
    "large list": (lambda x: K.constant([0] * 10**9) + x, "calculates"),
    "long loop": (lambda x: [x + i for i in range(10**9)], "long"),
    "many turns": (lambda x: [x + i for i in range(65)], "65 turns"),
    "no end": (_endless, "steps"),
    "recursion": (_recursive, "deeply"),
    "long expression": (_growing, "too long"),
    "try": (_swallowing, "cannot be translated"),
    "constant": (lambda x: 1.0, "no tensor"),
    "constant tensor": (lambda x: K.constant([1.0, 2.0]), "no tensor"),
    "layer with weights": (lambda x: tf.keras.layers.Dense(3)(x), "Dense"),
    "dropout": (lambda x: tf.nn.dropout(x, 0.5), "random"),
    "rank": (lambda x: x if K.ndim(x) == 3 else K.expand_dims(x), "not known in advance"),
    "part of shapes put together": (lambda x: K.reshape(x, (-1, [2, *K.int_shape(x)[1:]][1])), "length is not known"),
    "slice of a batch": (lambda x: x[: K.shape(x)[0] // 2], "size of a batch"),
    "only a shape": (lambda x: K.arange(K.shape(x)[1]), "values of its input"),
    "loop over a size": (lambda x: [x[:, i] for i in range(K.int_shape(x)[1])], "length of a loop"),
    "mask": (lambda x, mask=None: x, "mask"),
    "string": (lambda x: f"{x}", "translated"),
    "assignment": (lambda x: (y := [x]) and y.sort(), "translated"),
}


@pytest.mark.parametrize(("function", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_said_is_refused_with_a_listing(
    function: Function, says: str, nothing_runs: Callable[[], Any]
) -> None:
    config = {"function": [_encoded(function), function.__defaults__, None], "function_type": "lambda"}
    layer = _model(config, MATRIX)
    patch = nothing_runs()
    try:
        with pytest.raises(NotEquivalent, match=says) as caught:
            lambdas.translate(next(n for n in layer.walk() if n.class_name == "Lambda"))
    finally:
        patch.__exit__(None, None, None)
    assert "Its bytecode (Python 3.1" in caught.value.message
    assert "LOAD_" in caught.value.message
    assert caught.value.hint


def test_known_globals() -> None:
    config = {"function": [_encoded(REFUSED["global"][0]), None, None], "function_type": "lambda"}
    layer = next(n for n in _model(config, MATRIX).walk() if n.class_name == "Lambda")
    result = lambdas.translate(layer, lambdas.Context(known={"max_rating": 5.0}, unmasked=True)).layer
    assert (result.class_name, result.config) == ("Rescaling", {"name": "custom", "scale": 5.0, "offset": 0.0})


# How functions are stored


@pytest.mark.parametrize(
    "config",
    [
        {"function": [PYTHONS["3.8"]["affine"]["code"], None, None], "function_type": "lambda"},
        {"function": PYTHONS["3.8"]["affine"]["code"], "function_type": "lambda"},
        {"function": [base64.b64decode(PYTHONS["2.7"]["affine"]["code"]).decode("raw_unicode_escape"), None, None]},
        {"function": [base64.b64decode(PYTHONS["3.6"]["affine"]["code"]).decode("latin-1"), None, None]},
        {
            "function": {
                "class_name": "__lambda__",
                "config": {"code": PYTHONS["3.12"]["affine"]["code"], "defaults": None, "closure": None},
            }
        },
    ],
)
def test_forms_of_code(config: dict[str, Any]) -> None:
    function = lambdas.stored(config)
    assert function.code is not None
    assert len(function.digest) == 64
    assert lambdas.programs(function).programs[0].code.name == "<lambda>"


def test_values_of_closures_as_keras_writes_them() -> None:
    closure = [
        {"type": "ndarray", "value": [1.0, 2.0]},
        {"class_name": "__numpy__", "config": {"value": [1, 2], "dtype": "int32"}},
        {"class_name": "__tuple__", "items": [1, [2]]},
        "text",
    ]
    array, numpy, pair, text = lambdas.stored({"function": [PYTHONS["3.8"]["affine"]["code"], None, closure]}).closure
    assert array.tolist() == [1.0, 2.0]
    assert numpy.dtype == "int32"
    assert (pair, text) == ((1, [2]), "text")


@pytest.mark.parametrize(
    ("config", "function"),
    [
        ({"function": "l2_normalize", "function_type": "function"}, "multiply"),
        ({"function": "square", "function_type": "function", "module": "keras.backend"}, "square"),
        ({"function": "relu", "function_type": "function", "module": "tensorflow.python.ops.gen_nn_ops"}, "relu"),
        ({"function": {"class_name": "function", "config": "relu", "module": "keras.ops"}}, "relu"),
        ({"function": {"class_name": "function", "config": "softmax", "module": "keras.activations"}}, "softmax"),
    ],
)
def test_functions_of_keras_and_tensorflow_by_name(config: dict[str, Any], function: str) -> None:
    layer = next(n for n in _model(config, MATRIX).walk() if n.class_name == "Lambda")
    assert function in [n.config.get("function") for n in lambdas.translate(layer).layer.walk()]


@pytest.mark.parametrize(
    "config",
    [
        {"function": "my_function", "function_type": "function", "module": "__main__"},
        {"function": "relu6", "function_type": "function"},
        {"function": {"class_name": "function", "config": "my_function", "module": "builtins"}},
        {"function": {"class_name": "function", "config": "no_such_thing", "module": "tensorflow.python.ops"}},
    ],
)
def test_functions_of_others_by_name_are_missing(config: dict[str, Any]) -> None:
    layer = next(n for n in _model(config, MATRIX).walk() if n.class_name == "Lambda")
    with pytest.raises(NotEquivalent, match="not in the file") as caught:
        lambdas.translate(layer)
    assert "--custom FILE.py, where FILE.py defines the function" in caught.value.hint


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"function": None},
        {"function": [1, 2, 3]},
        {"function": ["not base64!", None, None]},
        {"function": ["AAAA", None, None]},
        {"function": [PYTHONS["3.8"]["closure"]["code"], None, [1.0]]},
        {"function": [PYTHONS["3.8"]["affine"]["code"], None, None], "mask": [1]},
        {"function": [PYTHONS["3.8"]["affine"]["code"], None, None], "arguments": {"k": 1}},
    ],
)
def test_configs_that_say_no_function(config: dict[str, Any]) -> None:
    layer = next(n for n in _model(config, MATRIX).walk() if n.class_name == "Lambda")
    with pytest.raises(NotEquivalent):
        lambdas.translate(layer)
