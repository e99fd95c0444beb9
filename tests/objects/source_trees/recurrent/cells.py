from keras.layers import Layer, RNN, Dense, TimeDistributed
from keras.layers.recurrent import SimpleRNNCell
from keras import backend as K


class MinimalRNNCell(Layer):
    def __init__(self, units, **kwargs):
        self.units = units
        self.state_size = units
        super(MinimalRNNCell, self).__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer='uniform', name='kernel')
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer='uniform',
                                                name='recurrent_kernel')
        self.built = True

    def call(self, inputs, states):
        prev_output = states[0]
        h = K.dot(inputs, self.kernel)
        output = h + K.dot(prev_output, self.recurrent_kernel)
        output = K.tanh(output)
        return output, [output]

    def get_config(self):
        return dict(super(MinimalRNNCell, self).get_config(), units=self.units)


class QRNNPool(Layer):
    def __init__(self, units, return_sequences=False, **kwargs):
        self.units = units
        self.return_sequences = return_sequences
        super(QRNNPool, self).__init__(**kwargs)

    def build(self, input_shape):
        self.w = self.add_weight(name='w', shape=(input_shape[-1], 2 * self.units), initializer='uniform')
        super(QRNNPool, self).build(input_shape)

    def step(self, x, states):
        z, f = x[:, :self.units], x[:, self.units:]
        f = K.sigmoid(f)
        h = f * states[0] + (1 - f) * K.tanh(z)
        return h, [h]

    def call(self, x, mask=None):
        zf = K.dot(x, self.w)
        init = [K.zeros_like(zf[:, 0, :self.units])]
        last, seq, _ = K.rnn(self.step, zf, init, mask=mask, input_length=K.int_shape(x)[1])
        return seq if self.return_sequences else last

    def compute_mask(self, inputs, mask=None):
        return mask if self.return_sequences else None

    def compute_output_shape(self, s):
        return (s[0], s[1], self.units) if self.return_sequences else (s[0], self.units)

    def get_config(self):
        return dict(super(QRNNPool, self).get_config(), units=self.units, return_sequences=self.return_sequences)
