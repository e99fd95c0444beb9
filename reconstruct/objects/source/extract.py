"""The text of a module that holds chosen definitions and what they need, and nothing else of where they come from."""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from reconstruct.objects.source.acting import acts
from reconstruct.objects.source.definitions import (
    Definition,
    Index,
    Scope,
    attributes_of,
    free_names,
    renamed,
    text_of,
)

FRAMEWORKS = frozenset("keras tensorflow tf_keras numpy np".split())
_USUAL = {
    "K": "from keras import backend as K",
    "np": "import numpy as np",
    "numpy": "import numpy",
    "tf": "import tensorflow as tf",
    "keras": "import keras",
    "layers": "from keras import layers",
    "math": "import math",
}
_PYTHON_2 = {
    "xrange": "xrange = range",
    "unicode": "unicode = str",
    "basestring": "basestring = str",
    "long": "long = int",
    "unichr": "unichr = chr",
    "reduce": "from functools import reduce",
}
MARK = "# from "
EXPORTS = "__reconstruct_exports__"  # the names that a module is there for; its helpers are its own

WRITTEN_FOR = "__reconstruct_written_for__"  # the version of Keras whose meaning the code has


@dataclass(frozen=True)
class Piece:
    """A definition that was taken, by its name in the module, and where it stands in the user's source."""

    name: str
    place: str
    kind: str


@dataclass
class Extraction:
    """`text` is a Python module; `missing` are names it uses that could not be had, with the reason."""

    text: str
    pieces: list[Piece] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


def extract(index: Index, chosen: Mapping[str, Definition], version: tuple[int, int, int] | None = None) -> Extraction:
    """The module for one choice of definitions: `chosen` has them by the name that the saved model calls them by.
    `version` is that of the Keras that the model was made with."""
    work = _Extractor(index)
    for name, definition in chosen.items():
        final = work.take(definition, wanted=name)
        if final != name:
            work.out.append(f"{name} = {final}")
        if getattr(definition.node, "value", definition.node).__class__ is ast.Lambda:
            work.out.append(f"{name}.__name__ = {name!r}")  # files name it by that
    work.out.append(f"{EXPORTS} = {tuple(chosen)!r}")
    if version is not None:
        work.out.append(f"{WRITTEN_FOR} = {version!r}")
    return Extraction("\n\n".join(work.out) + "\n", work.pieces, work.missing)


class _Extractor:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.out: list[str] = ["import types as _types"]
        self.pieces: list[Piece] = []
        self.missing: dict[str, str] = {}
        self._done: dict[object, str] = {}
        self._taken: dict[str, object] = {"_types": None}

    def take(self, definition: Definition, wanted: str | None = None) -> str:
        """Write the definition and what it needs; the name that it has in the module."""
        if definition.kind == "import":
            return self._import(definition, None)
        key = (id(definition.node), definition.name)
        if key in self._done:
            return self._done[key]
        text, kept = text_of(definition)
        name = self._free_name(definition.name, text)
        names = _bound(text) if kept else [definition.name]
        for other in names:
            self._done[(id(definition.node), other)] = name if other == definition.name else other
        self._done[key] = name
        renames = {definition.name: name} if name != definition.name else {}
        for needed in free_names(text):
            if needed == definition.name and definition.kind != "alias":
                continue
            final = self.resolve(needed, definition.scope, definition, text)
            if final is not None and final != needed:
                renames[needed] = final
        if definition.kind == "alias":
            text = f"{name} = {renamed(ast.unparse(definition.node), renames)}"
        elif renames:
            text = renamed(text, renames)
        if name != definition.name and definition.kind in ("class", "function") and "lambda" not in text[:200]:
            text += f"\n{name}.__name__ = {definition.name!r}"
        note = "" if kept else " (rewritten)"
        self.out.append(f"{MARK}{definition.place}{note}\n{text}")
        self.pieces.append(Piece(name, definition.place, definition.kind))
        return name

    def _free_name(self, name: str, text: str) -> str:
        final, n = name, 2
        while final in self._taken and self._taken[final] != text:
            final, n = f"{name}__{n}", n + 1
        self._taken[final] = text
        return final

    def resolve(self, name: str, scope: Scope, user: Definition, text: str) -> str | None:
        """The name in the module of what `name` means in a scope; None where it is a builtin or cannot be had."""
        at: Scope | None = scope
        why = ""
        while at is not None:
            options = at.names.get(name, [])
            before = [d for d in options if d.line < user.line]
            for definition in [*reversed(before), *(d for d in options if d not in before)]:
                if definition.node is user.node and definition.kind != "alias":
                    continue
                reason = acts(definition)
                if reason:
                    why = f"{definition.place} does more than define it: {reason}"
                    continue
                if definition.kind == "import":
                    return self._import(definition, text)
                return self.take(definition)
            if at.function is not None:
                default = _default(at.function, name)
                if default is not None:
                    return self._written(name, f"{name} = {ast.unparse(default)}", at.file.place(at.function.lineno))
                if name in _parameters(at.function):
                    why = f"it is a parameter of {at.function.name} ({at.file.place(at.function.lineno)})"
                    break
            at = at.parent
        module = self.index.modules[scope.file.path]
        for star in module.stars:
            found = self._from_star(name, star)
            if found is not None:
                return found
        if hasattr(builtins, name):
            return None
        for table in (_PYTHON_2, _USUAL):
            if name in table and not why:
                return self._written(name, table[name], "")
        if self._framework_stars(module):
            return None
        elsewhere = [d for d in self.index.found.get(name, []) if d.kind in ("class", "function")]
        if elsewhere and not why:
            return self.take(elsewhere[0])
        self.missing.setdefault(name, why or f"nothing defines it ({user.place} uses it)")
        return None

    def _written(self, name: str, line: str, place: str) -> str:
        if self._taken.get(name) != line:
            self._taken[name] = line
            self.out.append(f"{MARK}{place} (rewritten)\n{line}" if place else line)
        return name

    # Imports

    def _import(self, definition: Definition, text: str | None) -> str:
        assert definition.imported is not None
        module, what, level = definition.imported
        name = definition.name
        file = definition.scope.file.path
        if level == 0 and module.partition(".")[0] in FRAMEWORKS:
            return self._plain_import(definition)
        if what:
            submodule = self._module([*module.split("."), what] if module else [what], level, file)
            home = self._module(module.split(".") if module else [], level, file)
            if home is not None:
                found = self._in_module(what, home)
                if found is not None:
                    return found
            if submodule is not None:
                return self._namespace(name, submodule, attributes_of(text, name) if text else set())
            if home is not None:
                self.missing.setdefault(name, f"{home.file.path} does not define {what} ({definition.place})")
                return name
        else:
            first = module if what is None else module.partition(".")[0]
            home = self._module(first.split("."), level, file)
            if home is not None or (what == "" and self._module(module.split("."), level, file) is not None):
                chains = attributes_of(text, name) if text else set()
                return self._namespace(name, home or first, chains)
        return self._plain_import(definition)

    def _plain_import(self, definition: Definition) -> str:
        assert definition.imported is not None
        module, what, level = definition.imported
        name = definition.name
        if level:
            self.missing.setdefault(name, f"{definition.place} imports it from a module that is not there")
            return name
        if isinstance(definition.node, ast.Import | ast.ImportFrom):
            if what:
                line = f"from {module} import {what}" + ("" if what == name else f" as {name}")
            else:
                line = f"import {module}" + ("" if what == "" or module == name else f" as {name}")
        else:  # try: … except ImportError: … as one
            line, _ = text_of(definition)
        top = module.partition(".")[0]
        if top not in FRAMEWORKS and top not in sys.stdlib_module_names and "\n" not in line:
            line = f"try:\n    {line}\nexcept ImportError:\n    {name} = None  # {top} is not installed"
        before = self._taken.get(name)
        if before is None:
            self._taken[name] = line
            self.out.append(f"{MARK}{definition.place} (rewritten)\n{line}")
        elif before != line and not _same_import(str(before), line):
            new = f"{name}__2"
            if isinstance(definition.node, ast.ImportFrom | ast.Import) and "\n" not in line:
                return self._written(new, f"{line.split(' as ')[0]} as {new}", definition.place)
        return name

    def _from_star(self, name: str, star: Definition, depth: int = 0) -> str | None:
        assert star.imported is not None
        module, _, level = star.imported
        if level == 0 and module.partition(".")[0] in FRAMEWORKS:
            return None
        home = self._module(module.split(".") if module else [], level, star.scope.file.path)
        if home is None or depth > 8:
            return None
        return self._in_module(name, home, depth + 1)

    def _in_module(self, name: str, home: Scope, depth: int = 0) -> str | None:
        """A name as another module of the tree defines or imports it."""
        for definition in reversed(home.names.get(name, [])):
            if not acts(definition):
                return self._import(definition, None) if definition.kind == "import" else self.take(definition)
        if depth > 8:
            return None
        for star in home.stars:
            found = self._from_star(name, star, depth + 1)
            if found is not None:
                return found
        return None

    def _framework_stars(self, module: Scope) -> bool:
        """Write the star imports of frameworks that a module has: any name may be theirs."""
        found = False
        for star in module.stars:
            assert star.imported is not None
            path, _, level = star.imported
            if level == 0 and path.partition(".")[0] in FRAMEWORKS:
                self._written(f"{path}.*", f"from {path} import *", star.place)
                found = True
        return found

    def _namespace(self, name: str, home: Scope | str, chains: set[tuple[str, ...]]) -> str:
        """A module of the tree as an object that has the attributes which are used of it."""
        self._written(name, f"{name} = _types.SimpleNamespace()", "")
        for chain in sorted(chains):
            at, path, place = home, name, 0
            while place < len(chain):
                parts = [at, *chain[: place + 1]] if isinstance(at, str) else None
                deeper = self._module(parts, 0, "") if parts else self._below(at, chain[place])
                if deeper is None:
                    break
                at, path, place = deeper, f"{path}.{chain[place]}", place + 1
                self._written(path, f"{path} = _types.SimpleNamespace()", "")
            if place == len(chain) or isinstance(at, str):
                continue
            found = self._in_module(chain[place], at)
            if found is None:
                self.missing.setdefault(f"{path}.{chain[place]}", f"{at.file.path} does not define it")
            else:
                self._written(f"{path}.{chain[place]}", f"{path}.{chain[place]} = {found}", "")
        return name

    def _below(self, home: Scope | str, name: str) -> Scope | None:
        assert isinstance(home, Scope)
        folder = PurePosixPath(home.file.path)
        if folder.name != "__init__.py" or name in home.names:
            return None
        return self._at(folder.parent / name)

    def _at(self, path: PurePosixPath) -> Scope | None:
        for option in (path.with_name(path.name + ".py") if path.name else None, path / "__init__.py"):
            if option is not None and str(option) in self.index.modules:
                return self.index.modules[str(option)]
        return None

    def _module(self, parts: list[str], level: int, file: str) -> Scope | None:
        """The module of the tree that an import means, seen from a file."""
        here = PurePosixPath(file).parent
        if level:
            for _ in range(level - 1):
                here = here.parent
            return self._at(here.joinpath(*parts))
        if not parts:
            return None
        for folder in (here, *here.parents):
            found = self._at(folder.joinpath(*parts))
            if found is not None:
                return found
        ends = ("/" + "/".join(parts) + ".py", "/" + "/".join(parts) + "/__init__.py")
        for path, scope in sorted(self.index.modules.items(), key=lambda item: len(item[0])):
            if ("/" + path).endswith(ends):
                return scope
        # the folder itself is the package
        if parts[0] == self.index.tree.root.resolve().name and len(parts) > 1:
            return self._at(PurePosixPath(*parts[1:]))
        return None


def _bound(text: str) -> list[str]:
    """The names that a piece binds at its top."""
    names: list[str] = []
    for node in ast.parse(text).body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                names.append(inner.id)
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            return [node.name]
    return names


def _same_import(one: str, other: str) -> bool:
    """Whether two imports bind the same name to what is the same in every Keras: `Layer` of any module of it."""
    last = [re.split(r"[ .]", line.strip())[-1] for line in (one, other)]
    tops = [re.split(r"[ .]", line.strip())[1] for line in (one, other) if line.startswith(("from", "import"))]
    return last[0] == last[1] and len(tops) == 2 and all(t in FRAMEWORKS for t in tops)


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, (args.vararg, args.kwarg))]
    return [a.arg for a in every]


def _default(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> ast.expr | None:
    """The default of a parameter of the function, where it has one."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    found = dict(zip((a.arg for a in positional[::-1]), args.defaults[::-1], strict=False))
    found.update({a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True) if d is not None})
    return found.get(name)


def origin(text: str, line: int) -> str:
    """Where a line of an extracted module stands in the user's source; empty where it is nobody's."""
    lines = text.split("\n")
    for number in range(min(line, len(lines)), 0, -1):
        marked = lines[number - 1]
        if not marked.startswith(MARK):
            continue
        place = marked.removeprefix(MARK)
        if place.endswith(" (rewritten)"):
            return place.removesuffix(" (rewritten)")
        file, _, first = place.rpartition(":")
        return f"{file}:{int(first) + line - number - 1}"
    return ""
