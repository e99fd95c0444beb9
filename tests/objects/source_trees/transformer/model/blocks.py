from .common import *
from . import common
from keras.layers import *
from keras.engine.topology import Layer


class LayerNorm(Layer):
    def __init__(self, eps=EPS, **kwargs):
        self.eps = eps
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.gamma = self.add_weight(name='gamma', shape=input_shape[-1:], initializer='ones', trainable=True)
        self.beta = self.add_weight(name='beta', shape=input_shape[-1:], initializer='zeros', trainable=True)
        super().build(input_shape)

    def call(self, x):
        mean = K.mean(x, axis=-1, keepdims=True)
        std = K.std(x, axis=-1, keepdims=True)
        return self.gamma * (x - mean) / (std + self.eps) + self.beta

    def compute_output_shape(self, input_shape):
        return input_shape


class PositionEncoding(Layer):
    def call(self, x):
        _, n, d = common.shape_list(x)
        return x + K.constant(common.position_table(n, d))


class SelfAttention(Layer):
    def __init__(self, nb_head, size_per_head, **kwargs):
        self.nb_head = nb_head
        self.size_per_head = size_per_head
        self.output_dim = nb_head * size_per_head
        super(SelfAttention, self).__init__(**kwargs)

    def build(self, input_shape):
        for name in ('WQ', 'WK', 'WV'):
            setattr(self, name, self.add_weight(name=name, shape=(input_shape[-1], self.output_dim),
                                                initializer='glorot_uniform', trainable=True))
        super(SelfAttention, self).build(input_shape)

    def _heads(self, x, w):
        y = K.dot(x, w)
        y = K.reshape(y, (-1, K.shape(y)[1], self.nb_head, self.size_per_head))
        return K.permute_dimensions(y, (0, 2, 1, 3))

    def call(self, x):
        q, k, v = self._heads(x, self.WQ), self._heads(x, self.WK), self._heads(x, self.WV)
        a = K.batch_dot(q, k, axes=[3, 3]) / self.size_per_head ** 0.5
        a = K.softmax(a)
        o = K.batch_dot(a, v, axes=[3, 2])
        o = K.permute_dimensions(o, (0, 2, 1, 3))
        return K.reshape(o, (-1, K.shape(o)[1], self.output_dim))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1], self.output_dim)

    def get_config(self):
        base = super(SelfAttention, self).get_config()
        base.update({'nb_head': self.nb_head, 'size_per_head': self.size_per_head})
        return base
