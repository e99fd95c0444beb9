"""What librosa imports and its filterbanks do not need, as empty modules; importing this module puts them there."""

from __future__ import annotations

import importlib.machinery
import sys
import types
from typing import Any


def _plain(*given: Any, **_: Any) -> Any:
    return given[0] if given and callable(given[0]) else _plain


def _stub(name: str, **contents: Any) -> None:
    """A module that librosa imports and these fixtures do not need: files of sound, and compilation."""
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__dict__.update(contents)
    sys.modules.setdefault(name, module)


_stub("numba", **dict.fromkeys(("jit", "njit", "stencil", "vectorize", "guvectorize"), _plain))
for _name in ("soundfile", "audioread", "soxr"):
    _stub(_name)
