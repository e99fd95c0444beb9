import keras
from keras import layers as KL, backend as K, models

from ..base import functional as F
from ._common_blocks import Conv2dBn, ResizeImage, swish
from . import _utils as utils


def get_submodules_from_kwargs(kwargs):
    backend = kwargs.get('backend', K)
    layers = kwargs.get('layers', KL)
    return backend, layers


def get_channel_gate(**kwargs):
    """A factory of classes, as for any framework."""
    backend, layers = get_submodules_from_kwargs(kwargs)

    class ChannelGate(layers.Layer):
        def __init__(self, reduction=2, **kw):
            super(ChannelGate, self).__init__(**kw)
            self.reduction = reduction

        def build(self, input_shape):
            channels = utils.channels_of(input_shape)
            self.squeeze = self.add_weight('squeeze', shape=(channels, channels // self.reduction), initializer='he_normal')
            self.excite = self.add_weight('excite', shape=(channels // self.reduction, channels), initializer='uniform')
            super(ChannelGate, self).build(input_shape)

        def call(self, x):
            w = backend.mean(x, axis=[1, 2])
            w = backend.relu(backend.dot(w, self.squeeze))
            w = backend.sigmoid(backend.dot(w, self.excite))
            w = backend.expand_dims(backend.expand_dims(w, 1), 1)
            return x * w + F.SMOOTH

        def get_config(self):
            return dict(super(ChannelGate, self).get_config(), reduction=self.reduction)

    return ChannelGate


ChannelGate = get_channel_gate(backend=keras.backend, layers=keras.layers)
