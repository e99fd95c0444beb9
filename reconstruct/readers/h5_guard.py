"""HDF5 files of strangers: links, types, filters and declared sizes are looked at before a value is read.

What HDF5 does by itself when it opens an object is little, but reading one opens external files, sources of virtual
datasets and plugins, unpacks whole chunks, and multiplies texts that share one heap object. So everything is asked of
the creation properties, and attributes of texts are measured in the bytes of their header.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

# Filters that come as plugins are code that HDF5 looks up in a folder; an empty path finds none (H5PL.c)
os.environ["HDF5_PLUGIN_PATH"] = "::"

import h5py
import numpy as np

from reconstruct.artifact import Finding
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import raw_hdf5

try:
    _plugins = h5py.h5pl
    while _plugins.size():
        _plugins.remove(0)
except (AttributeError, RuntimeError, ValueError):  # built without plugins
    pass

_FILTERS = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SHUFFLE: "shuffle",
    h5py.h5z.FILTER_FLETCHER32: "fletcher32",
    h5py.h5z.FILTER_LZF: "lzf",
}
_NUMBERS = (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.OPAQUE)  # bfloat16 is written as opaque
_NO_LINKS = "Keras writes no links; they are not followed, since they can reach outside the file"
_NOT_KERAS = "Keras writes plain arrays of numbers"
_RAISE = "if you trust the file, raise the limit: --limit {}=…"


class Budget:
    """What one file has declared and held so far, of datasets as often as they are named."""

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self.limits = limits
        self.declared = self.held = 0
        self._counted: set[int] = set()

    def take(self, dataset: h5py.h5d.DatasetID, where: str) -> Finding | None:
        """Count a dataset that is to be read; what is wrong if that is too much."""
        declared, held = _declared(dataset), int(dataset.get_storage_size())
        address = int(h5py.h5o.get_info(dataset).addr)
        self.declared += declared
        if address not in self._counted:
            self._counted.add(address)
            self.held += held
        if self.limits.too_much(self.declared, self.held):
            message = f"the file declares arrays of {self.declared} bytes in all and holds {self.held} bytes of them"
            return Finding("F_RESOURCE", "error", where, message, _RAISE.format("expansion_ratio"))
        return None


def _declared(holder: Any) -> int:
    """How many bytes a dataset or an attribute says that it has."""
    return _count(holder) * int(holder.get_type().get_size())


def _count(holder: Any) -> int:
    space = holder.get_space()
    kind = space.get_simple_extent_type()
    if kind != h5py.h5s.SIMPLE:
        return int(kind == h5py.h5s.SCALAR)
    return raw_hdf5.numbers(tuple(int(n) for n in space.get_simple_extent_dims()))


def of_dataset(dataset: h5py.h5d.DatasetID, where: str, limits: Limits = DEFAULT) -> Iterator[Finding]:
    """What is wrong with a dataset. Neither its values nor, if it is virtual, its sources are touched."""
    made = dataset.get_create_plist()
    layout = made.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        yield Finding("E_H5_VIRTUAL", "error", where, "the array is made of arrays in other files", _NO_LINKS)
        return
    if made.get_external_count():
        name = made.get_external(0)[0].decode("utf-8", "backslashreplace")
        yield Finding("E_H5_EXTERNAL_STORAGE", "error", where, f"its values lie in another file, {name!r}", _NO_LINKS)
        return
    for i in range(made.get_nfilters()):
        number, _, _, name = made.get_filter(i)
        if number not in _FILTERS:
            what = f"its values are packed by filter {number} ({name.decode('utf-8', 'backslashreplace')[:40]!r})"
            hint = f"read are {', '.join(_FILTERS.values())}; others are code from plugins"
            yield Finding("E_H5_FILTER", "error", where, what, hint)
    problem = _type_problem(dataset.get_type())
    if problem:
        yield Finding("E_H5_DTYPE", "error", where, f"it does not hold numbers but {problem}", _NOT_KERAS)
        return
    if layout == h5py.h5d.CHUNKED and made.get_nfilters():
        chunk = raw_hdf5.numbers(tuple(int(n) for n in made.get_chunk())) * int(dataset.get_type().get_size())
        if chunk > limits.chunk_bytes:
            message = f"one compressed chunk unpacks to {chunk} bytes (limit chunk_bytes={limits.chunk_bytes})"
            yield Finding("F_RESOURCE", "error", where, message, _RAISE.format("chunk_bytes"))
            return
    declared, held = _declared(dataset), int(dataset.get_storage_size())
    if limits.too_much(declared, held):
        message = f"the array declares {declared} bytes, and the file holds {held} bytes of it"
        yield Finding("F_RESOURCE", "error", where, message, _RAISE.format("expansion_ratio"))


def _type_problem(kind: h5py.h5t.TypeID) -> str | None:
    number = kind.get_class()
    if number == h5py.h5t.COMPOUND and kind.get_nmembers() == 2:  # complex numbers
        members = [kind.get_member_type(i).get_class() for i in range(2)]
        return None if members == [h5py.h5t.FLOAT] * 2 else "a compound type"
    names = {
        h5py.h5t.STRING: "text",
        h5py.h5t.REFERENCE: "references",
        h5py.h5t.VLEN: "arrays of variable length",
        h5py.h5t.COMPOUND: "a compound type",
        h5py.h5t.ARRAY: "arrays",
        h5py.h5t.BITFIELD: "bits",
        h5py.h5t.TIME: "times",
    }
    return None if number in _NUMBERS else names.get(number, f"type class {number}")


def attribute_problem(object_id: Any, name: str, raw: raw_hdf5.File | None, limits: Limits = DEFAULT) -> Finding | None:
    """What is wrong with reading an attribute: its type, or the size of what it would make."""
    attribute = h5py.h5a.open(object_id, name.encode("utf-8", "surrogateescape"))
    kind = attribute.get_type()
    size = _declared(attribute)
    where = f"@{name}"
    number = kind.get_class()
    if number == h5py.h5t.REFERENCE or (number == h5py.h5t.VLEN and kind.get_super().get_class() != h5py.h5t.INTEGER):
        return Finding("E_H5_DTYPE", "error", where, "the attribute holds references to other objects", _NOT_KERAS)
    if (number == h5py.h5t.STRING and kind.is_variable_str()) or number == h5py.h5t.VLEN:
        count = _count(attribute)
        measured = _text_size(object_id, name, raw)
        if measured is None:  # where the header is not understood: one text cannot be larger than the file
            measured = 0 if count <= 1 else count * 1024
        size = max(size, measured)
    if size > limits.attribute_bytes:
        message = f"the attribute makes {size} bytes (limit attribute_bytes={limits.attribute_bytes})"
        return Finding("F_RESOURCE", "error", where, message, _RAISE.format("attribute_bytes"))
    return None


def _text_size(object_id: Any, name: str, raw: raw_hdf5.File | None) -> int | None:
    """How many bytes the texts of an attribute take, as its header says."""
    if raw is None:
        return None
    try:
        header = raw.object(int(h5py.h5o.get_info(object_id).addr))
        data = header.attributes[name].data
    except (raw_hdf5.Gone, KeyError, ValueError):
        return None
    lengths = np.frombuffer(data[: len(data) // 16 * 16], np.uint8).reshape(-1, 16)[:, :4]
    return int(np.ascontiguousarray(lengths).view("<u4").astype(np.uint64).sum())


def walk(
    root: h5py.h5g.GroupID, raw: raw_hdf5.File | None, limits: Limits, name_problem: Callable[[str], str | None]
) -> Iterator[Finding]:
    """Everything that is wrong with the objects of a file, each looked at once. Nothing recurses or is followed."""
    seen = {int(h5py.h5o.get_info(root).addr)}
    todo: list[tuple[h5py.h5g.GroupID, str, int]] = [(root, "", 0)]
    declared = held = 0
    yield from _attributes(root, "/", raw, limits, name_problem)
    while todo:
        group, path, depth = todo.pop()
        if depth >= limits.h5_depth:
            message = f"groups are nested deeper than the limit h5_depth={limits.h5_depth}"
            yield Finding("E_H5_DEPTH", "error", path[:200], message, _RAISE.format("h5_depth"))
            continue
        for key in group:
            name = key.decode("utf-8", "surrogateescape")
            where = f"{path}/{name}"
            problem = name_problem(name)
            if problem:
                yield Finding("F_UNSAFE_NAME", "error", where[:300], f"the name {problem}", "it is shown escaped")
            link = group.links.get_info(key)
            if link.type == h5py.h5l.TYPE_SOFT:
                yield Finding("E_H5_SOFT_LINK", "error", where, "there is a soft link in place of an object", _NO_LINKS)
                continue
            if link.type != h5py.h5l.TYPE_HARD:
                target = _target(group, key) if link.type == h5py.h5l.TYPE_EXTERNAL else "of a kind of its own"
                message = f"there is a link to another file in place of an object: {target}"
                yield Finding("E_H5_EXTERNAL_LINK", "error", where, message, _NO_LINKS)
                continue
            child = h5py.h5o.open(group, key)
            address = int(h5py.h5o.get_info(child).addr)
            if address in seen:
                message = "the object has a second name; it is looked at once"
                yield Finding("W_H5_ALIAS", "warning", where, message, "Keras gives every object one name")
                continue
            seen.add(address)
            if len(seen) > limits.h5_objects:
                message = f"the file has more objects than the limit h5_objects={limits.h5_objects}"
                yield Finding("E_H5_COUNT", "error", where, message, _RAISE.format("h5_objects"))
                return
            yield from _attributes(child, where, raw, limits, name_problem)
            if isinstance(child, h5py.h5g.GroupID):
                todo.append((child, where, depth + 1))
            elif isinstance(child, h5py.h5d.DatasetID):
                found = list(of_dataset(child, where, limits))
                yield from found
                if not found:
                    declared, held = declared + _declared(child), held + int(child.get_storage_size())
            else:
                yield Finding("E_H5_DTYPE", "error", where, "it is a type, and no group or array", _NOT_KERAS)
    if limits.too_much(declared, held):
        message = f"the arrays of the file declare {declared} bytes in all, and it holds {held} bytes of them"
        yield Finding("F_RESOURCE", "error", "/", message, _RAISE.format("expansion_ratio"))


def _target(group: h5py.h5g.GroupID, key: bytes) -> str:
    file, path = group.links.get_val(key)
    return repr(f"{file.decode('utf-8', 'backslashreplace')}:{path.decode('utf-8', 'backslashreplace')}"[:200])


def _attributes(
    object_id: Any, where: str, raw: raw_hdf5.File | None, limits: Limits, name_problem: Callable[[str], str | None]
) -> Iterator[Finding]:
    for i in range(min(h5py.h5a.get_num_attrs(object_id), 10_000)):
        name = h5py.h5a.open(object_id, index=i).name.decode("utf-8", "surrogateescape")
        problem = name_problem(name)
        if problem:
            yield Finding("F_UNSAFE_NAME", "error", f"{where}@{name[:200]}", f"the name {problem}", "it is escaped")
        found = attribute_problem(object_id, name, raw, limits)
        if found:
            yield Finding(found.code, found.severity, f"{where}{found.path}", found.message, found.hint)
