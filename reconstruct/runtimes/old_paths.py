"""Import paths that the user's code has from another Keras than the one that runs it: a child process's `import`.

In tf_keras `keras.engine.topology` is where it was, in Keras 2.2.4 `tensorflow.keras` is Keras itself. What a path held
is looked for where this Keras has it; nothing is changed or stood in for, so that an oracle stays what it is.
"""

import builtins
import importlib
import sys
import types
from collections.abc import Sequence
from typing import Any

_ROOTS = (
    "tensorflow.python.keras",
    "tensorflow.contrib.keras",
    "tensorflow.keras",
    "tf_keras",
    "keras",
)
_HOMES = (
    "layers",
    "backend",
    "engine.topology",
    "engine.base_layer",
    "engine.input_spec",
    "engine",
    "src.engine.base_layer",
    "src.engine.input_spec",
    "src.layers.merging.base_merge",
    "src.layers.rnn.rnn_utils",
    "src.layers.rnn.base_rnn",
    "src.layers.convolutional.base_conv",
    "layers.merge",
    "layers.recurrent",
    "layers.convolutional",
    "src.utils.conv_utils",
    "src.utils.generic_utils",
    "src.utils.tf_utils",
    "src.saving.object_registration",
    "utils.conv_utils",
    "utils.generic_utils",
    "utils",
    "models",
    "activations",
    "initializers",
    "initializations",
    "regularizers",
    "constraints",
    "losses",
    "metrics",
    "legacy",
    "",
)


def answer(module: types.ModuleType) -> None:
    """Give a module, before it is run, an `import` that knows the old paths."""
    own = {**vars(builtins), "__import__": _import}
    module.__dict__["__builtins__"] = own


def _root() -> str:
    """The Keras of this process: the child of tf_keras has it as `keras` too (`originals._answer_to_keras`)."""
    keras = sys.modules.get("keras")
    return "tf_keras" if keras is None else str(keras.__name__).partition(".")[0]


def _import(
    name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = (), level: int = 0
) -> Any:
    if level == 0:
        tail = next((name[len(r) + 1 :] for r in _ROOTS if name == r or name.startswith(r + ".")), None)
        if tail is not None and not _is_keras_3():
            if fromlist:
                return _module(tail)
            return _tensorflow() if name.startswith("tensorflow") else _module("")
        if name == "tensorflow" or name.startswith("tensorflow."):
            from reconstruct.runtimes import old_tensorflow

            return old_tensorflow.resolve(_tensorflow(), name) if fromlist else _tensorflow()
        if name == "numpy":
            from reconstruct.runtimes import old_tensorflow

            return old_tensorflow.NUMPY
    return __import__(name, globals, locals, fromlist or (), level)


def _is_keras_3() -> bool:
    keras = sys.modules.get("keras")
    return _root() == "keras" and keras is not None and str(getattr(keras, "__version__", "")).startswith("3")


def _tensorflow() -> Any:
    from reconstruct.runtimes import old_tensorflow

    tf = importlib.import_module("tensorflow")
    return old_tensorflow.facade(tf, None if _is_keras_3() else _module(""))


class _Answer(types.ModuleType):
    """A module of this Keras where there is one of that path; else, and for names it lacks, wherever they are."""

    def __init__(self, tail: str) -> None:
        super().__init__(f"keras.{tail}" if tail else "keras")
        self.__dict__["__path__"] = []
        self.__dict__["_tail"] = tail
        self.__dict__["_own"] = _find(tail)

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [n for n in dir(self._own) if not n.startswith("_")] if self._own is not None else []
        if name.startswith("__") and not hasattr(self._own, name):
            raise AttributeError(name)
        found = getattr(self._own, name, None)
        if found is not None and not isinstance(found, types.ModuleType):
            return found
        tail = f"{self._tail}.{name}" if self._tail else name
        if found is not None or _find(tail) is not None:
            return _module(tail)
        for home in _HOMES:
            module = _find(home)
            if hasattr(module, name) and not isinstance(getattr(module, name), types.ModuleType):
                return getattr(module, name)
        if not self._tail and name in ("engine", "legacy", "utils"):
            return _module(name)
        raise AttributeError(f"{_root()} has no {self.__name__}.{name}")


_ANSWERS: dict[str, _Answer] = {}


def _module(tail: str) -> _Answer:
    if tail not in _ANSWERS:
        _ANSWERS[tail] = _Answer(tail)
    return _ANSWERS[tail]


def _find(tail: str) -> Any:
    root = _root()
    for path in (f"{root}.{tail}" if tail else root, f"{root}.src.{tail}"):
        try:
            return importlib.import_module(path)
        except ImportError:
            continue
    return None
