"""Arguments of the user's classes that a file does not hold, because the class that wrote it did not save them.

Keras of many backends let a class without `get_config` be saved (Keras 2.3.1, engine/base_layer.py), every Keras lets
one whose `get_config` forgets some, and each loads them with the defaults of their arguments: here, and in an oracle
alike, so that their agreement tells nothing of these.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconstruct.artifact import Finding, Graph, Layer
from reconstruct.objects import placeholders
from reconstruct.objects.custom import find

# What says nothing about outputs in inference, what weights and shapes of outputs confirm, and what nobody sets
_OF_NO_DOUBT = re.compile(
    r"init|regulari[sz]er|constraint|drop|learning_rate|^rate$|trainable|^weights$|pretrained|seed|name|dtype|momentum|"
    r"epsilon|^eps|input_(shape|dim|length|spec)|batch_|verbose|masking$|^(use_)?mask$|data_format|dim_ordering|"
    r"return_(?!seq)|placeholder|debug|autocast|^dynamic$|sparse|ragged"
)
# Numbers that, where an array of the layer has a side as long, are that side
_SIZE = re.compile(
    r"unit|dim|size|shape|filter|feature|channel|hidden|len|vocab|step|classes|width|depth|rank|capsule|cluster|"
    r"^(n|num|number)_|^[a-z]$"
)


_OF_EVERY_LAYER = ("name", "trainable", "dtype")


def doubt(model: Layer, given: Mapping[str, Any]) -> Finding | None:
    """The arguments of layers for which their defaults had to be taken, where that may matter."""
    graphs = {id(n): outer.graph for outer in model.walk() if outer.graph is not None for n in outer.graph.layers}
    found = list(dict.fromkeys(text for layer in model.walk() for text in _of(layer, given, graphs.get(id(layer)))))
    if not found:
        return None
    return Finding(
        "argument_not_saved",
        "warning",
        "model",
        "some classes saved none of their arguments, so that the defaults are taken: "
        f"{', '.join(found)}; an oracle takes the same and cannot tell",
        "give the class these defaults if they were others, or give --examples E.npz",
    )


def _is_told_rank(graph: Graph | None, layer: Layer) -> bool:
    """Whether what follows a layer takes outputs of one rank alone: with another the model could not be built."""
    return graph is not None and placeholders.expected(graph, layer.name).rank is not None


def _of(layer: Layer, given: Mapping[str, Any], graph: Graph | None) -> Iterator[str]:
    name = find(given, layer.class_name, layer.package)
    cls = given[name] if name is not None else None
    if not isinstance(cls, type) or cls.__module__.startswith("reconstruct."):
        return
    defaults = _defaults(cls)
    if not _chooses_what_is_saved(cls) and any(n in layer.config for n in defaults if n not in _OF_EVERY_LAYER):
        return  # Keras saved what its author gave (Keras 3, ops/operation.py; tf.keras 2.15, engine/base_layer.py)
    sizes = {n for t in layer.weights.values() for n in t.shape}
    for argument, default in defaults.items():
        a_number = isinstance(default, int | float) and not isinstance(default, bool)
        if argument in layer.config or _OF_NO_DOUBT.search(argument.lower()):
            continue
        if not a_number and "bias" in argument:  # there is one or not: weights tell
            continue
        if (default is None or (type(default) is int and default in sizes)) and _SIZE.search(argument.lower()):
            continue
        if argument != "return_sequences" or not _is_told_rank(graph, layer):
            yield f"{layer.name}.{argument}={default!r}"


def _chooses_what_is_saved(cls: type) -> bool:
    """Whether a class, or a layer of Keras that it derives from, says itself what its config has; for a class that
    reads its config itself, too, nobody knows what it makes of it."""
    for base in cls.__mro__:
        if _of_keras(base) and base.__name__ in ("Layer", "Operation", "Model", "Legacy", "LegacyUnbuilt"):
            continue
        if "from_config" in vars(base) and not _of_keras(base):
            return False
        if inspect.isfunction(vars(base).get("get_config")):
            return True
    return False


def _of_keras(cls: type) -> bool:
    return cls.__module__.startswith(("keras.", "tf_keras.", "tensorflow.", "reconstruct."))


def _defaults(cls: type) -> dict[str, Any]:
    """The arguments that the user's classes read, and their defaults: those of `__init__`, and of each that it hands
    the rest of its arguments on to."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        own = vars(base).get("__init__")
        if _of_keras(base) or not inspect.isfunction(own):
            continue
        own = inspect.unwrap(own)
        parameters = list(inspect.signature(own).parameters.values())[1:]
        rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        read = {n for i in dis.get_instructions(own) for n in _names(i)}  # some take what they have no use for
        for p in parameters:
            if p.default is not p.empty and p.name in read:
                found.setdefault(p.name, p.default)
        if rest is None:
            break
        for name, default in _taken_out(own, rest):
            found.setdefault(name, default)
    return found


def _names(instruction: dis.Instruction) -> tuple[Any, ...]:
    return instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)


class _Default:
    def __repr__(self) -> str:
        return "…"


def _taken_out(function: Any, rest: str) -> Iterator[tuple[str, Any]]:
    """What a function takes out of its `**rest`, as `rest.pop("alpha", 0.5)` or `rest["alpha"]`, and its defaults."""
    steps = [i for i in dis.get_instructions(function) if i.opname not in ("CACHE", "PRECALL")]
    for at, step in enumerate(steps):
        if rest not in _names(step) or not step.opname.startswith("LOAD"):
            continue
        after = steps[at + 1 : at + 4]
        takes = bool(after) and after[0].argval in ("pop", "get")
        constants = [s.argval for s in (after[1:] if takes else after[:1]) if s.opname.startswith("LOAD_CONST")]
        stores = not takes and len(after) > 1 and after[1].opname in ("STORE_SUBSCR", "DELETE_SUBSCR")
        if constants and isinstance(constants[0], str) and constants[0] not in _OF_EVERY_LAYER and not stores:
            yield constants[0], constants[1] if len(constants) > 1 else _Default()
