from __future__ import annotations
import tensorflow as tf
from tensorflow.keras import layers as tfkl
from dataclasses import dataclass

K = tf.keras.backend


def shape_list(x):
    static = x.shape.as_list()
    dynamic = tf.shape(x)
    return [dynamic[i] if s is None else s for i, s in enumerate(static)]


class CrossLayer(tfkl.Layer):
    """Deep & cross."""

    def __init__(self, layer_num=2, reg_w=1e-4, **kwargs):
        super().__init__(**kwargs)
        self.layer_num = layer_num
        self.reg_w = reg_w

    def build(self, input_shape):
        self.cross_weight = [
            self.add_weight(name='w' + str(i), shape=(input_shape[1], 1), regularizer=tf.keras.regularizers.l2(self.reg_w))
            for i in range(self.layer_num)]
        self.cross_bias = [self.add_weight(name='b' + str(i), shape=(input_shape[1], 1)) for i in range(self.layer_num)]

    @tf.function
    def call(self, inputs):
        x0 = tf.expand_dims(inputs, axis=2)
        xl = x0
        for i in range(self.layer_num):
            xl = tf.matmul(x0, tf.matmul(xl, self.cross_weight[i], transpose_a=True)) + self.cross_bias[i] + xl
        return tf.squeeze(xl, axis=2)

    def get_config(self):
        return {**super().get_config(), 'layer_num': self.layer_num, 'reg_w': self.reg_w}


class Lazy(tfkl.Layer):
    """Layers made where they are first called."""

    def __init__(self, width=4, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.inner = None

    def call(self, x, training=False):
        if self.inner is None:
            self.inner = tfkl.Dense(self.width, activation=tf.nn.leaky_relu)
            self.out = tfkl.Dense(x.shape[-1], activation=K.softplus)
        return x + self.out(self.inner(x))

    def get_config(self):
        return dict(super().get_config(), width=self.width)


class SpectralNorm(tfkl.Wrapper):
    def __init__(self, layer, power_iterations=1, **kwargs):
        super().__init__(layer, **kwargs)
        self.power_iterations = power_iterations

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build(input_shape)
        self.w = self.layer.kernel
        self.w_shape = self.w.shape.as_list()
        self.u = self.add_weight(shape=(1, self.w_shape[-1]), initializer=tf.initializers.TruncatedNormal(stddev=0.02), trainable=False,
                                 name='sn_u', dtype=tf.float32)
        super().build()

    def call(self, inputs, training=None):
        w = tf.reshape(self.w, [-1, self.w_shape[-1]])
        v = tf.math.l2_normalize(tf.matmul(self.u, w, transpose_b=True))
        sigma = tf.squeeze(tf.matmul(tf.matmul(v, w), self.u, transpose_b=True))
        return self.layer(inputs) / (1.0 + sigma * sigma)

    def get_config(self):
        return {**super().get_config(), 'power_iterations': self.power_iterations}


class Regressor(tf.keras.Model):
    def __init__(self, hidden=(6, 4), rate=0.1, **kwargs):
        super(Regressor, self).__init__(**kwargs)
        self.hidden_sizes = list(hidden)
        self.rate = rate
        self.blocks = [tfkl.Dense(h, activation='elu') for h in hidden]
        self.norms = {str(i): tfkl.BatchNormalization() for i, _ in enumerate(hidden)}
        self.drop = tfkl.Dropout(rate)
        self.head = tf.keras.Sequential([tfkl.Dense(3), tfkl.Dense(1)], name='head')

    @tf.function
    def call(self, x, training=False):
        for i, block in enumerate(self.blocks):
            x = self.norms[str(i)](block(x), training=training)
            x = self.drop(x, training=training)
        return self.head(x)

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self.compiled_loss(data[1], self(data[0], training=True))
        return {'loss': loss}

    def get_config(self):
        return {'hidden': self.hidden_sizes, 'rate': self.rate}
