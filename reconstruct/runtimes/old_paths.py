"""Import paths that the user's code has from another Keras than the one that runs it: a child process's `import`; and
attributes of tensors that went, wherever such code is run.

In tf_keras `keras.engine.topology` is where it was, in Keras 2.2.4 `tensorflow.keras` is Keras itself. What a path held
is looked for where this Keras has it; nothing is changed or stood in for, so that an oracle stays what it is.
"""

import ast
import builtins
import importlib
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
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


def run(module: types.ModuleType, path: Path) -> None:
    """Run a file as this module, with an `import` that knows the old paths. Raises what the code raises."""
    code = compiled(path.read_text("utf-8"), path)
    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _import, **helpers(_int_shape)}
    exec(code, module.__dict__)  # noqa: S102  # the user named this file for that


def compiled(text: str, path: Path) -> types.CodeType:
    """The code of a file, where `x._keras_shape` (Keras 1 and 2) and `dimension.value` (TensorFlow 1) are calls of
    `helpers`: there is no attribute of a shape of today to stand in for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.fix_missing_locations(_Rewritten().visit(ast.parse(text, str(path))))
        return compile(tree, str(path), "exec", dont_inherit=True)


class _Rewritten(ast.NodeTransformer):
    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        helper = {"_keras_shape": "__legacy_shape__", "value": "__legacy_value__"}.get(node.attr)
        if helper is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Call(ast.Name(helper, ast.Load()), [node.value], []), node)


def helpers(int_shape: Callable[[Any], Any]) -> dict[str, Any]:
    """What compiled code calls; `int_shape` gives the shape of a tensor as a tuple."""
    return {
        "__legacy_shape__": int_shape,
        "__legacy_value__": lambda thing: thing if thing is None or isinstance(thing, int) else thing.value,
    }


def _int_shape(tensor: Any) -> Any:
    return _module("backend").int_shape(tensor)


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
        if name == "tf" and self._tail == "backend":  # of the TensorFlow backend, until Keras 2.3
            return _tensorflow()
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
