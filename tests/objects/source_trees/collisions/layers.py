import tensorflow as tf
from tensorflow.keras import backend as K
from tensorflow.keras.layers import Layer, Dense, Activation
from tensorflow.keras.utils import get_custom_objects


class Attention(Layer):
    def __init__(self, return_sequences=False, **kwargs):
        self.return_sequences = return_sequences
        super(Attention, self).__init__(**kwargs)

    def build(self, input_shape):
        self.W = self.add_weight(name="att_weight", shape=(input_shape[-1], 1), initializer="normal")
        self.b = self.add_weight(name="att_bias", shape=(input_shape[1], 1), initializer="zeros")
        super(Attention, self).build(input_shape)

    def call(self, x):
        e = K.tanh(K.dot(x, self.W) + self.b)
        a = K.softmax(e, axis=1)
        output = x * a
        if self.return_sequences:
            return output
        return K.sum(output, axis=1)

    def get_config(self):
        return {**super().get_config(), 'return_sequences': self.return_sequences}


class LayerNormalization(Layer):
    """Without a square root, and without a mean."""

    def build(self, input_shape):
        self.gamma = self.add_weight(name='gamma', shape=input_shape[-1:], initializer='ones')
        self.beta = self.add_weight(name='beta', shape=input_shape[-1:], initializer='zeros')

    def call(self, x):
        return self.gamma * x / (1.0 + K.mean(K.square(x), axis=-1, keepdims=True)) + self.beta


def swish(x, beta=1.702):
    return x * K.sigmoid(beta * x)


def relu(x):
    return K.relu(x, alpha=0.3)


get_custom_objects().update({'swish': Activation(swish)})
