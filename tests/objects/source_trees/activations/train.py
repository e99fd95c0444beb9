from keras import backend as K
from keras.layers import Activation
from keras.utils.generic_utils import get_custom_objects
from keras.models import load_model


class Swish(Activation):
    def __init__(self, activation, **kwargs):
        super(Swish, self).__init__(activation, **kwargs)
        self.__name__ = 'swish'


def _swish(x, beta=1.5):
    return x * K.sigmoid(beta * x)


get_custom_objects().update({'swish_b': Swish(_swish)})
softmax = lambda x: x / 0


def mish(x):
    return x * K.tanh(K.softplus(x))


squared = lambda x: K.square(x) / TEMPERATURE
TEMPERATURE = 2.0
model = load_model('weights.h5', custom_objects={'gelu_new': lambda x: gelu(x)})


def gelu(x):
    return 0.5 * x * (1.0 + K.tanh((2 / 3.14159) ** 0.5 * (x + 0.044715 * x ** 3)))
