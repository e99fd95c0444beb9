from keras.layers import Layer, Conv2D, BatchNormalization
import keras.backend as K
import tensorflow as tf
from keras.utils.generic_utils import get_custom_objects


def swish(x):
    """Swish activation function: x * sigmoid(x)."""
    if K.backend() == 'tensorflow':
        try:
            return K.tf.nn.swish(x)
        except AttributeError:
            pass
    return x * K.sigmoid(x)


class ResizeImage(Layer):
    def __init__(self, factor=2, interpolation='nearest', **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.interpolation = interpolation

    def call(self, x):
        shape = K.int_shape(x)
        h, w = shape[1] * self.factor, shape[2] * self.factor
        method = {'nearest': tf.image.ResizeMethod.NEAREST_NEIGHBOR, 'bilinear': tf.image.ResizeMethod.BILINEAR}[self.interpolation]
        return tf.compat.v1.image.resize_images(x, (h, w), method=method)

    def compute_output_shape(self, s):
        return (s[0], s[1] * self.factor, s[2] * self.factor, s[3])

    def get_config(self):
        config = super().get_config()
        config.update(factor=self.factor, interpolation=self.interpolation)
        return config


def Conv2dBn(filters, kernel_size, **kwargs):
    def wrapper(x):
        return BatchNormalization()(Conv2D(filters, kernel_size, **kwargs)(x))
    return wrapper


get_custom_objects().update({'swish': swish, 'ResizeImage': ResizeImage})
