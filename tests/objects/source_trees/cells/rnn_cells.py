import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import backend as K
from tensorflow.keras.layers import Layer, RNN, LSTMCell, GRUCell, AbstractRNNCell, Dense, Bidirectional


class LTCCell(AbstractRNNCell):
    def __init__(self, units, unfolds=2, **kwargs):
        super(LTCCell, self).__init__(**kwargs)
        self.units = units
        self.unfolds = unfolds

    @property
    def state_size(self):
        return self.units

    @property
    def output_size(self):
        return self.units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer='uniform', name='kernel')
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer='orthogonal', name='recurrent_kernel')
        self.tau = self.add_weight(shape=(self.units,), initializer='ones', name='tau')
        self.built = True

    def call(self, inputs, states):
        prev = states[0]
        for _ in range(self.unfolds):
            prev = prev + 0.1 * (tf.tanh(K.dot(inputs, self.kernel) + K.dot(prev, self.recurrent_kernel)) - prev / (1.0 + tf.abs(self.tau)))
        return prev, [prev]

    def get_config(self):
        return dict(super().get_config(), units=self.units, unfolds=self.unfolds)


class PeepholeLSTMCell(LSTMCell):
    def build(self, input_shape):
        super(PeepholeLSTMCell, self).build(input_shape)
        self.input_gate_peephole_weights = self.add_weight(shape=(self.units,), name='input_gate_peephole_weights', initializer=self.kernel_initializer)

    def call(self, inputs, states, training=None):
        h, c = states[0], states[1]
        z = K.dot(inputs, self.kernel) + K.dot(h, self.recurrent_kernel)
        z = K.bias_add(z, self.bias)
        zi, zf, zc, zo = tf.split(z, num_or_size_splits=4, axis=1)
        i = self.recurrent_activation(zi + self.input_gate_peephole_weights * c)
        f = self.recurrent_activation(zf)
        c = f * c + i * self.activation(zc)
        o = self.recurrent_activation(zo)
        h = o * self.activation(c)
        return h, [h, c]


class DecoderCell(Layer):
    """A cell with cells and layers in it, and two states."""

    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = [units, units]
        self.output_size = units
        super().__init__(**kwargs)
        self.lstm = LSTMCell(units)
        self.gate = Dense(units, activation='sigmoid')

    def call(self, inputs, states):
        out, states = self.lstm(inputs, states)
        return self.gate(out) * out, states

    def get_initial_state(self, inputs=None, batch_size=None, dtype=None):
        return [tf.zeros((batch_size, self.units), dtype), tf.zeros((batch_size, self.units), dtype)]

    def get_config(self):
        return {**super().get_config(), 'units': self.units}


class IndRNN(RNN):
    """A layer that makes its own cell."""

    def __init__(self, units, return_sequences=False, go_backwards=False, **kwargs):
        self.units_ = units
        super().__init__(LTCCell(units, unfolds=1), return_sequences=return_sequences, go_backwards=go_backwards, **kwargs)

    @property
    def units(self):
        return self.cell.units

    def call(self, inputs, mask=None, training=None, initial_state=None, constants=None):
        return super().call(inputs, mask=mask, training=training, initial_state=initial_state)

    def get_config(self):
        config = {'units': self.units, 'return_sequences': self.return_sequences, 'go_backwards': self.go_backwards}
        base = super().get_config()
        del base['cell']
        return dict(list(base.items()) + list(config.items()))

    @classmethod
    def from_config(cls, config):
        return cls(**config)
