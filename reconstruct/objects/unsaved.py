"""Arguments of the user's classes that a file does not hold, because the class that wrote it saved none of its own.

Keras of many backends let a class without `get_config` be saved (Keras 2.3.1, engine/base_layer.py), and loads it with
the defaults of its arguments: here, and in an oracle alike, so that their agreement tells nothing of these.
"""

from __future__ import annotations

import dis
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconstruct.artifact import Finding, Layer
from reconstruct.objects import placeholders
from reconstruct.objects.custom import find

# What says nothing about outputs in inference, what weights and shapes of outputs confirm, and what nobody sets
_OF_NO_DOUBT = re.compile(
    r"init|regulari[sz]er|constraint|drop|(?<!dilation_)rate$|trainable|weights|seed|name|dtype|momentum|bias|epsilon|^eps|"
    r"input_|batch_|verbose|mask|data_format|dim_ordering|return_(?!seq)|placeholder|debug"
)


_OF_EVERY_LAYER = ("name", "trainable", "dtype")


def doubt(model: Layer, given: Mapping[str, Any]) -> Finding | None:
    """The arguments of layers for which their defaults had to be taken, where that may matter."""
    told = {id(n) for outer in model.walk() for n in _of_told_rank(outer)}
    found = list(dict.fromkeys(text for layer in model.walk() for text in _of(layer, given, id(layer) in told)))
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


def _of_told_rank(model: Layer) -> Iterator[Layer]:
    """The layers of which what follows takes outputs of one rank alone: with another it could not be built."""
    if model.graph is not None:
        yield from (n for n in model.graph.layers if placeholders.expected(model.graph, n.name).rank is not None)


def _of(layer: Layer, given: Mapping[str, Any], told: bool) -> Iterator[str]:
    name = find(given, layer.class_name, layer.package)
    own = vars(given[name]).get("__init__") if name is not None and isinstance(given[name], type) else None
    if not inspect.isfunction(own):
        return
    arguments = [p for p in list(inspect.signature(own).parameters.values())[1:] if p.default is not p.empty]
    telling = [p for p in arguments if not _OF_NO_DOUBT.search(p.name.lower())]
    if any(p.name in layer.config for p in arguments if p.name not in _OF_EVERY_LAYER):
        return  # it has a get_config of its own, which saved what it had to
    read = {n for i in dis.get_instructions(own) for n in (i.argval if isinstance(i.argval, tuple) else (i.argval,))}
    sizes = {n for t in layer.weights.values() for n in t.shape}
    for each in (p for p in telling if p.name in read):  # some take what they have no use for
        if each.default is None or (type(each.default) is int and each.default in sizes):
            continue
        if not (told and each.name == "return_sequences"):
            yield f"{layer.name}.{each.name}={each.default!r}"
