import os, sys
import pandas as pd
from keras import backend as K
from keras.engine.topology import Layer
from keras import initializers, regularizers, constraints
from keras.callbacks import Callback
from utils.ops import dot_product
from utils import masking as mk

train = pd.read_csv("train.csv")
MAX_LEN = 6


class Attention(Layer):
    def __init__(self, step_dim=MAX_LEN, W_regularizer=None, b_regularizer=None, bias=True, **kwargs):
        self.supports_masking = True
        self.init = initializers.get('glorot_uniform')
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_regularizer = regularizers.get(b_regularizer)
        self.bias = bias
        self.step_dim = step_dim
        self.features_dim = 0
        super(Attention, self).__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        self.W = self.add_weight((input_shape[-1],), initializer=self.init,
                                 name='{}_W'.format(self.name), regularizer=self.W_regularizer)
        self.features_dim = input_shape[-1]
        if self.bias:
            self.b = self.add_weight((input_shape[1],), initializer='zero', name='{}_b'.format(self.name))
        else:
            self.b = None
        self.built = True

    def compute_mask(self, input, input_mask=None):
        return None

    def call(self, x, mask=None):
        eij = K.reshape(K.dot(K.reshape(x, (-1, self.features_dim)),
                              K.reshape(self.W, (self.features_dim, 1))), (-1, self.step_dim))
        if self.bias:
            eij += self.b
        a = K.exp(K.tanh(eij))
        if mask is not None:
            a *= K.cast(mask, K.floatx())
        a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        return K.sum(x * K.expand_dims(a), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0], self.features_dim


class AttentionWithContext(Layer):
    def __init__(self, bias=True, **kwargs):
        self.supports_masking = True
        self.bias = bias
        super(AttentionWithContext, self).__init__(**kwargs)

    def build(self, input_shape):
        d = input_shape[-1]
        self.W = self.add_weight(name='W', shape=(d, d), initializer='glorot_uniform', trainable=True)
        if self.bias:
            self.b = self.add_weight(name='b', shape=(d,), initializer='zeros')
        self.u = self.add_weight(name='u', shape=(d,), initializer='uniform')
        super(AttentionWithContext, self).build(input_shape)

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, x, mask=None):
        uit = dot_product(x, self.W)
        if self.bias:
            uit += self.b
        ait = dot_product(K.tanh(uit), self.u)
        a = mk.apply_mask(K.exp(ait), mask)
        a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        return K.sum(x * K.expand_dims(a), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return {'bias': self.bias}


model_dir = sys.argv[1]
os.makedirs(model_dir)
