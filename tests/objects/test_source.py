"""Definitions in a source tree: found and extracted by parsing alone."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconstruct.objects.source import Candidate, Extraction, Source, Wanted, origin
from reconstruct.objects.source import tree as trees
from reconstruct.objects.source.extract import EXPORTS

TREES = Path(__file__).resolve().parent / "source_trees"


def source(folder: Path, **files: str) -> Source:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Source(folder)


def first(found: Source, *names: str, kind: str = "layer", **config: Any) -> Extraction:
    wanted = [Wanted(name, kind, (config,) if config else ()) for name in names]
    return found.extract(next(found.choices(wanted)))


def run(text: str) -> dict[str, Any]:
    """What an extracted module without frameworks defines."""
    module: dict[str, Any] = {}
    exec(compile(text, "extracted", "exec"), module)  # noqa: S102
    return module


def test_only_what_is_needed_is_taken(tmp_path: Path) -> None:
    found = source(
        tmp_path,
        a="import os\nSIZE = 3\nUNUSED = 4\ndata = open('train.csv').read()\n\ndef helper(x):\n    return x + SIZE\n\n"
        "class Wanted(object):\n    def f(self, x):\n        return helper(x)\n\nos.remove('everything')\n",
    )
    extraction = first(found, "Wanted", kind="value")
    assert run(extraction.text)["Wanted"]().f(1) == 4
    assert [p.name for p in extraction.pieces] == ["SIZE", "helper", "Wanted"]
    assert not any(word in extraction.text for word in ("UNUSED", "train.csv", "remove"))
    assert extraction.missing == {}
    assert run(extraction.text)[EXPORTS] == ("Wanted",)


def test_a_constant_that_does_more_than_be_computed_is_named_and_not_run(tmp_path: Path) -> None:
    found = source(tmp_path, a="words = open('words.txt').read()\nN = len(words)\n\ndef f(x):\n    return x * N\n")
    extraction = first(found, "f", kind="function")
    assert "open" not in extraction.text
    assert extraction.missing["words"].startswith("a.py:1 does more than define it: it calls open")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pkg__b": "def g(x):\n    return 2 * x\n", "pkg__a": "from .b import g\ndef f(x): return g(x)\n"}, 10),
        ({"b": "def g(x):\n    return 2 * x\n", "a": "from b import *\ndef f(x):\n    return g(x)\n"}, 10),
        ({"b": "def g(x):\n    return 2 * x\n", "a": "import b\ndef f(x):\n    return b.g(x)\n"}, 10),
        ({"u__b": "def g(x):\n    return 2 * x\n", "a": "import u.b as z\ndef f(x):\n    return z.g(x)\n"}, 10),
        ({"u__b": "def g(x):\n    return 2 * x\n", "a": "from u import b\ndef f(x):\n    return b.g(x)\n"}, 10),
        ({"u__b": "def g(x):\n    return 2 * x\n", "s__a": "from u.b import g as h\ndef f(x):\n    return h(x)\n"}, 10),
        ({"a": "def make(n=2):\n    k = n\n    def f(x):\n        return k * x\n    return f\n"}, 10),
        ({"a": "if True:\n    f = lambda x: 2 * x\n"}, 10),
        (
            {
                "a": "try:\n    from nowhere import g\nexcept ImportError:\n    g = lambda x: 2 * x\ndef f(x): return g(x)\n"  # noqa: E501
            },
            10,
        ),
    ],
    ids="relative star module dotted submodule renamed nested branch fallback".split(),
)
def test_names_of_other_modules_and_scopes(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    extraction = first(source(tmp_path, **files), "f", kind="function")
    assert extraction.missing == {}
    assert run(extraction.text)["f"](5) == expected


def test_helpers_of_one_name_in_two_modules_stay_apart(tmp_path: Path) -> None:
    found = source(
        tmp_path,
        one="def h(x):\n    return x + 1\n\ndef f(x):\n    return h(x)\n",
        two="def h(x):\n    return x * 10\n\ndef g(x):\n    return h(x)\n",
    )
    module = run(first(found, "f", "g", kind="function").text)
    assert (module["f"](2), module["g"](2)) == (3, 20)


def test_names_that_files_use_are_mapped(tmp_path: Path) -> None:
    found = source(
        tmp_path,
        a="def _s(x):\n    return -x\nload('m.h5', custom_objects={'swish': _s, 'other': lambda x: _s(x) + 1})\n"
        "get_custom_objects().update({'third': _s})\nget_custom_objects()['fourth'] = _s\n",
    )
    module = run(first(found, "swish", "other", "third", "fourth", kind="activation").text)
    assert [module[n](3) for n in ("swish", "other", "third", "fourth")] == [-3, -2, -3, -3]
    assert module["other"].__name__ == "other"
    assert "load" not in module


def test_the_definition_whose_arguments_fit_comes_first(tmp_path: Path) -> None:
    body = "class L(Layer):\n    def __init__(self, {}, **kw):\n        pass\n"
    found = source(tmp_path, a=body.format("units"), b=body.format("size"), c="L = 3\n")
    places = [c.place for c in found.candidates(Wanted("L", "layer", ({"name": "l", "size": 2},)))]
    assert places[0] == "b.py:1"
    assert "a.py:1" in places


def test_choices_prefer_one_file_for_all_names(tmp_path: Path) -> None:
    both = "class A(Layer):\n    z = {0}\n\n\nclass B(Layer):\n    z = {0}\n"
    found = source(tmp_path, x=both.format(1), y="class A(Layer):\n    z = 2\n", z=both.format(3))
    for choice in list(found.choices([Wanted("A", "layer"), Wanted("B", "layer")]))[:2]:
        assert len({c.definition.scope.file.path for c in choice.values()}) == 1


def test_lines_are_those_of_the_users_files(tmp_path: Path) -> None:
    found = source(tmp_path, a="\n\nX = 1\n\n\ndef f(x):\n    y = x\n    return y + X\n")
    text = first(found, "f", kind="function").text
    line = text.split("\n").index("    return y + X") + 1
    assert origin(text, line) == "a.py:8"


def test_notebooks_with_magics() -> None:
    found = Source(TREES / "notebooks")
    candidate = found.candidates(Wanted("TokenAndPositionEmbedding", "layer"))[0]
    assert candidate.place == "Transformer.ipynb (cell 5):2"
    extraction = first(found, "TokenAndPositionEmbedding", "MultiHead")
    ast.parse(extraction.text)
    assert extraction.missing == {}
    assert {"vocab_size", "scaled_dot_product_attention"} <= {p.name for p in extraction.pieces}
    assert "drive" not in extraction.text


@pytest.mark.parametrize(
    "cells",
    ["not json", "[]", json.dumps({"cells": [{"cell_type": "code", "source": 3}, 7]}), json.dumps({"worksheets": [4]})],
)
def test_what_is_no_notebook_is_no_problem(tmp_path: Path, cells: str) -> None:
    (tmp_path / "n.ipynb").write_text(cells, "utf-8")
    (tmp_path / "a.py").write_text("def f(x):\n    return x\n", "utf-8")
    assert Source(tmp_path).candidates(Wanted("f", "function"))


def test_python_2() -> None:
    found = Source(TREES / "py2")
    assert found.unreadable == []
    extraction = first(found, "Highway")
    ast.parse(extraction.text)
    assert "xrange = range" in extraction.text


def test_a_file_with_an_error_keeps_what_parses_and_another_is_named(tmp_path: Path) -> None:
    found = source(tmp_path, a="def f(x):\n    return x\n\nx = = 3\n", b="def broken(:\n    pass\n")
    assert found.candidates(Wanted("f", "function"))[0].place == "a.py:1"
    assert [u.partition(":")[0] for u in found.unreadable] == ["b.py"]


def test_links_environments_and_large_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("def f(x):\n    return x\n", "utf-8")
    root = tmp_path / "root"
    for name in (".venv/a.py", "lib/site-packages/b.py", ".git/c.py", "myenv/d.py"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("def f(x):\n    return x\n", "utf-8")
    (root / "myenv" / "pyvenv.cfg").write_text("", "utf-8")
    (root / "link.py").symlink_to(outside / "secret.py")
    (root / "linked").symlink_to(outside)
    (root / "big.py").write_text("#" * 200 + "\ndef f(x):\n    return x\n", "utf-8")
    monkeypatch.setattr(trees, "MAX_BYTES", 100)
    found = Source(root)
    assert found.candidates(Wanted("f", "function")) == []
    assert [u.partition(":")[0] for u in found.unreadable] == ["big.py"]


def test_the_same_text_twice_is_one_candidate(tmp_path: Path) -> None:
    text = "class A(Layer):\n    pass\n"
    found: list[Candidate] = source(tmp_path, a=text, copy__a=text).candidates(Wanted("A", "layer"))
    assert len(found) == 1


def test_no_framework_is_imported() -> None:
    code = (
        "import sys; from reconstruct.objects.source import Source, Wanted\n"
        f"s = Source({str(TREES)!r}); w = Wanted('CapsuleLayer', 'layer'); s.extract(next(s.choices([w])))\n"
        "print(sorted({'keras', 'tensorflow', 'tf_keras'} & {m.partition('.')[0] for m in sys.modules}))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert child.stdout.strip() == "[]"
