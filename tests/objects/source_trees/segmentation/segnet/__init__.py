import os
import functools
from .__version__ import __version__
from . import base
from .base.objects import KerasObject

_KERAS_FRAMEWORK_NAME = 'keras'
_TF_KERAS_FRAMEWORK_NAME = 'tf.keras'
_DEFAULT_KERAS_FRAMEWORK = _KERAS_FRAMEWORK_NAME
_KERAS_BACKEND = None
_KERAS_LAYERS = None
_KERAS_MODELS = None
_KERAS_UTILS = None


def inject_global_submodules(func):
    @functools.wraps(func)
    def wrapper(*args, **kwargs):
        kwargs['backend'] = _KERAS_BACKEND
        kwargs['layers'] = _KERAS_LAYERS
        return func(*args, **kwargs)
    return wrapper


def set_framework(name):
    global _KERAS_BACKEND, _KERAS_LAYERS
    import keras
    _KERAS_BACKEND = keras.backend
    _KERAS_LAYERS = keras.layers


set_framework(os.environ.get('SM_FRAMEWORK', _DEFAULT_KERAS_FRAMEWORK))

from .models import factory
