"""Which definitions in a source tree may be what a saved model names, the likeliest first."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconstruct.objects.source.acting import acts
from reconstruct.objects.source.definitions import Definition, Index, index
from reconstruct.objects.source.extract import Extraction, extract
from reconstruct.objects.source.tree import read

MAX_CHOICES = 12
_OF_LAYERS = frozenset(
    "name trainable dtype batch_input_shape batch_shape input_shape input_dtype input_dim input_length".split()
)


@dataclass(frozen=True)
class Wanted:
    """A name that a file needs code for: `kind` is "layer", "activation", "function" or "value".

    `configs` and `weights` are those of its uses, by which the right one of several definitions is told.
    """

    name: str
    kind: str
    configs: tuple[Mapping[str, Any], ...] = ()
    weights: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Candidate:
    """A definition that may be the one wanted; a lower `rank` is likelier."""

    name: str
    definition: Definition
    rank: tuple[int, ...]

    @property
    def place(self) -> str:
        return self.definition.place


@dataclass
class Source:
    """A folder of the user's, indexed once.

    >>> source = Source("their/project")                                      # doctest: +SKIP
    >>> [c.place for c in source.candidates(Wanted("Attention", "layer"))]    # doctest: +SKIP
    ['models/layers.py:12', 'notebooks/demo.ipynb (cell 4):1']
    """

    root: str | os.PathLike[str]
    version: tuple[int, int, int] | None = None  # of the Keras that the model was made with
    index: Index = field(init=False)

    def __post_init__(self) -> None:
        self.index = index(read(self.root))

    @property
    def unreadable(self) -> list[str]:
        return self.index.tree.unreadable

    def candidates(self, wanted: Wanted) -> list[Candidate]:
        """Every definition of the name that may be it, the likeliest first; the same text twice counts once."""
        found: list[Candidate] = []
        texts: set[str] = set()
        for definition in self.index.found.get(wanted.name, []):
            if not _may_be(definition, wanted) or acts(definition):
                continue
            text = ast.dump(definition.node)
            if text not in texts or definition.kind == "alias":
                texts.add(text)
                found.append(Candidate(wanted.name, definition, _rank(definition, wanted)))
        return sorted(found, key=lambda c: c.rank)

    def acting(self, wanted: Wanted) -> list[str]:
        """The definitions of the name that are not run, since they do more than define it, and what they do."""
        found = [d for d in self.index.found.get(wanted.name, []) if _may_be(d, wanted)]
        return [f"{d.place}: {reason}" for d in found if (reason := acts(d))]

    def choices(self, wanted: Sequence[Wanted]) -> Iterator[dict[str, Candidate]]:
        """One candidate for each name that has any, the likeliest together first: those of one file belong together."""
        options = [found for found in map(self.candidates, wanted) if found]
        every = list(itertools.islice(itertools.product(*options), 4096))

        def unlikely(choice: Sequence[Candidate]) -> tuple[int, ...]:
            files = len({c.definition.scope.file.path for c in choice})
            return (sum(c.rank[0] for c in choice), files, *(r for c in choice for r in c.rank))

        for choice in sorted(every, key=unlikely)[:MAX_CHOICES] if options else []:
            yield {c.name: c for c in choice}

    def extract(self, choice: Mapping[str, Candidate]) -> Extraction:
        """The text of a module with the chosen definitions and all that they need."""
        return extract(self.index, {name: c.definition for name, c in choice.items()}, self.version)


def _may_be(definition: Definition, wanted: Wanted) -> bool:
    if wanted.kind == "layer":
        return definition.kind == "class" or (
            definition.kind in ("alias", "value") and not isinstance(definition.node, ast.Lambda)
        )
    if wanted.kind in ("activation", "function"):
        return definition.kind != "value" or isinstance(getattr(definition.node, "value", None), ast.Call | ast.Name)
    return True


def _rank(definition: Definition, wanted: Wanted) -> tuple[int, ...]:
    """How badly a definition fits: arguments it does not take or is not given, weights it does not name, and whether
    it only stands for another or is inside of a function."""
    nested = int(definition.scope.parent is not None)
    node = definition.node
    if not isinstance(node, ast.ClassDef):
        return (0, 0, int(definition.kind in ("value", "alias")), nested, definition.line)
    taken, needed, anything = _arguments(node)
    misfits = 0
    for config in wanted.configs:
        fields = set(config) - _OF_LAYERS
        if taken is not None:
            unknown = fields - taken
            misfits += len(unknown) if not anything else 0
            misfits += len(needed - set(config))
    strings = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    unnamed = sum(not any(s and s in weight for s in strings) for weight in wanted.weights)
    layerlike = any(not isinstance(b, ast.Name) or b.id != "object" for b in node.bases)
    return (misfits + 10 * (not layerlike), unnamed, 0, nested, definition.line)


def _arguments(node: ast.ClassDef) -> tuple[set[str] | None, set[str], bool]:
    """The arguments of a class's own `__init__`, those it needs, and whether it takes any other."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            args = statement.args
            positional = [a.arg for a in [*args.posonlyargs, *args.args]][1:]
            keyword = [a.arg for a in args.kwonlyargs]
            needed = set(positional[: len(positional) - len(args.defaults)])
            needed |= {a for a, d in zip(keyword, args.kw_defaults, strict=True) if d is None}
            return {*positional, *keyword}, needed - {"name"}, args.kwarg is not None
    return None, set(), True
