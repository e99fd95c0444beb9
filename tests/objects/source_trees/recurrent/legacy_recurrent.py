from keras import backend as K
from keras.layers.recurrent import Recurrent
from keras.engine import InputSpec


class ReluRNN(Recurrent):
    def __init__(self, units, **kwargs):
        self.units = units
        super(ReluRNN, self).__init__(**kwargs)

    def build(self, input_shape):
        self.input_dim = input_shape[-1]
        self.states = [None]
        self.W = self.add_weight(shape=(self.input_dim, self.units), name='W', initializer='uniform')
        self.U = self.add_weight(shape=(self.units, self.units), name='U', initializer='uniform')
        self.built = True

    def get_initial_state(self, inputs):
        s = K.sum(K.zeros_like(inputs), axis=(1, 2))
        return [K.tile(K.expand_dims(s), [1, self.units])]

    def step(self, x, states):
        h = K.relu(K.dot(x, self.W) + K.dot(states[0], self.U))
        return h, [h]

    def compute_output_shape(self, input_shape):
        if self.return_sequences:
            return (input_shape[0], input_shape[1], self.units)
        return (input_shape[0], self.units)

    def get_config(self):
        return dict(super(ReluRNN, self).get_config(), units=self.units)
