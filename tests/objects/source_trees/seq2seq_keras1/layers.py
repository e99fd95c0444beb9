from keras import backend as K
from keras.engine.topology import Layer
from keras import initializations, activations
import theano


class AttLayer(Layer):
    def __init__(self, **kwargs):
        self.init = initializations.get('normal')
        super(AttLayer, self).__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        self.W = self.init((input_shape[-1], 1), name='{}_W'.format(self.name))
        self.trainable_weights = [self.W]
        super(AttLayer, self).build(input_shape)

    def call(self, x, mask=None):
        eij = K.tanh(K.squeeze(K.dot(x, self.W), -1))
        ai = K.exp(eij)
        weights = ai / K.expand_dims(K.sum(ai, axis=1), 1)
        weighted_input = x * K.expand_dims(weights)
        return K.sum(weighted_input, axis=1)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], input_shape[-1])


class Gate(Layer):
    def __init__(self, output_dim, init='glorot_uniform', activation='hard_sigmoid', **kwargs):
        self.init = initializations.get(init)
        self.activation = activations.get(activation)
        self.output_dim = output_dim
        super(Gate, self).__init__(**kwargs)

    def build(self, input_shape):
        self.W = self.add_weight((input_shape[1], self.output_dim), initializer=self.init,
                                 name='{}_W'.format(self.name))
        self.b = self.add_weight((self.output_dim,), initializer='zero', name='{}_b'.format(self.name))
        self.built = True

    def call(self, x, mask=None):
        return self.activation(K.dot(x, self.W) + self.b)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.output_dim)

    def get_config(self):
        config = {'output_dim': self.output_dim}
        base_config = super(Gate, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))
