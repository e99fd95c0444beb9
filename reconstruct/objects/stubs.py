"""A Python skeleton of the classes and functions that a model lacks, for its user to fill in.

What the file knows is written out: the arguments of each class from the configs, its weights with names and shapes,
and the shapes that go in and out. Names in a file are a stranger's, so nothing reaches the text but identifiers and
literals.
"""

from __future__ import annotations

import json
import keyword
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconstruct import templates
from reconstruct.objects import libraries

# Fields of every layer, and names that `keras.layers.Layer` has for itself (Keras 3.15.1, layers/layer.py)
_BASE_FIELDS = frozenset("name trainable dtype batch_input_shape batch_shape input_dtype activity_regularizer".split())
_TAKEN = frozenset(
    "build built call input output weights variables metrics losses path quantize stateless_call trainable_weights "
    "non_trainable_weights trainable_variables non_trainable_variables input_spec supports_masking dtype_policy "
    "compute_dtype variable_dtype self inputs kwargs layer cell name dtype trainable states super add_weight "
    "get_config from_config compute_output_shape setattr float".split()
)
# What the module itself uses
_RESERVED = frozenset("keras ops super setattr float NotImplementedError custom_objects self kwargs".split())
_CELL_KEYS = ("cell",)


@dataclass(frozen=True)
class Use:
    """A placeholder of a built model, as plain data: one use of a class or function that is missing."""

    layer: str
    missing: Mapping[str, str]  # kind, name, message, hint
    original: Mapping[str, Any]  # class_name, config, layers
    arguments: Sequence[str]
    variables: Sequence[Sequence[Any]]  # name, shape, dtype
    inputs: Sequence[Sequence[int | None]]
    outputs: Sequence[Sequence[int | None]]


@dataclass(frozen=True)
class _Class:
    name: str
    base: str
    uses: list[str]
    provider: str
    positional: list[str]
    arguments: list[tuple[str, str]]
    cell_sizes: list[tuple[str, str]]
    weights: list[tuple[str, str, str, str]]
    weights_by_layer: list[tuple[str, list[tuple[str, str, str, str]]]]
    signature: str
    shapes: list[str]
    outputs: str | None
    outputs_by_layer: list[tuple[str, str]]
    constant: str


@dataclass(frozen=True)
class _Function:
    name: str
    what: str
    uses: list[str]
    notes: list[str]


def text(source: str, uses: Sequence[Use]) -> str:
    """The module, as text, for the placeholders of one model."""
    groups: dict[tuple[str, str], list[Use]] = {}
    remarks = []
    for use in uses:
        kind, name = use.missing["kind"], use.missing["name"]
        if kind in ("equivalent", "shape", "weights"):
            remarks.append(_comment(f"{use.layer} ({name}): {use.missing['message']}"))
            continue
        groups.setdefault((kind, use.layer if kind == "lambda" else name), []).append(use)
    classes = [_class(name, group) for (kind, name), group in groups.items() if kind == "layer"]
    functions = [_function(kind, name, group) for (kind, name), group in groups.items() if kind != "layer"]
    names = [item.name for item in classes] + [item.name for item in functions]
    made = templates.render(
        "objects/stub.py.jinja",
        source=_comment(source).replace("\\", "/").replace('"', "'"),
        names=names,
        classes=classes,
        functions=functions,
        remarks=remarks,
        renamed=[(_quoted(name), _identifier(name)) for _, name in groups if _identifier(name) != name],
    )
    return made.rstrip("\n") + "\n"


def _class(name: str, uses: Sequence[Use]) -> _Class:
    first = uses[0]
    inner = first.original.get("layers") or {}
    cell = next((inner[key] for key in _CELL_KEYS if key in inner), None)
    wraps = "layer" in inner and cell is None
    config = (cell or first.original)["config"]
    arguments = [(k, _literal(v)) for k, v in config.items() if k not in _BASE_FIELDS and _is_identifier(k)]
    own = {use.layer: _weights(use, cell is not None, wraps) for use in uses}
    alike = all(weights == own[first.layer] for weights in own.values())
    outputs = {_quoted(use.layer): _shapes(use.outputs) for use in uses}
    same = len(set(outputs.values())) == 1
    found = libraries.providers(name)
    constant = _identifier(name).upper()
    return _Class(
        _identifier(name),
        "Wrapper" if wraps else "Layer",
        _named(uses),
        f"{name} of that name: {', '.join(found)}" if found else "",
        ["layer"] if wraps else [],
        arguments,
        _cell_sizes(config, own[first.layer]) if cell is not None else [],
        own[first.layer] if alike else [],
        [] if alike else [(_quoted(layer), weights) for layer, weights in own.items()],
        "inputs, states" if cell is not None else ", ".join(_arguments(first.arguments)),
        [f"{_comment(u.layer)}: {_shapes(u.inputs) or '?'} -> {_shapes(u.outputs)}" for u in uses[:8]],
        None
        if cell is not None
        else outputs[_quoted(first.layer)]
        if same
        else f"{_identifier(name).upper()}_OUTPUTS[self.name]",
        [] if same or cell is not None else list(outputs.items()),
        constant,
    )


def _function(kind: str, name: str, uses: Sequence[Use]) -> _Function:
    use = uses[0]
    notes = [line for line in use.missing["message"].splitlines() if line.strip()] if kind == "lambda" else []
    notes.append(f"{_shapes(use.inputs) or '?'} -> {_shapes(use.outputs)}")
    what = "The function of a Lambda layer" if kind == "lambda" else "An activation"
    return _Function(_identifier(name), what, _named(uses), [_comment(n, 400) for n in notes])


def _weights(use: Use, of_cell: bool, wraps: bool) -> list[tuple[str, str, str, str]]:
    """Attribute, name, shape and dtype of each variable that the class itself has to make."""
    made: list[tuple[str, str, str, str]] = []
    taken: set[str] = set()
    layers = use.original.get("layers") or {}
    inner = {str(spec["config"].get("name")) for spec in layers.values()} | set(layers)
    for name, shape, dtype in use.variables:
        first, _, rest = name.partition("/")
        if wraps and first in inner and rest:
            continue
        attribute = _identifier(rest if of_cell and first in inner and rest else name)
        while attribute in taken or attribute in _TAKEN:
            attribute += "_"
        taken.add(attribute)
        made.append((attribute, attribute, repr(tuple(shape)), _identifier(dtype)))
    return made


def _cell_sizes(config: Mapping[str, Any], weights: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
    size = config.get("units", config.get("output_dim"))
    if not isinstance(size, int):
        shapes = [shape for _, name, shape, _ in weights if "recurrent" in name] or [s for _, _, s, _ in weights]
        numbers = re.findall(r"\d+", shapes[0]) if shapes else []
        size = int(numbers[0]) if numbers else 1
    return [("state_size", str(size)), ("output_size", str(size))]


def _shapes(shapes: Sequence[Sequence[int | None]]) -> str:
    if not shapes:
        return ""
    each = [repr(tuple(shape)) for shape in shapes]
    return each[0] if len(each) == 1 else f"[{', '.join(each)}]"


def _arguments(names: Sequence[str]) -> list[str]:
    first, *others = [_identifier(n) for n in names] or ["inputs"]
    return [first, *(f"{n}=None" for n in others)]


def _literal(value: Any) -> str:
    """A value of a config as Python, which has no literals for what is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{k!r}: {_literal(v)}' for k, v in value.items())}}}"
    return repr(value)


def _is_identifier(name: str) -> bool:
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name not in _TAKEN


def _identifier(name: str) -> str:
    """A Python name made of any text."""
    made = re.sub(r"\W", "_", str(name), flags=re.ASCII) or "_"
    made = f"_{made}" if made[0].isdigit() else made
    return f"{made}_" if keyword.iskeyword(made) or made in _RESERVED else made


def _named(uses: Sequence[Use]) -> list[str]:
    names = [_comment(use.layer) for use in uses]
    return names if len(names) <= 8 else [*names[:7], f"{len(names) - 7} more"]


def _quoted(value: str) -> str:
    """Any text as what stands between double quotes."""
    return json.dumps(str(value))[1:-1]


def _comment(value: str, limit: int = 200) -> str:
    """One line that can end neither a comment nor a docstring."""
    made = "".join(c if c.isprintable() else " " for c in str(value)).replace("\\", "/").replace('"""', "'''")
    return made if len(made) <= limit else made[: limit - 1] + "…"
