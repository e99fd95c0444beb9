"""Custom objects: the decorator `register`, files or modules given with `--custom`, and packages that announce theirs.

A package announces classes in its metadata, by the name that files call them by:

    [project.entry-points."reconstruct.custom_objects"]
    STFT = "kapre.time_frequency:STFT"
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from reconstruct.errors import ReadError
from reconstruct.objects.source import places
from reconstruct.objects.source.extract import EXPORTS

ENTRY_POINTS = "reconstruct.custom_objects"
T = TypeVar("T")
REGISTRY: dict[str, Any] = {}


def register(name: str) -> Callable[[T], T]:
    """Make a class or function known to every recovery under the name that files call it by.

    Raises `TypeError` where it is used without a name (`@register`).

    >>> @register("Swish")
    ... class MySwish: ...
    >>> REGISTRY["Swish"] is MySwish
    True
    """

    if not isinstance(name, str):
        raise TypeError('register takes the name that files use: @register("Swish")')

    def declare(thing: T) -> T:
        REGISTRY[name] = thing
        return thing

    return declare


def load(sources: Sequence[str]) -> dict[str, Any]:
    """All public classes, functions and values of the modules by name, and what `register` was given.

    A dict `custom_objects` in a module names further ones. What a module imports from a framework is left out. The
    modules are executed, because the user names them; code for Keras 1 and 2 runs on Keras 3 as far as it can. Raises
    `ReadError` for one that cannot be imported.

    >>> keras.models.load_model("new.keras", custom_objects=load(["new_layers.py"]))   # doctest: +SKIP
    """
    found: dict[str, Any] = {}
    for source in sources:
        module = _import(source)
        own = getattr(module, "custom_objects", None)
        exported = getattr(module, EXPORTS, None)
        found.update(
            {
                k: v
                for k, v in vars(module).items()
                if (k in exported if exported is not None else not k.startswith("_") and _may_be_own(v))
            }
        )
        if isinstance(own, dict):
            found.update(own)
    return {**_announced(), **REGISTRY, **found}


_FRAMEWORKS = ("keras", "tf_keras", "tensorflow", "numpy", "builtins", "typing")


def _may_be_own(value: Any) -> bool:
    """Whether a value of a module may be what the module is there for, not something it imports."""
    if inspect.ismodule(value):
        return False
    return not callable(value) or str(getattr(value, "__module__", "")).partition(".")[0] not in _FRAMEWORKS


def find(names: Collection[str], class_name: str, package: str | None = None) -> str | None:
    """The one of `names` that means the class (or function) of a file, with and without `package>` prefixes.

    >>> find(["Mine>Swirl", "Dense"], "Swirl", "Custom>Swirl")
    'Mine>Swirl'
    """
    for name in (package, f"{package}>{class_name}", class_name):
        if name and name in names:
            return name
    return next((name for name in names if name.rpartition(">")[2] == class_name), None)


def unwritten(thing: Any) -> bool:
    """Whether a class or function is one that its user has still to write, as in a stub."""
    code = getattr(getattr(thing, "call", thing), "__code__", None)
    return code is not None and "NotImplementedError" in code.co_names


def _announced() -> dict[str, Any]:
    """What installed packages announce; one that cannot be imported is left out, as if it were not installed."""
    found = {}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        try:
            found[entry.name] = entry.load()
        except Exception as error:
            warnings.warn(f"{entry.value} of {ENTRY_POINTS} cannot be imported: {error}", stacklevel=2)
    return found


def _import(source: str) -> ModuleType:
    try:
        if not source.endswith(".py"):
            return importlib.import_module(source)
        path = Path(source).resolve(strict=True)
        name = f"reconstruct_custom_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
        from reconstruct.runtimes import legacy_code

        text = path.read_text("utf-8")
        places.remember(str(path), text)
        if legacy_code.wanted_for(text):
            return legacy_code.execute(path, name, text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # classes that are pickled or registered look their module up
        spec.loader.exec_module(module)
        return module
    except Exception as error:
        where = places.place_of(error)
        raise ReadError(
            f"{source} cannot be imported: {type(error).__name__}: {error}{f' ({where})' if where else ''}",
            path=source,
            hint="--custom takes a Python file or an importable module; of a project, whose files import each other or "
            "train as they are imported, --source FOLDER runs the definitions alone",
        ) from error
