from abc import abstractmethod


class KerasObject:
    _backend = None
    _models = None
    _layers = None

    def __init__(self, name=None):
        self._name = name

    @classmethod
    def set_submodules(cls, backend=None, layers=None):
        cls._backend = backend
        cls._layers = layers
