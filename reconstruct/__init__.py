"""Turn any saved Keras model into a working Keras 3 model, and prove that it computes what the original computed."""

from __future__ import annotations

from reconstruct.differences import diff
from reconstruct.errors import ReconstructError
from reconstruct.goldens import check, record, verify
from reconstruct.limits import Limits
from reconstruct.migrate import migrate
from reconstruct.objects.custom import register
from reconstruct.objects.own_names import load as custom_objects
from reconstruct.readers import read as inspect
from reconstruct.recover import recover
from reconstruct.recovery import Recovery
from reconstruct.salvage import salvage
from reconstruct.scanning import scan

__all__ = [
    "Limits",
    "ReconstructError",
    "Recovery",
    "check",
    "custom_objects",
    "diff",
    "inspect",
    "migrate",
    "record",
    "recover",
    "register",
    "register_keras_objects",
    "salvage",
    "scan",
    "verify",
]


def register_keras_objects() -> None:
    """Make plain Keras load files whose report says `"portable": false` for layers of this package."""
    import reconstruct.layers  # importing it registers them  # noqa: F401
