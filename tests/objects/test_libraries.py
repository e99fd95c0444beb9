"""Classes of other libraries: who has them, and what is done with those that are installed."""

from __future__ import annotations

import sys
import types

import pytest

from reconstruct.objects import libraries
from reconstruct.objects.libraries import Library
from reconstruct.runtimes import serve


class Swirl:
    """Stands for a layer of a library."""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library with a class, and another one that cannot be imported."""
    module = types.ModuleType("swirls")
    module.__spec__ = __spec__
    module.Swirl = Swirl  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "swirls", module)
    known = (
        Library("swirls-for-keras", {"swirls": "Swirl Whirl"}),
        Library("no-such-thing", {"no_such_module_anywhere": "Swirl Twirl"}),
    )
    monkeypatch.setattr(libraries, "LIBRARIES", known)


@pytest.mark.usefixtures("installed")
def test_providers_are_named_whether_they_are_installed_or_not() -> None:
    assert libraries.providers("Swirl") == ["swirls-for-keras", "no-such-thing"]
    assert libraries.providers("Dense") == []


@pytest.mark.usefixtures("installed")
def test_only_what_can_be_imported_is_loaded() -> None:
    assert libraries.load(["Swirl", "Whirl", "Twirl", "os.system"]) == {"Swirl": Swirl}


@pytest.mark.usefixtures("installed")
def test_oracles_find_them_under_every_name_and_prefer_the_users_own() -> None:
    assert serve._objects(["Pack>Swirl"], {}) == {"Swirl": Swirl, "Pack>Swirl": Swirl}
    assert serve._objects(["Swirl"], {"Swirl": int}) == {"Swirl": int}
    assert serve._objects(["Mine>Own"], {"Own": int}) == {"Own": int, "Mine>Own": int}


def test_every_library_says_where_its_classes_are() -> None:
    for library in libraries.LIBRARIES:
        assert library.modules
        for module, names in library.modules.items():
            assert all(part.isidentifier() for part in module.split("."))
            assert names.split()
            assert all(name.isidentifier() for name in names.split())
