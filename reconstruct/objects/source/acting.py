"""Whether running a definition would do more than define: read, write, download, train, or call code of the tree.

Only what is on the lists below, classes of the tree, and functions of it that themselves do no more, may be called
while a definition is run. The body of any other function is not looked at, since it runs only when the model calls it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator

from reconstruct.objects.source.definitions import Definition, Scope

# Modules whose functions compute values, unless their names say that they do something
_COMPUTING = frozenset(
    "keras tensorflow tf_keras numpy math functools itertools collections operator string typing dataclasses enum abc "
    "types copy six".split()
)
_USUAL = frozenset("np numpy tf tensorflow K keras math layers".split())  # where a notebook does not show the import
_BUILTINS = frozenset(
    "abs bool complex dict enumerate filter float frozenset int isinstance len list map max min object pow property "
    "range reversed round set slice sorted staticmethod classmethod str sum super tuple type zip".split()
)
_EXCEPTIONS = frozenset(n for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, Exception))
_OWN_CODE = "it is code of its own"
_DEPTH = 4  # of functions of the tree that call each other as a definition is run
_ACTING = re.compile(
    r"(^|\.|_)(open|load\w*|read\w*|fit\w*|train\w*|compile|predict\w*|evaluate|download\w*|get_file|save\w*|write\w*|"
    r"parse_args|system|popen|run|exec|eval|input|raw_input|main|exit|urlopen|urlretrieve|fromfile|tofile|genfromtxt|"
    r"imread|from_file|memmap|check_output|getoutput|Popen|session|Session|connect|remove|unlink|mkdir|makedirs|print|"
    r"py_function|numpy_function|py_func|dump\w*|f2py|ctypeslib|distutils|gfile|io|applications|datasets)(\.|$)"
)


def acts(definition: Definition) -> str:
    """What running the definition does beyond defining it, in words; empty for nothing."""
    if definition.kind in ("import", "star"):
        return ""
    return _does(_run_at_once(definition.node), definition.scope, frozenset(), 0)


def _does(nodes: Iterable[ast.AST], scope: Scope, own: frozenset[str], depth: int) -> str:
    """What these nodes do; `own` are names of a function that is called, whose values came from its caller."""
    for node in nodes:
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr | ast.Global | ast.Nonlocal):
            return "it is no plain value"
        if isinstance(node, ast.Call):
            reason = _call(node.func, scope, own, depth)
            if reason:
                return reason
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                reason = "" if isinstance(decorator, ast.Call) else _call(decorator, scope, own, depth)
                if reason:
                    return reason
    return ""


def _body_of(definition: Definition, depth: int) -> str:
    """What a function of the tree does when it is called."""
    node = definition.node
    if depth >= _DEPTH or not isinstance(node, ast.FunctionDef):
        return _OWN_CODE
    args = node.args
    names = {a.arg for a in [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]}
    names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    inside = (inner for statement in node.body for inner in _run_at_once(statement))
    return _does(inside, definition.scope, frozenset(names), depth + 1)


def _run_at_once(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are run when the statement is: all but the bodies of functions."""
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.Lambda):
        inside = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    else:
        inside = list(ast.iter_child_nodes(node))
    for part in inside:
        yield from _run_at_once(part)


def _call(function: ast.expr, scope: Scope, own: frozenset[str], depth: int) -> str:
    text = ast.unparse(function)
    if _ACTING.search(text):
        return f"it calls {text}"
    root = function
    while isinstance(root, ast.Attribute | ast.Subscript | ast.Call):
        root = root.func if isinstance(root, ast.Call) else root.value
    if isinstance(root, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Set | ast.JoinedStr):
        return ""  # a method of a value that stands there
    if not isinstance(root, ast.Name):
        return f"it calls {text}"
    if root.id in own and isinstance(function, ast.Attribute):
        return ""
    at: Scope | None = scope
    while at is not None:
        for definition in at.names.get(root.id, ()):
            if definition.kind == "class" and isinstance(function, ast.Name):
                return ""  # an instance of it, as in `Activation(swish)` of the author's own
            if definition.kind != "import":
                if isinstance(function, ast.Attribute) and definition.kind == "function":
                    continue  # `@size.setter`: a property of the class itself
                reason = _body_of(definition, depth) if isinstance(function, ast.Name) else _OWN_CODE
                return f"it calls {text}: {reason}" if reason else ""
            module = (definition.imported or ("", None, 0))[0]
            if module.partition(".")[0] not in _COMPUTING or (definition.imported or ("", None, 0))[2]:
                return f"it calls {text}"
            return ""
        at = at.parent
    return "" if root.id in _BUILTINS | _USUAL | _EXCEPTIONS else f"it calls {text}"
