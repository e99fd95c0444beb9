"""Where a folder of Python defines which name, and the names that files have for what is defined there."""

from __future__ import annotations

import ast
import symtable
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reconstruct.objects.source.tree import File, Tree

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BRANCHES = (ast.If, ast.Try, ast.With, ast.For, ast.While)
_PLAIN = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.Pass, ast.Raise, ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True, eq=False)
class Definition:
    """A statement that gives `name` its meaning. `alias` is what stands for it where that is an expression only."""

    name: str
    kind: str  # "class", "function", "value", "import", "star" or "alias"
    node: ast.AST
    scope: Scope
    line: int
    imported: tuple[str, str | None, int] | None = None  # module, name in it, level of a relative import

    @property
    def place(self) -> str:
        return self.scope.file.place(self.line)


@dataclass(eq=False)
class Scope:
    """The names of a module, or of a function in it."""

    file: File
    parent: Scope | None = None
    function: Function | None = None
    names: dict[str, list[Definition]] = field(default_factory=dict)
    stars: list[Definition] = field(default_factory=list)

    def add(self, definition: Definition) -> None:
        self.names.setdefault(definition.name, []).append(definition)


@dataclass
class Index:
    """All definitions of a tree. `found` has them by the name that a saved model may call them by; `registered` are
    the names that the tree gives to Keras, in a mapping of custom objects or by a decorator."""

    tree: Tree
    modules: dict[str, Scope] = field(default_factory=dict)
    found: dict[str, list[Definition]] = field(default_factory=dict)
    registered: set[str] = field(default_factory=set)


def index(tree: Tree) -> Index:
    """The definitions of all files of the tree."""
    made = Index(tree)
    for path, file in tree.files.items():
        scope = made.modules[path] = Scope(file)
        _visit(file.tree.body, scope, made, None)
        for call_scope, call in _calls(file.tree.body, scope):
            _aliases(call, call_scope, made)
    return made


def _visit(body: Sequence[ast.stmt], scope: Scope, made: Index, whole: ast.stmt | None) -> None:
    """Note what the statements define. `whole` is the `try` or `if` that has to be taken as one."""
    for statement in body:
        node = whole or statement
        if isinstance(statement, ast.ClassDef):
            _note(Definition(statement.name, "class", node, scope, _line(statement)), made)
            _registered(statement, scope, made)
            inner = Scope(scope.file, scope)
            _visit([s for s in statement.body if isinstance(s, ast.ClassDef)], inner, made, None)
        elif isinstance(statement, Function):
            _note(Definition(statement.name, "function", node, scope, _line(statement)), made)
            _registered(statement, scope, made)
            _visit(statement.body, Scope(scope.file, scope, statement), made, None)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            kind = "function" if isinstance(statement.value, ast.Lambda) else "value"
            for name in (n for target in targets for n in _names(target)):
                _note(Definition(name, kind, node, scope, statement.lineno), made)
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            for definition in _imports(statement, node, scope):
                if definition.kind == "star":
                    scope.stars.append(definition)
                else:
                    scope.add(definition)
        elif isinstance(statement, _BRANCHES):
            parts = [p for p in _parts(statement) if p]
            together = isinstance(statement, ast.Try | ast.If) and len(parts) > 1
            plain = together and all(isinstance(s, _PLAIN) for part in parts for s in part)
            for part in parts:
                _visit(part, scope, made, (whole or statement) if plain else whole)


def _parts(statement: ast.stmt) -> list[list[ast.stmt]]:
    parts = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    return parts + [handler.body for handler in getattr(statement, "handlers", [])]


def _note(definition: Definition, made: Index) -> None:
    definition.scope.add(definition)
    made.found.setdefault(definition.name, []).append(definition)


def _line(node: ast.stmt) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _names(element)


def _imports(statement: ast.Import | ast.ImportFrom, node: ast.stmt, scope: Scope) -> Iterator[Definition]:
    line = statement.lineno
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            name = alias.asname or alias.name.partition(".")[0]
            # `import a.b` binds `a`, and `import a.b as c` the module a.b
            what = (alias.name, None, 0) if alias.asname or "." not in alias.name else (alias.name, "", 0)
            yield Definition(name, "import", node, scope, line, what)
        elif statement.module != "__future__":
            kind = "star" if alias.name == "*" else "import"
            imported = (statement.module or "", alias.name, statement.level)
            yield Definition(alias.asname or alias.name, kind, node, scope, line, imported)


# The names that files call things by, where the source gives them in a mapping or a decorator

_MAPPING_CALLS = ("update", "CustomObjectScope", "custom_object_scope")
_REGISTERING = ("register_keras_serializable", "register_serializable")


def _calls(body: Sequence[ast.stmt], scope: Scope) -> Iterator[tuple[Scope, ast.AST]]:
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call | ast.Assign):
                yield scope, node


def _aliases(node: ast.AST, scope: Scope, made: Index) -> None:
    """`custom_objects={'swish': my_swish}` and its kin: each name with an expression of its own."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
        pairs = _pairs(node.value) if any("custom" in n.lower() for t in node.targets for n in _names(t)) else []
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
        if "custom_objects" in ast.unparse(target.value).lower():
            pairs = [(target.slice, node.value)]
    elif isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        given = [k.value for k in node.keywords if k.arg == "custom_objects"]
        if called in _MAPPING_CALLS:
            given += node.args[:1]
        for value in given:
            pairs += _pairs(value)
    for key, value in pairs:
        if isinstance(key, ast.Constant) and isinstance(key.value, str) and not isinstance(value, ast.Constant):
            name = key.value
            made.registered.add(name)
            if name.isidentifier() and not (isinstance(value, ast.Name) and value.id == name):
                made.found.setdefault(name, []).append(Definition(name, "alias", value, scope, value.lineno))


def _pairs(value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(value, ast.Dict):
        return [(k, v) for k, v in zip(value.keys, value.values, strict=True) if k is not None]
    if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "dict":
        return [(ast.Constant(k.arg), k.value) for k in value.keywords if k.arg]
    return []


def _registered(node: ast.ClassDef | Function, scope: Scope, made: Index) -> None:
    """`@register_keras_serializable(package, name)`: the name that files have where it is not the class's own."""
    for decorator in node.decorator_list:
        if not isinstance(decorator, ast.Call) or not ast.unparse(decorator.func).endswith(_REGISTERING):
            continue
        made.registered.add(node.name)
        given = [k.value for k in decorator.keywords if k.arg == "name"] + decorator.args[1:2]
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value != node.name:
                name = ast.copy_location(ast.Name(node.name, ast.Load()), node)
                made.found.setdefault(value.value, []).append(
                    Definition(value.value, "alias", name, scope, _line(node))
                )


# What a statement needs


def text_of(definition: Definition) -> tuple[str, bool]:
    """The text of a definition at the margin, and whether its lines are those of the file."""
    node, file = definition.node, definition.scope.file
    if definition.kind == "alias":
        return f"{definition.name} = {ast.unparse(node)}", False
    assert isinstance(node, ast.stmt)
    start, end = _line(node), node.end_lineno or node.lineno
    text = textwrap.dedent("\n".join(file.lines[start - 1 : end]))
    try:
        parsed = _quietly(text).body
        if len(parsed) == 1 and type(parsed[0]) is type(node):
            return text, True
    except (SyntaxError, ValueError):
        pass  # it shares its lines with another, or a string in it is indented less
    return ast.unparse(node), False


def _quietly(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def free_names(text: str) -> list[str]:
    """The names that a piece of Python takes from around it, in the order of the alphabet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        top = symtable.symtable(text, "<source>", "exec")
    own = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    needed: set[str] = set()

    def collect(table: symtable.SymbolTable) -> None:
        for symbol in table.get_symbols():
            outside = table.get_type() == "module" or symbol.is_global()
            if outside and symbol.is_referenced() and not symbol.get_name().startswith("__"):
                needed.add(symbol.get_name())
        for child in table.get_children():
            collect(child)

    collect(top)
    return sorted(needed - own)


def attributes_of(text: str, name: str) -> set[tuple[str, ...]]:
    """The chains of attributes by which a piece uses `name`: `a.b.c` is ("b", "c")."""
    chains: set[tuple[str, ...]] = set()
    for node in ast.walk(_quietly(text)):
        chain: list[str] = []
        while isinstance(node, ast.Attribute):
            chain.insert(0, node.attr)
            node = node.value
        if chain and isinstance(node, ast.Name) and node.id == name:
            chains.add(tuple(chain))
    return {c for c in chains if not any(len(o) > len(c) and o[: len(c)] == c for o in chains)}


def renamed(text: str, names: dict[str, str]) -> str:
    """The piece with names replaced, wherever they are names and not attributes or keywords."""
    lines = text.split("\n")
    edits: set[tuple[int, int, str, str]] = set()
    for node in ast.walk(_quietly(text)):
        if isinstance(node, ast.Name) and node.id in names:
            edits.add((node.lineno, node.col_offset, node.id, names[node.id]))
        elif isinstance(node, ast.ClassDef | Function) and node.name in names:
            line = lines[node.lineno - 1]
            at = line.index(node.name, node.col_offset + len("class") - 2)
            edits.add((node.lineno, len(line[:at].encode()), node.name, names[node.name]))
    for number, column, old, new in sorted(edits, reverse=True):
        data = lines[number - 1].encode()
        if data[column : column + len(old.encode())] == old.encode():
            lines[number - 1] = (data[:column] + new.encode() + data[column + len(old.encode()) :]).decode()
    return "\n".join(lines)
