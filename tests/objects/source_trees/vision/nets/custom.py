import tensorflow as tf
from keras.layers import Layer, InputSpec
from keras import backend as K

IMAGE_NET_MEAN = [0.1, 0.2, 0.3]


class ReflectionPadding2D(Layer):
    def __init__(self, padding=(1, 1), **kwargs):
        self.padding = tuple(padding)
        self.input_spec = [InputSpec(ndim=4)]
        super(ReflectionPadding2D, self).__init__(**kwargs)

    def compute_output_shape(self, s):
        return (s[0], s[1] + 2 * self.padding[0], s[2] + 2 * self.padding[1], s[3])

    def call(self, x, mask=None):
        w_pad, h_pad = self.padding
        return tf.pad(x, [[0, 0], [h_pad, h_pad], [w_pad, w_pad], [0, 0]], 'REFLECT')

    def get_config(self):
        config = super(ReflectionPadding2D, self).get_config()
        config.update({'padding': self.padding})
        return config


class InstanceNormalization(Layer):
    def __init__(self, axis=-1, epsilon=1e-3, **kwargs):
        super(InstanceNormalization, self).__init__(**kwargs)
        self.axis = axis
        self.epsilon = epsilon

    def build(self, input_shape):
        dim = int(input_shape[self.axis])
        self.gamma = self.add_weight(shape=(dim,), name='gamma', initializer='one')
        self.beta = self.add_weight(shape=(dim,), name='beta', initializer='zero')
        self.built = True

    def call(self, inputs, training=None):
        input_shape = K.int_shape(inputs)
        reduction_axes = list(range(1, len(input_shape) - 1))
        mean = K.mean(inputs, reduction_axes, keepdims=True)
        stddev = K.std(inputs, reduction_axes, keepdims=True) + self.epsilon
        return (inputs - mean) / stddev * self.gamma + self.beta

    def get_config(self):
        return dict(super(InstanceNormalization, self).get_config(), axis=self.axis, epsilon=self.epsilon)


class SubpixelUpscaling(Layer):
    def __init__(self, scale_factor=2, **kwargs):
        super(SubpixelUpscaling, self).__init__(**kwargs)
        self.scale_factor = scale_factor

    def call(self, x, mask=None):
        channels = x.get_shape()[-1].value
        assert channels % self.scale_factor ** 2 == 0
        return tf.depth_to_space(x, self.scale_factor)

    def compute_output_shape(self, s):
        r = self.scale_factor
        return (s[0], s[1] * r, s[2] * r, s[3] // (r ** 2))

    def get_config(self):
        return dict(super(SubpixelUpscaling, self).get_config(), scale_factor=self.scale_factor)


class SpatialPyramidPooling(Layer):
    def __init__(self, pool_list, **kwargs):
        self.pool_list = pool_list
        super(SpatialPyramidPooling, self).__init__(**kwargs)

    def build(self, input_shape):
        self.nb_channels = input_shape[3]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.nb_channels * sum([i * i for i in self.pool_list]))

    def get_config(self):
        config = {'pool_list': self.pool_list}
        base_config = super(SpatialPyramidPooling, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))

    def call(self, x, mask=None):
        input_shape = K.shape(x)
        outputs = []
        for n in self.pool_list:
            row = K.cast(input_shape[1], 'float32') / n
            col = K.cast(input_shape[2], 'float32') / n
            for i in range(n):
                for j in range(n):
                    x1, x2 = K.cast(K.round(i * row), 'int32'), K.cast(K.round((i + 1) * row), 'int32')
                    y1, y2 = K.cast(K.round(j * col), 'int32'), K.cast(K.round((j + 1) * col), 'int32')
                    outputs.append(K.max(x[:, x1:x2, y1:y2, :], axis=(1, 2)))
        return K.concatenate(outputs)


def preprocess(x):
    """zero-centre, as for ImageNet"""
    return x * 2. - K.constant(IMAGE_NET_MEAN)
