"""The pytest plugin: `pytest --goldens DIR` makes each golden a test; the fixture `saved_model` helps with others.

    def test_churn(saved_model):
        model = saved_model("models/churn.h5")      # recovered, and compared with its golden in DIR
        assert model.predict(customer)[0, 0] > 0.5

`--update-goldens` accepts what the models compute now. Nothing of a framework is imported before a test needs it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SUFFIX = ".golden.json"
_POOL = pytest.StashKey[Any]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, and where the goldens lie as a setting of the project."""
    group = parser.getgroup("goldens", "regression tests of saved Keras models")
    group.addoption("--goldens", metavar="DIR", help="test the models of the goldens below DIR, too")
    group.addoption("--update-goldens", action="store_true", help="record goldens anew instead of comparing with them")


def pytest_configure(config: pytest.Config) -> None:
    """Collect the folder of goldens beside what was asked for, unless single goldens of it were."""
    folder = _folder(config)
    if folder is None:
        return
    if not folder.is_dir():
        raise pytest.UsageError(f"--goldens: there is no directory {folder}")
    asked = [Path(config.invocation_params.dir, arg.partition("::")[0]).resolve() for arg in config.args]
    if not any(path.is_relative_to(folder) for path in asked):
        config.args.append(str(folder))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes that were started for tests."""
    pool = config.stash.get(_POOL, None)
    if pool is not None:
        pool.close()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A golden below the folder of `--goldens` is a file with one test."""
    folder = _folder(parent.config)
    if folder is None or not file_path.name.endswith(SUFFIX) or not file_path.is_relative_to(folder):
        return None
    return GoldenFile.from_parent(parent, path=file_path)


class GoldenFile(pytest.File):
    """A golden."""

    def collect(self) -> Iterator[pytest.Item]:
        """The one test that it is."""
        yield GoldenItem.from_parent(self, name="golden")


class GoldenItem(pytest.Item):
    """The test that a model still computes what its golden recorded."""

    def runtest(self) -> None:
        """Check, or record anew if that was asked for."""
        _check(self.config, self.path, None)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What differs, without a traceback through this package."""
        from reconstruct.errors import ReconstructError

        if isinstance(excinfo.value, ReconstructError):
            return excinfo.value.advice
        return str(excinfo.value) if isinstance(excinfo.value, GoldenFailure) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it stands, for pytest's own lines."""
        return self.path, None, self.name


class GoldenFailure(AssertionError):
    """A model does not compute what was recorded."""


@pytest.fixture
def saved_model(pytestconfig: pytest.Config) -> Callable[..., Any]:
    """A function from the path of a saved model to the recovered Keras model, once it was compared with its golden.

    The golden is the one below `--goldens` whose model that file is; the options are those of `reconstruct.recover`.
    Fails where outputs differ or no golden is there; with `--update-goldens` it records instead.
    """
    folder = _folder(pytestconfig)

    def load(path: str | os.PathLike[str], **options: Any) -> Any:
        if folder is None:
            raise pytest.UsageError("saved_model needs --goldens DIR")
        __tracebackhide__ = True  # the message says it all
        return _check(pytestconfig, _golden_of(Path(path), folder, pytestconfig.rootpath), Path(path), **options)

    return load


def _golden_of(model: Path, folder: Path, root: Path) -> Path:
    """The golden of a model: that which names it, else one recorded of the same bytes, for goldens and models move.

    Where there is none, the place for it: that of the model below the root of the project, so that models of one name
    that several processes record at a time do not meet.
    """
    from reconstruct.errors import ReconstructError
    from reconstruct.goldens import golden
    from reconstruct.goldens.recording import file_hash

    taken: set[Path] = set()
    moved: dict[str, Path] = {}
    for path in golden.find([folder]):
        try:
            recorded = golden.read(path)
        except ReconstructError:
            continue
        if (path.parent / recorded.model).resolve() == model.resolve():
            return path
        if not (path.parent / recorded.model).exists():
            moved[recorded.sha256] = path
        taken.add(path)
    found = moved.get(file_hash(model)) if moved and model.exists() else None
    parts = model.resolve().parts
    shown = len(model.resolve().relative_to(root).parts) if model.resolve().is_relative_to(root) else 1
    places = (folder.joinpath(*parts[-n:-1], f"{model.name}{SUFFIX}") for n in range(shown, len(parts)))
    return found or next(place for place in places if place not in taken)


def _check(config: pytest.Config, path: Path, model: Path | None, **options: Any) -> Any:
    from reconstruct.goldens import checking, recording
    from reconstruct.runtimes.worker import WorkerPool

    __tracebackhide__ = True
    pool = config.stash.setdefault(_POOL, WorkerPool())
    if config.getoption("--update-goldens"):
        if path.exists():
            recording.record_again(path, pool, model, **options)
        else:
            assert model is not None
            recording.record([model], path, pool=pool, **options)
    elif not path.exists():
        raise GoldenFailure(f"{model} has no golden {path}: run pytest with --update-goldens to record one")
    found = checking.one(path, pool, model, options=options)
    if found.status != checking.SAME:
        raise GoldenFailure(found.message())
    return found.loaded


def _folder(config: pytest.Config) -> Path | None:
    given = config.getoption("--goldens")
    return None if given is None else Path(config.invocation_params.dir, given).resolve()
