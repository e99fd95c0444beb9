"""The Python of a folder: `.py` files and the code cells of notebooks, parsed and never run.

What a notebook adds to Python (IPython's `%magic`, `!shell`, `%%cell`) is blanked out, and Python 2 is rewritten where
it is only spelled differently. Lines keep their numbers, so that each can be named as it stands in the user's file.
"""

from __future__ import annotations

import ast
import json
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_FILES = 5_000
MAX_BYTES = 4 << 20
MAX_TOTAL_BYTES = 200 << 20
SKIPPED = frozenset(
    "site-packages dist-packages node_modules __pycache__ venv env virtualenv build dist eggs wheels".split()
)


@dataclass(frozen=True)
class File:
    """One source file: its path below the folder, its text line by line (as parsed), and its syntax tree.

    `places` says where each line stands for its user: `layers.py:12`, or `demo.ipynb (cell 3):2`.
    """

    path: str
    lines: tuple[str, ...]
    tree: ast.Module
    places: tuple[str, ...]

    def place(self, line: int) -> str:
        return self.places[line - 1] if 0 < line <= len(self.places) else self.path


@dataclass
class Tree:
    """The files of a folder that could be parsed; `unreadable` names the others, with the reason."""

    root: Path
    files: dict[str, File] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


def read(root: str | os.PathLike[str]) -> Tree:
    """All Python of the folder `root`, or of the one file `root`.

    Follows no link, and skips environments, caches and hidden folders.
    """
    tree = Tree(Path(root))
    total = 0
    for path in paths(tree.root):
        relative = path.name if tree.root.is_file() else path.relative_to(tree.root).as_posix()
        try:
            size = path.stat().st_size
            if size > MAX_BYTES:
                tree.unreadable.append(f"{relative}: larger than {MAX_BYTES >> 20} MB")
                continue
            total += size
            if len(tree.files) >= MAX_FILES or total > MAX_TOTAL_BYTES:
                tree.unreadable.append(f"{relative} and what follows: the folder holds too much; name one below it")
                break
            found = _notebook(relative, path) if path.suffix == ".ipynb" else _python(relative, path)
        except (OSError, ValueError, RecursionError, MemoryError) as error:  # SyntaxError is a ValueError's cousin
            tree.unreadable.append(f"{relative}: {type(error).__name__}: {error}")
            continue
        except SyntaxError as error:
            tree.unreadable.append(f"{relative}:{error.lineno}: {error.msg}")
            continue
        tree.files[relative] = found
    return tree


def paths(root: Path) -> Iterator[Path]:
    """The files of a folder that are Python, in a fixed order; or the one file `root`."""
    if root.is_file():
        yield root
        return
    for folder, names, files in os.walk(root, followlinks=False):
        here = Path(folder)
        names[:] = sorted(
            n
            for n in names
            if not n.startswith(".")
            and n.lower() not in SKIPPED
            and not n.endswith(".egg-info")
            and not (here / n).is_symlink()
            and not (here / n / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = here / name
            if path.suffix in (".py", ".ipynb") and path.is_file() and not path.is_symlink():
                yield path


def _python(relative: str, path: Path) -> File:
    text = _decoded(path.read_bytes())
    lines = text.split("\n")
    places = tuple(f"{relative}:{n}" for n in range(1, len(lines) + 1))
    tree, lines = _parsed(_without_magics(lines))
    return File(relative, tuple(lines), tree, places)


def _decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "latin-1"):
        try:
            return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", " ")
        except UnicodeDecodeError:
            continue
    raise ValueError("neither UTF-8 nor Latin-1")


def _notebook(relative: str, path: Path) -> File:
    content = json.loads(_decoded(path.read_bytes()))
    lines: list[str] = []
    places: list[str] = []
    body: list[ast.stmt] = []
    problem: SyntaxError | None = None
    for number, cell in enumerate(_cells(content), start=1):
        source = cell.get("source", cell.get("input", ""))
        text = "".join(source) if isinstance(source, list) else str(source)
        if cell.get("cell_type") != "code" or not text.strip():
            continue
        own = _without_magics(text.replace("\r\n", "\n").split("\n"))
        try:
            parsed, own = _parsed(own)
        except SyntaxError as error:  # the other cells are as good as before
            problem = error
            continue
        body += [ast.increment_lineno(statement, len(lines)) for statement in parsed.body]
        lines += own
        places += [f"{relative} (cell {number}):{n}" for n in range(1, len(own) + 1)]
    if not body and problem is not None:
        raise problem
    return File(relative, tuple(lines), ast.Module(body, []), tuple(places))


def _cells(content: Any) -> list[dict[str, Any]]:
    if not isinstance(content, dict):
        raise ValueError("not a notebook")
    found = content.get("cells")
    if found is None:  # format 3 and older
        sheets = content.get("worksheets") or []
        found = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", [])]
    return [cell for cell in found if isinstance(cell, dict)]


_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun", "%%snapshot", "%%tf", "%%skip", "%%memit", "%%python")
_MAGIC = re.compile(r"^(\s*)(?:%{1,2}\w|!|\?|/\w+$|\w[\w.]*\?{1,2}\s*$)")
_ASSIGNED_MAGIC = re.compile(r"^(\s*\w+)\s*=\s*[!%].*$")


def _without_magics(lines: Sequence[str]) -> list[str]:
    """The lines with what only IPython understands replaced by `pass`, line by line."""
    first = next((line for line in lines if line.strip()), "")
    if first.startswith("%%writefile"):
        first = "%%time"  # a module written from a notebook; its code is Python all the same
    if first.startswith("%%") and not first.startswith(_PYTHON_CELLS):
        return ["" for _ in lines]
    kept = []
    continues = False
    quoted = False
    for line in lines:
        inside = quoted
        if (line.count('"""') + line.count("'''")) % 2:
            quoted = not quoted
        magic = None if inside else _MAGIC.match(line)
        assigned = None if inside else _ASSIGNED_MAGIC.match(line)
        if continues:
            kept.append("")
            continues = line.rstrip().endswith("\\")
        elif magic:
            kept.append(f"{magic[1]}pass")
            continues = line.rstrip().endswith("\\")
        elif assigned:
            kept.append(f"{assigned[1]} = None")
        elif not inside and re.match(r"^\s*(?:\w+\s*=\s*)?get_ipython\(\)", line):
            kept.append(re.match(r"^\s*", line)[0] + "pass")  # type: ignore[index]
        else:
            kept.append(line)
    return kept


def _parsed(lines: Sequence[str]) -> tuple[ast.Module, list[str]]:
    """The syntax tree, and the lines it was made of: as they are, as Python 3, or only the statements that parse.

    Raises `SyntaxError` where none does.
    """
    problem: SyntaxError | None = None
    for attempt in (list(lines), _as_python_3(lines)):
        try:
            return _tree(attempt), attempt
        except SyntaxError as error:
            problem = problem or error
    kept = _statements_that_parse(_as_python_3(lines))
    tree = _tree(kept)
    if not tree.body and problem is not None:
        raise problem
    return tree, kept


def _tree(lines: Sequence[str]) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes such as "\d", which are the author's
        return ast.parse("\n".join(lines) + "\n")


_PYTHON_2 = (
    (re.compile(r"^(\s*(?:.*[:;]\s+)?)print\s*>>\s*([\w.]+)\s*,\s*(.*)$"), r"\1print(\3, file=\2)"),
    (re.compile(r"^(\s*)print\s*$"), r"\1print()"),
    (
        re.compile(r"^(\s*(?:(?:if|else|for|while|try|elif)\b[^'\"]*:\s+)?)print\s+(?!=)(.*?),?\s*;?\s*$"),
        r"\1print(\2)",
    ),
    (re.compile(r"^(\s*except\s+[\w.]+|\s*except\s+\([^)]*\))\s*,\s*(\w+)\s*:"), r"\1 as \2:"),
    (re.compile(r"^(\s*raise\s+[\w.]+)\s*,\s*(.*)$"), r"\1(\2)"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"\bur(?=['\"])"), "r"),
    (re.compile(r"(?<![\w.])0([0-7]+)(?![\w.])"), r"0o\1"),
    (re.compile(r"(?<![\w.])(\d+)[lL]\b"), r"\1"),
    (re.compile(r"`([^`'\"]+)`"), r"repr(\1)"),
    (re.compile(r"^(\s*)exec\s+(?!\()(.*)$"), r"\1exec(\2)"),
)


def _as_python_3(lines: Sequence[str]) -> list[str]:
    """Python 2 where it is only spelled differently, line by line; tabs are eight columns, as they were there."""
    result = []
    for line in lines:
        indent = re.match(r"[ \t]*", line)[0]  # type: ignore[index]
        line = indent.expandtabs(8) + line[len(indent) :]
        for pattern, replacement in _PYTHON_2:
            line = pattern.sub(replacement, line)
        result.append(line)
    return result


def _statements_that_parse(lines: Sequence[str]) -> list[str]:
    """The lines with every top-level statement that does not parse blanked out."""
    starts = [i for i, line in enumerate(lines) if re.match(r"[^\s#)\]}'\"]", line)]
    starts = [i for i in starts if not re.match(r"(?:else|elif|except|finally)\b", lines[i])]
    kept = [""] * len(lines)
    i = 0
    while i < len(starts):
        for span in (1, 2, 3):  # a decorator and what it decorates; a statement over lines that start at the margin
            end = starts[i + span] if i + span < len(starts) else len(lines)
            block = lines[starts[i] : end]
            try:
                _tree(block)
            except (SyntaxError, ValueError):
                continue
            kept[starts[i] : end] = block
            i += span
            break
        else:
            i += 1
    return kept
