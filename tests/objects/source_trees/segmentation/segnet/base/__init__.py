from .objects import KerasObject
