from keras.engine.topology import Layer, InputSpec
from keras.layers import Dense
import tensorflow as tf
import keras.backend as K
import numpy as np


class KMaxPooling(Layer):
    def __init__(self, k=2, **kwargs):
        super(KMaxPooling, self).__init__(**kwargs)
        self.input_spec = [InputSpec(ndim=3)]
        self.k = k

    def compute_output_shape(self, input_shape):
        return (input_shape[0], (input_shape[2] * self.k))

    def call(self, inputs):
        shifted = tf.transpose(inputs, [0, 2, 1])
        top_k = tf.nn.top_k(shifted, k=self.k, sorted=True, name=None)[0]
        return K.reshape(top_k, (-1, self._dim(inputs) * self.k))

    def _dim(self, x):
        return K.int_shape(x)[2]

    def get_config(self):
        return dict(super(KMaxPooling, self).get_config(), k=self.k)


class Normalize(Layer):
    """SSD: https://arxiv.org/abs/1512.02325"""
    def __init__(self, scale=20, **kwargs):
        self.axis = 2
        self.scale = scale
        super(Normalize, self).__init__(**kwargs)

    def build(self, input_shape):
        self.input_spec = [InputSpec(shape=input_shape)]
        shape = (input_shape[self.axis],)
        init_gamma = self.scale * np.ones(shape)
        self.gamma = K.variable(init_gamma, name='{}_gamma'.format(self.name))
        self.trainable_weights = [self.gamma]

    def call(self, x, mask=None):
        output = K.l2_normalize(x, self.axis)
        output *= self.gamma
        return output

    def get_config(self):
        return dict(Layer.get_config(self), scale=self.scale)


class ScaledDense(Dense):
    def __init__(self, units, gain=1.0, **kwargs):
        super(ScaledDense, self).__init__(units, **kwargs)
        self.gain = gain

    def call(self, inputs):
        return self.gain * super(ScaledDense, self).call(inputs)

    def get_config(self):
        config = super(ScaledDense, self).get_config()
        config['gain'] = self.gain
        return config


class NoConfig(Layer):
    def __init__(self, factor=3, **kwargs):
        super(NoConfig, self).__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.w = self.add_weight('w', (input_shape[-1], self.factor), initializer='normal')

    def call(self, x):
        return K.dot(x, self.w)

    def compute_output_shape(self, s):
        return s[:-1] + (self.factor,)
