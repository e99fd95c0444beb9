from __future__ import print_function

from keras import activations, initializers, constraints
from keras import regularizers
from keras.engine import Layer
import keras.backend as K


class GraphConvolution(Layer):
    """Basic graph convolution layer"""
    def __init__(self, units, support=1, activation=None, use_bias=True,
                 kernel_initializer='glorot_uniform', bias_initializer='zeros',
                 kernel_regularizer=None, **kwargs):
        if 'input_shape' not in kwargs and 'input_dim' in kwargs:
            kwargs['input_shape'] = (kwargs.pop('input_dim'),)
        super(GraphConvolution, self).__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.support = support

    def compute_output_shape(self, input_shapes):
        return (input_shapes[0][0], input_shapes[0][1], self.units)

    def build(self, input_shapes):
        features_shape = input_shapes[0]
        assert len(features_shape) == 3
        self.kernel = self.add_weight(shape=(features_shape[2] * self.support, self.units),
                                      initializer=self.kernel_initializer, name='kernel',
                                      regularizer=self.kernel_regularizer)
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer=self.bias_initializer, name='bias')
        self.built = True

    def call(self, inputs, mask=None):
        features = inputs[0]
        basis = inputs[1:]
        supports = [K.batch_dot(basis[i], features) for i in range(self.support)]
        output = K.dot(K.concatenate(supports, axis=-1), self.kernel)
        if self.use_bias:
            output = K.bias_add(output, self.bias)
        return self.activation(output)

    def get_config(self):
        config = {'units': self.units, 'support': self.support,
                  'activation': activations.serialize(self.activation), 'use_bias': self.use_bias,
                  'kernel_initializer': initializers.serialize(self.kernel_initializer)}
        base_config = super(GraphConvolution, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))
