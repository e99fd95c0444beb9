import tensorflow as tf


def gelu(x):
    return 0.5 * x * (1.0 + tf.math.erf(x / tf.sqrt(2.0)))


def norm(x):
    return tf.nn.l2_normalize(x, axis=-1)
