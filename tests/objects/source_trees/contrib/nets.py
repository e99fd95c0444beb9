import tensorflow as tf
from tensorflow.keras import layers
from keras_contrib.layers import InstanceNormalization as IN

slim = tf.contrib.slim
xavier = tf.contrib.layers.xavier_initializer()


class Highway(layers.Layer):
    def __init__(self, gate=True, **kwargs):
        super(Highway, self).__init__(**kwargs)
        self.gate = gate
        self.reg = tf.contrib.layers.l2_regularizer(1e-4)

    def build(self, input_shape):
        n = input_shape[-1].value
        self.w = self.add_variable('w', [n, n], initializer=tf.contrib.layers.xavier_initializer(), regularizer=self.reg)
        self.t = self.add_variable('t', [n, n], initializer=tf.contrib.layers.variance_scaling_initializer())
        super(Highway, self).build(input_shape)

    def call(self, x):
        h = tf.nn.relu(tf.tensordot(x, self.w, [[-1], [0]]))
        g = tf.sigmoid(tf.tensordot(x, self.t, [[-1], [0]]))
        return g * h + (1. - g) * x

    def get_config(self):
        return {**super(Highway, self).get_config(), 'gate': self.gate}
