"""What all tests share: the fixtures of genuine Keras versions, and the same environment on every machine."""

import gc
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from reconstruct.readers import trial

pytest_plugins = ["pytester"]

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# Before anything imports a framework: the backend, no chatter, and not the settings in the user's ~/.keras/keras.json.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as reconstruct.runtimes sets it, for tests that import a framework first
_keras_home = tempfile.TemporaryDirectory(prefix="reconstruct-tests-")
os.environ["KERAS_HOME"] = _keras_home.name


@dataclass(frozen=True)
class SavedModel:
    """One entry of fixtures/manifest.json: a file, who wrote it, and where its recorded inputs and outputs are.

    Attributes:
        file: path of the artifact, relative to fixtures/.
        writer: `{"keras": version, "backend": name}` of what wrote it.
        container: what kind of artifact it is, such as "h5-model".
        outputs: path, relative to fixtures/, of the `.npz` with the recorded `x0…` and `y0…`; None if there is none.
        covers: names of the rules and cases it is there for.
        made_with: what really made it; for a backend that no longer runs this is not the writer.
        tolerance: how far outputs may be from the recorded ones.
    """

    file: str
    writer: dict[str, str]
    container: str
    outputs: str | None
    covers: list[str]
    made_with: str
    tolerance: float

    @property
    def path(self) -> Path:
        return FIXTURES / self.file

    @property
    def outputs_path(self) -> Path | None:
        return FIXTURES / self.outputs if self.outputs else None


def load_manifest() -> list[SavedModel]:
    """Read fixtures/manifest.json. Raises KeyError where an entry lacks a field; other fields are left to others."""
    entries = json.loads((FIXTURES / "manifest.json").read_text(encoding="utf-8"))
    return [SavedModel(**{field.name: entry[field.name] for field in fields(SavedModel)}) for entry in entries]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument `saved_model` runs once for every artifact of the manifest."""
    if "saved_model" in metafunc.fixturenames:
        manifest = load_manifest()
        metafunc.parametrize("saved_model", manifest, ids=[entry.file for entry in manifest])


def pytest_collection_finish() -> None:
    """What importing the frameworks left is no garbage: Keras looks for some whenever it forgets its models, and need
    not look through all of that, hundreds of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def files_of_tests_are_read_at_once() -> Iterator[None]:
    """Not by another process first, thousands of times: tests/runtimes/test_recovering.py says what that is for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "survive", lambda path, limits: None)
        yield


@pytest.fixture(scope="session")
def fixtures_dir() -> Path:
    return FIXTURES


@pytest.fixture(scope="session")
def manifest() -> list[SavedModel]:
    return load_manifest()


@pytest.fixture
def isolated_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, for tests about the cache itself: the oracles that all other tests use are in the user's."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("RECONSTRUCT_CACHE", str(cache))
    return cache
