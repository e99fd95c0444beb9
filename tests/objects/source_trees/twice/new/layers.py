import tensorflow as tf
from tensorflow.keras import layers


class Mix(layers.Layer):
    def __init__(self, ratio=0.5, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, input_shape):
        self.amount = self.add_weight(name='amount', shape=(1,), initializer='ones')

    def call(self, x):
        return self.ratio * tf.reverse(x, [-1]) + self.amount * x

    def get_config(self):
        return {**super().get_config(), 'ratio': self.ratio}


class Same(layers.Layer):
    def call(self, x):
        return x * 2.0
