"""What the command line says, as the verbs take it: options, and checks that end it before any work on a mistake."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reconstruct.limits import Limits

HINT_FIELDS = ("input_shape", "examples", "custom", "source", "backend", "set", "task", "budget")


class Backend(StrEnum):
    """The backends that Keras 1 and 2 had."""

    tensorflow = "tensorflow"
    theano = "theano"
    cntk = "cntk"


class Target(StrEnum):
    """What a model may be written for, if not for Keras 3."""

    tf_keras = "tf-keras"


class Task(StrEnum):
    """What a model may be trained for, which decides the last activation."""

    classification = "classification"
    binary = "binary"
    multilabel = "multilabel"
    regression = "regression"
    q_values = "q-values"
    image = "image"


def _existing_source(source: Path | None) -> Path | None:
    if source is not None and not source.exists():
        raise typer.BadParameter(f"there is no {source}", param_hint="--source")
    return source


def _existing_code(custom: list[str] | None) -> list[str] | None:
    for name in custom or ():
        if name.endswith((".py", ".ipynb")) and not Path(name).exists():
            raise typer.BadParameter(f"there is no {name}", param_hint="--custom")
        if name.endswith(".ipynb") or Path(name).is_dir():
            raise typer.BadParameter(f"{name} is no module: --source finds definitions in it", param_hint="--custom")
    return custom


File = Annotated[
    Path,
    typer.Argument(metavar="FILE", show_default=False, help="a saved model: .h5, .keras, a directory or config JSON"),
]
Custom = Annotated[
    list[str] | None,
    typer.Option(
        "--custom", metavar="MODULE_OR_FILE", callback=_existing_code, help="code of custom layers; repeatable"
    ),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option("--input-shape", metavar="28,28,1", help="without the batch axis; once an input, in order"),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--source",
        metavar="DIR",
        callback=_existing_source,
        help="your own code: the definitions of missing classes are found in it and run",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="LAYER.FIELD=VALUE", help="a choice that weights leave open; repeatable"),
]
Budget = Annotated[
    float | None, typer.Option("--budget", metavar="SECONDS", min=1, help="how long a model may be searched for (120)")
]
Examples = Annotated[
    Path | None, typer.Option("--examples", metavar="E.npz", help="x0… and y0…: inputs and their true outputs")
]
TrustCode = Annotated[bool, typer.Option("--trust-code", help="let oracles run code that is in the file")]
Tolerance = Annotated[
    list[str] | None,
    typer.Option("--tolerance", metavar="float32=1e-4", help="relative difference allowed, by dtype; repeatable"),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
For = Annotated[
    Target | None, typer.Option("--target", help="write a file for tf_keras and TensorFlow up to 2.15, not for Keras 3")
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", metavar="NAME=VALUE", help="let files ask for more (docs/limits.md); repeatable"),
]
Report = Annotated[Path | None, typer.Option("--report", metavar="R.json", help="write what was done as JSON")]


def limits_of(texts: Sequence[str] | None, base: Limits | None = None) -> Limits:
    from reconstruct import limits

    try:
        return limits.parse(texts or (), base or limits.DEFAULT)
    except limits.BadLimit as error:
        raise typer.BadParameter(f"{error}; {error.hint}", param_hint="--limit") from None


def address(file: Path) -> Path | str:
    """The path; an address as it was typed, since a path loses a slash of it."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?!/)", r"\1://", str(file)) if ":/" in str(file) else file


def check_output(output: Path, source: Path, target: Target | None = None) -> None:
    """Find out now, and not after the work, that the output cannot be written."""
    option = "-o"
    if target is not None and output.suffix not in (".h5", ".keras"):
        raise typer.BadParameter(f"tf_keras goes by the suffix, .h5 or .keras; {output} has neither", param_hint=option)
    if target is None and output.suffix != ".keras":
        raise typer.BadParameter(
            f"the name of the output must end in .keras, since Keras goes by that; {output} does not", param_hint=option
        )
    check_target(output, source)


def check_target(output: Path, source: Path) -> None:
    option = "-o"
    if output.is_dir():
        raise typer.BadParameter(f"{output} is a directory", param_hint=option)
    if output.exists() and source.exists() and output.samefile(source):
        raise typer.BadParameter(f"{output} is the source itself", param_hint=option)
    check_writable(output, option)


def check_writable(path: Path | None, option: str) -> None:
    if path is None:
        return
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise typer.BadParameter(f"{folder} is not a directory", param_hint=option)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"the directory {folder} cannot be written to", param_hint=option)


def shapes_of(texts: Sequence[str] | None) -> list[list[int | None]] | None:
    return [_shape(text) for text in texts] if texts else None


def _shape(text: str) -> list[int | None]:
    """`28,28,1` to a shape; `?` or `none` for an open axis."""
    try:
        return [None if part.strip().lower() in ("?", "none", "null", "") else int(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a shape; write 28,28,1", param_hint="--input-shape") from None


def tolerances_of(texts: Sequence[str] | None) -> dict[str, float]:
    from reconstruct.goldens import golden

    parts = (text.rpartition("=") for text in texts or ())
    try:
        return golden.tolerances({dtype.strip() or "float32": number for dtype, _, number in parts})
    except ValueError as error:
        raise typer.BadParameter(f"{error}; write float32=1e-4", param_hint="--tolerance") from None


def settings_of(texts: Sequence[str] | None) -> dict[str, Any]:
    """`dense_2.activation=tanh` to a field and its value: JSON where it is JSON, else text."""
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            message = f"{text!r} is not LAYER.FIELD=VALUE, such as dense_2.activation=tanh"
            raise typer.BadParameter(message, param_hint="--set")
        try:
            found[name.strip()] = json.loads(value)
        except ValueError:
            found[name.strip()] = {"True": True, "False": False, "None": None}.get(value.strip(), value.strip())
    return found


def hints_of(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        hints = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path}: {error}", param_hint="--hints") from None
    if not isinstance(hints, dict) or not all(isinstance(v, dict) for v in hints.values()):
        raise typer.BadParameter(f"{path} must map source paths to objects", param_hint="--hints")
    unknown = sorted({field for hint in hints.values() for field in hint} - set(HINT_FIELDS))
    if unknown:
        known = ", ".join(HINT_FIELDS)
        raise typer.BadParameter(f"{path} has a field {unknown[0]!r}; known are {known}", param_hint="--hints")
    return hints


def hints_for_nothing(hints: dict[str, Any], sources: Sequence[Path]) -> list[str]:
    """Keys that name no file below a source directory, and no source."""
    return [key for key in hints if not any((s / key).exists() if s.is_dir() else s.name == key for s in sources)]
