"""How much a file may ask for before it is refused: all limits in one place, each with its unit and its reason.

A file says how large its parts are, and reading believes it; so what it says is compared with these before anything is
allocated. A declared size as such is no reason to refuse (models of tens of gigabytes exist): what counts is how much
more a file declares than it holds. Every limit can be raised: `Limits(json_bytes=…)`, or `--limit json_bytes=…`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconstruct.errors import ReconstructError

_MIB = 1 << 20


class BadLimit(ReconstructError, ValueError):
    """There is no such limit, or its value is no positive whole number."""


def _limit(default: int, unit: str, why: str) -> int:
    return field(default=default, metadata={"unit": unit, "why": why})


@dataclass(frozen=True)
class Limits:
    """What a file may ask for. `describe` gives the unit of each and why it is what it is."""

    json_bytes: int = _limit(64 * _MIB, "bytes", "the largest configs known have 10 MB; text is decoded as a whole")
    json_depth: int = _limit(200, "levels", "nested models take four levels each; parsers recurse")
    json_nodes: int = _limit(1_000_000, "values", "a model of 10,000 layers has 700,000; each takes some 200 bytes")
    json_digits: int = _limit(400, "digits of a number", "a float has at most 309; longer ones take quadratic time")
    config_depth: int = _limit(40, "models in models", "builders and frameworks recurse into them")
    layers: int = _limit(100_000, "layers", "the largest models known have some 5,000")
    name_length: int = _limit(1000, "characters", "Keras makes names of some 30; paths of nested layers of some 300")
    layer_numbers: int = _limit(1 << 35, "numbers in one layer", "128 GiB in float32, more than any model has")
    shape_numbers: int = _limit(1 << 33, "numbers in one example", "a shape that a config names: inputs, reshapes")
    zip_members: int = _limit(10_000, "members", "a .keras file has three and its assets")
    h5_objects: int = _limit(100_000, "groups and datasets", "20,000 tensors need some 60,000")
    h5_depth: int = _limit(64, "groups in groups", "Keras nests some 10; HDF5 itself recurses in places")
    attribute_bytes: int = _limit(64 * _MIB, "bytes", "an attribute is read as a whole; the largest are configs")
    chunk_bytes: int = _limit(64 * _MIB, "bytes", "one compressed chunk is unpacked as a whole to read any of it")
    expansion_free: int = _limit(64 * _MIB, "bytes", "so much may be declared or unpacked whatever the file holds")
    expansion_ratio: int = _limit(100, "times", "beyond that, what is declared may be so much more than what is held")
    proto_depth: int = _limit(64, "messages in messages", "graphs of SavedModels nest some 10")
    proto_bytes: int = _limit(1 << 30, "bytes", "saved_model.pb; protobuf itself allows 2 GiB")
    proto_fields: int = _limit(5_000_000, "fields", "walking a graph of 100,000 operations takes some 2,000,000")
    recover_seconds: int = _limit(3600, "seconds", "what a child process may take for one file, and each core of it")
    recover_bytes: int = _limit(1 << 40, "bytes of memory", "and no more than the machine has; models are read whole")
    scan_seconds: int = _limit(60, "seconds of computing", "what a child process may take for one file")
    scan_bytes: int = _limit(2048 * _MIB, "bytes of memory", "what a child process may take, its libraries included")

    def too_much(self, declared: int, held: int) -> bool:
        """Whether `declared` bytes are more than a file may make of the `held` ones."""
        return declared > self.expansion_free and declared > self.expansion_ratio * held


DEFAULT = Limits()


def describe() -> list[tuple[str, int, str, str]]:
    """Name, default, unit and reason of every limit, in order."""
    return [
        (f.name, getattr(DEFAULT, f.name), f.metadata["unit"], f.metadata["why"]) for f in dataclasses.fields(Limits)
    ]


def parse(texts: Iterable[str], base: Limits = DEFAULT) -> Limits:
    """The limits with those that `NAME=VALUE` texts name; VALUE may end in K, M, G or T (powers of 1024).

    Raises `BadLimit` for a name that is none, and for a value that is no positive whole number.

    >>> parse(["json_bytes=1G"]).json_bytes
    1073741824
    """
    changes: dict[str, int] = {}
    names = [f.name for f in dataclasses.fields(Limits)]
    for text in texts:
        name, _, value = text.partition("=")
        if name not in names:
            raise BadLimit(f"there is no limit {name!r}", hint=f"limits are {', '.join(names)}")
        digits, unit = (value[:-1], value[-1].upper()) if value[-1:].upper() in tuple("KMGT") else (value, "")
        if not digits.isascii() or not digits.isdigit() or not int(digits[:30]):
            raise BadLimit(f"{value!r} is no value of the limit {name}", hint="write a whole number, or 64M, 2G")
        changes[name] = int(digits[:30]) << {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}[unit]
    return dataclasses.replace(base, **changes)
