"""What TensorFlow 1.15 computed with `contrib/nets.py`: `tf.contrib` had initializers and regularizers only."""
import tensorflow as tf
from tensorflow.keras import layers


class Highway(layers.Layer):
    def __init__(self, gate=True, **kwargs):
        super(Highway, self).__init__(**kwargs)
        self.gate = gate

    def build(self, input_shape):
        n = input_shape[-1]
        self.w = self.add_weight('w', [n, n])
        self.t = self.add_weight('t', [n, n])
        super(Highway, self).build(input_shape)

    def call(self, x):
        h = tf.nn.relu(tf.tensordot(x, self.w, [[-1], [0]]))
        g = tf.sigmoid(tf.tensordot(x, self.t, [[-1], [0]]))
        return g * h + (1. - g) * x

    def get_config(self):
        return {**super(Highway, self).get_config(), 'gate': self.gate}
