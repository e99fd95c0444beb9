from keras import backend as K
from keras import initializations, regularizers, constraints, activations
from keras.engine.topology import Layer, InputSpec
from keras.layers import *
import numpy as np


def dot_product(x, kernel):
    if K.backend() == 'tensorflow':
        return K.squeeze(K.dot(x, K.expand_dims(kernel)), axis=-1)
    else:
        return K.dot(x, kernel)


class AttentionWithContext(Layer):
    def __init__(self, init='glorot_uniform', kernel_regularizer=None, bias_regularizer=None, kernel_constraint=None, bias_constraint=None, **kwargs):
        self.supports_masking = True
        self.init = initializations.get(init)
        self.kernel_initializer = initializations.get('glorot_uniform')
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        super(AttentionWithContext, self).__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 1),
                                      initializer=self.kernel_initializer,
                                      name='{}_W'.format(self.name),
                                      regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.b = self.add_weight((input_shape[1],),
                                 initializer='zero',
                                 name='{}_b'.format(self.name),
                                 regularizer=self.bias_regularizer,
                                 constraint=self.bias_constraint)
        self.u = self.add_weight((input_shape[1],),
                                 initializer=self.kernel_initializer,
                                 name='{}_u'.format(self.name),
                                 regularizer=self.kernel_regularizer,
                                 constraint=self.kernel_constraint)
        self.built = True

    def compute_mask(self, input, mask):
        return None

    def call(self, x, mask=None):
        multdata = K.dot(x, self.kernel)  # (x, 40, 300)*(300, 1) => (x, 40, 1)
        multdata = K.squeeze(multdata, -1)  # (x, 40)
        multdata = multdata + self.b
        multdata = K.tanh(multdata)
        multdata = multdata * self.u
        multdata = K.exp(multdata)
        if mask is not None:
            mask = K.cast(mask, K.floatx())
            multdata = mask * multdata
        multdata /= K.cast(K.sum(multdata, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        multdata = K.expand_dims(multdata)
        weighted_input = x * multdata
        return K.sum(weighted_input, axis=1)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], input_shape[-1],)


class Scale(Layer):
    '''Custom Layer for DenseNet used for BatchNormalization: out = in * gamma + beta.'''

    def __init__(self, weights=None, axis=-1, momentum=0.9, beta_init='zero', gamma_init='one', **kwargs):
        self.momentum = momentum
        self.axis = axis
        self.beta_init = initializations.get(beta_init)
        self.gamma_init = initializations.get(gamma_init)
        self.initial_weights = weights
        super(Scale, self).__init__(**kwargs)

    def build(self, input_shape):
        self.input_spec = [InputSpec(shape=input_shape)]
        shape = (int(input_shape[self.axis]),)
        self.gamma = self.gamma_init(shape, name='{}_gamma'.format(self.name))
        self.beta = self.beta_init(shape, name='{}_beta'.format(self.name))
        self.trainable_weights = [self.gamma, self.beta]

        if self.initial_weights is not None:
            self.set_weights(self.initial_weights)
            del self.initial_weights

    def call(self, x, mask=None):
        input_shape = self.input_spec[0].shape
        broadcast_shape = [1] * len(input_shape)
        broadcast_shape[self.axis] = input_shape[self.axis]
        out = K.reshape(self.gamma, broadcast_shape) * x + K.reshape(self.beta, broadcast_shape)
        return out

    def get_config(self):
        config = {"momentum": self.momentum, "axis": self.axis}
        base_config = super(Scale, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))


class NTN(Layer):
    """Neural tensor: slices in a loop, weights by `K.variable`."""

    def __init__(self, output_dim, k, activation='tanh', **kwargs):
        self.output_dim = output_dim
        self.k = k
        self.activation = activations.get(activation)
        super(NTN, self).__init__(**kwargs)

    def build(self, input_shape):
        mean, std = 0.0, 0.5
        k, d = self.k, self.output_dim
        self.W = K.variable(np.random.normal(mean, std, (k, d, d)))
        self.V = K.variable(np.random.normal(mean, std, (2 * d, k)))
        self.b = K.zeros((d,))
        self._trainable_weights = [self.W, self.V] if False else []
        self.trainable_weights = [self.W, self.V, self.b]

    def call(self, inputs, mask=None):
        e1, e2 = inputs[0], inputs[1]
        k = self.k
        feed = K.dot(K.concatenate([e1, e2]), self.V)
        bilinear = [K.sum((e2 * K.dot(e1, self.W[0])) + self.b, axis=1)]
        for i in range(k)[1:]:
            bilinear.append(K.sum((e2 * K.dot(e1, self.W[i])) + self.b, axis=1))
        result = self.activation(K.reshape(K.concatenate(bilinear, axis=0), (-1, k)) + feed)
        return result

    def get_output_shape_for(self, input_shape):
        return (input_shape[0][0], self.k)

    def get_config(self):
        return dict(super(NTN, self).get_config(), output_dim=self.output_dim, k=self.k)


class MergeSqrt(Layer):
    def __init__(self, **kwargs):
        super(MergeSqrt, self).__init__(**kwargs)

    def call(self, x, mask=None):
        return K.sqrt(K.abs(x)) * K.sign(x)
