"""Code written for Keras 1 and 2, run on Keras 3.

`execute` runs a Python file of the user's in a module whose imports of Keras and TensorFlow, by any path that these
ever had, answer as they did then: what was removed or changed stands in for itself, all else is today's.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import types
import warnings
from pathlib import Path
from typing import Any

from reconstruct.artifact import Writer
from reconstruct.objects.source import places

_OF_KERAS_3 = re.compile(
    r"keras\.(?:ops|random|saving|tree|distribution)\b"
    r"|from\s+keras\s+import\s+[^\n]*\b(?:ops|random|saving|tree)\b"
    r"|from\s+keras\.(?:ops|random|saving)\b"
)
_OLD = re.compile(r"\b(?:keras|tf_keras|tensorflow)\b")


WRITER: list[tuple[int, int, int]] = [(2, 15, 0)]  # the version of Keras whose meaning code has where it changed


def written_by(writer: Writer) -> None:
    """Say which Keras wrote the model that the code belongs to: some functions and defaults changed their meaning.

    `tf.keras` of TensorFlow 2.0 calls itself 2.2.4-tf and had those of later releases already.
    """
    WRITER[0] = max(writer.version, (2, 4, 0)) if writer.is_tf_keras else writer.version


def wanted_for(text: str) -> bool:
    """Whether a file is code for an earlier Keras, or may be: it uses Keras, and nothing that only Keras 3 has."""
    return bool(_OLD.search(text)) and not _OF_KERAS_3.search(text)


def execute(path: Path, name: str, text: str | None = None) -> types.ModuleType:
    """Run a file as the module `name`, which stays in `sys.modules`. Raises what the code raises."""
    from reconstruct.runtimes.legacy_code import layer, modules

    text = path.read_text("utf-8") if text is None else text
    places.remember(str(path), text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.fix_missing_locations(_Rewritten().visit(ast.parse(text, str(path))))
        code = compile(tree, str(path), "exec", dont_inherit=True)
    module = types.ModuleType(name)
    module.__file__ = str(path)
    importer = modules.Importer(path.parent)
    module.__dict__["__builtins__"] = {
        **vars(builtins),
        **_PYTHON_2,
        "print": _print,
        "__import__": importer,
        "__build_class__": layer.build_class,
        "__legacy_shape__": _shape,
        "__legacy_value__": _value,
    }
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)  # noqa: S102  # the user named this file for that
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _print(*values: Any, file: Any = None, **options: Any) -> None:
    """Standard output is for results."""
    print(*values, file=file or sys.stderr, **options)


_PYTHON_2 = {"xrange": range, "unicode": str, "basestring": str, "long": int, "unichr": chr}


class _Rewritten(ast.NodeTransformer):
    """`x._keras_shape` (Keras 1 and 2) and `dimension.value` (TensorFlow 1) have no attribute to stand in for them."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        helper = {"_keras_shape": "__legacy_shape__", "value": "__legacy_value__"}.get(node.attr)
        if helper is None or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Call(ast.Name(helper, ast.Load()), [node.value], []), node)


def _shape(tensor: Any) -> Any:
    from reconstruct.runtimes.legacy_code import backend

    return backend.int_shape(tensor)


def _value(thing: Any) -> Any:
    return thing if thing is None or isinstance(thing, int) else thing.value
