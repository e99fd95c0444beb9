from . import factory
