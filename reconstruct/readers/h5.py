"""HDF5 files: whole models and weights of Keras 0.3 to 3.15, as `keras/engine/saving.py` and its kin wrote them."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from reconstruct.artifact import Artifact, Group, Tensor, Training, Writer
from reconstruct.errors import ConfigError, ReadError
from reconstruct.limits import DEFAULT, Limits
from reconstruct.readers import h5_guard, json_guard, legacy_weights, lost, object_weights, parse, raw_hdf5


class H5Source:
    """An HDF5 file (a path, or a binary file object) that is opened when something is first read from it.

    `check` is called once, before the first array is read; it raises `ReadError` where the bytes are damaged.
    """

    def __init__(
        self, file: Any, name: str, check: Callable[[], None] = lambda: None, limits: Limits = DEFAULT
    ) -> None:
        self._file = file
        self.name = name
        self.limits = limits
        self._budget = h5_guard.Budget(limits)
        self._raw: raw_hdf5.File | None = None
        self._open: h5py.File | None = None
        self._check: Callable[[], None] | None = check

    @property
    def root(self) -> h5py.File:
        """Raises `ReadError` where HDF5 cannot read the file."""
        if self._open is None:
            try:
                self._open = h5py.File(_stream_if_open(self._file), "r")
            except OSError as error:
                raise ReadError(
                    f"{self.name} is damaged: {reason(error)}",
                    path=self.name,
                    hint="get the file again, or take out of it what it still holds: reconstruct salvage",
                    code="E_HDF5_CORRUPT",
                ) from error
            self._raw = raw_hdf5.of_file(self._file)
        return self._open

    def get(self, group: h5py.Group, path: str) -> Any:
        """The group or dataset at `path` below `group`, or None.

        Links that leave the file are refused, one path component at a time: following one opens another file.
        """
        node: Any = group
        for part in [p for p in path.split("/") if p]:
            if not isinstance(node, h5py.Group):
                return None
            link = node.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise ReadError(
                    f"{self.name} holds a link in place of {node.name}/{part}",
                    path=f"{node.name}/{part}",
                    hint="Keras writes no links; they are not followed, since they can reach outside the file",
                    code="E_H5_SOFT_LINK" if isinstance(link, h5py.SoftLink) else "E_H5_EXTERNAL_LINK",
                )
            node = node[part]
        return node

    def attribute(self, node: Any, name: str) -> Any:
        """The value of an attribute, None where there is none. Raises `ReadError` for one that is too large to read."""
        if name not in node.attrs:
            return None
        problem = h5_guard.attribute_problem(node.id, name, self._raw, self.limits)
        if problem is not None:
            raise ReadError(f"{self.name}: {name}: {problem.message}", path=name, hint=problem.hint, code=problem.code)
        try:
            return node.attrs[name]
        except (OSError, KeyError) as error:
            message = f"{self.name}: the attribute {name} cannot be read: {reason(error)}"
            raise ReadError(message, path=name, code="E_HDF5_CORRUPT") from error

    def tensor(self, dataset: h5py.Dataset, name: str) -> Tensor:
        """`dataset` as a tensor that is read when asked for.

        Raises `ReadError` for data that lies in another file and for types that are not numbers.
        """
        where = str(dataset.name)
        if (marked := lost.marked(self, dataset, name)) is not None:
            return marked
        problem = next(h5_guard.of_dataset(dataset.id, where, self.limits), None)
        problem = problem or self._budget.take(dataset.id, where)
        if problem is not None:
            message = f"{self.name}: {where}: {problem.message}"
            raise ReadError(message, path=where, hint=problem.hint, code=problem.code)

        def read() -> np.ndarray:
            if self._check is not None:
                self._check()
                self._check = None
            try:
                return np.asarray(self.root[where][()])
            except (OSError, KeyError) as error:
                raise ReadError(f"{self.name}: {where} cannot be read: {reason(error)}", path=where) from error

        return Tensor(name, tuple(dataset.shape), dataset.dtype.name, read, (where,))


def read(path: Path, limits: Limits = DEFAULT) -> Artifact:
    """The model in an HDF5 file; `Artifact.model` is None where the file holds weights only."""
    source = H5Source(path, str(path), limits=limits)
    root = source.root
    writer = _writer(source, root)
    salvaged = tuple(lost.findings(source, root))
    if "model_config" in root.attrs:
        where = f"{path}: model_config"
        config, model, unusable = parse.usable(lambda: decode_json(_config_text(source, root, path), where, limits))
        if writer.keras is None and isinstance(config, Mapping):
            writer = Writer(config.get("keras_version"), config.get("backend") or writer.backend)
        group = source.get(root, "model_weights")
        groups = legacy_groups(source, group) if isinstance(group, h5py.Group) else {}
        tensors = (*(t for group in groups.values() for t in group), *object_weights.unnamed(source, root))
        training = _training(source, root)
        if unusable is not None or (tensors and parse.is_empty(model)):
            found = (*salvaged, parse.left_aside(unusable, tensors))
            listed = _listed(groups)
            return Artifact(str(path), "h5-model", writer, None, writer, tensors, training, found, groups=listed)
        assert model is not None
        model, findings = legacy_weights.attach(model, groups, writer)
        return Artifact(str(path), "h5-model", writer, model, writer, tensors, training, (*salvaged, *findings))
    if "layer_names" in root.attrs or "layer_names0" in root.attrs or "nb_layers" in root.attrs:
        groups = legacy_groups(source, root)
        tensors = (*(t for group in groups.values() for t in group), *object_weights.unnamed(source, root))
        listed = _listed(groups)
        return Artifact(str(path), "h5-weights", writer, None, writer, tensors, None, salvaged, groups=listed)
    tensors = tuple(object_weights.tensors(object_weights.tree(source, root)))
    if "layers" in root or "_layer_checkpoint_dependencies" in root or "vars" in root:
        listed = object_weights.groups(source, root)
        return Artifact(
            str(path), "weights-h5", Writer(None), None, Writer(None), tensors, None, salvaged, groups=listed
        )
    raise ReadError(
        f"{path} is an HDF5 file, but not one that Keras wrote: it has neither a model config nor layer names",
        path=str(path),
        hint="give the file that model.save() or save_weights() wrote",
    )


def _listed(groups: Mapping[str, list[Tensor]]) -> tuple[Group, ...]:
    return tuple(Group(name, None, tuple(found)) for name, found in groups.items())


class _Stream(io.FileIO):
    """A file that is closed when HDF5, which opens it no other way, lets go of it."""

    def __del__(self) -> None:
        self.close()


def _stream_if_open(file: Any) -> Any:
    """The file, as a stream where it is one that HDF5 has open by its path: that would be read in its place, as it was
    then, also after another program wrote it anew (H5Fint.c, `H5F_open`, and `H5F__sfile_search`)."""
    if not isinstance(file, str | os.PathLike):
        return file
    with contextlib.suppress(OSError):
        here = Path(file).stat()
        for each in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_ALL):
            with contextlib.suppress(OSError, ValueError, RuntimeError):  # a stream has no path
                if os.path.samestat(Path(os.fsdecode(h5py.h5f.get_name(each))).stat(), here):
                    return _Stream(file)
    return file


def legacy_groups(source: H5Source, group: h5py.Group) -> dict[str, list[Tensor]]:
    """The tensors of each layer group, in the file's order (Keras 2.2.4, engine/saving.py)."""
    if "nb_layers" in group.attrs:  # Keras 0.3 and older
        groups = {}
        numbers = sorted(int(name[6:]) for name in group if re.fullmatch(r"layer_\d{1,9}", name))
        for k in (number for number in numbers if number < int(group.attrs["nb_layers"])):
            layer = source.get(group, f"layer_{k}")
            count = min(int(layer.attrs["nb_params"]), 1000) if layer is not None else 0
            names = [f"param_{p}" for p in range(count)]
            groups[f"layer_{k}"] = [source.tensor(_dataset(source, layer, n), n) for n in names]
        return groups
    groups = {}
    for layer_name in dict.fromkeys(names_attribute(source, group, "layer_names")):  # once each
        layer = source.get(group, layer_name)
        if layer is None:
            raise ReadError(f"{source.name}: the weights of {layer_name} are missing", path=layer_name)
        names = names_attribute(source, layer, "weight_names")
        groups[layer_name] = [source.tensor(_dataset(source, layer, n), n) for n in names]
    top = source.get(group, "top_level_model_weights")
    if isinstance(top, h5py.Group):
        names = names_attribute(source, top, "weight_names")
        if names:
            groups["top_level_model_weights"] = [source.tensor(_dataset(source, top, n), n) for n in names]
    return groups


def names_attribute(source: H5Source, group: h5py.Group, name: str) -> list[str]:
    """A list of names; Keras splits one that exceeds 64 KB over `name0`, `name1`, … (Keras 2.1.3)."""
    if name in group.attrs:
        return [_text(n) for n in np.atleast_1d(source.attribute(group, name))]
    found: list[str] = []
    chunk = 0
    while f"{name}{chunk}" in group.attrs:
        found.extend(_text(n) for n in np.atleast_1d(source.attribute(group, f"{name}{chunk}")))
        chunk += 1
    return found


def decode_json(text: str, where: str, limits: Limits = DEFAULT) -> Any:
    """Raises `ConfigError` for text that is not JSON, or more than the limits allow."""
    return json_guard.decode(text, where, limits)[0]


def _dataset(source: H5Source, group: h5py.Group, name: str) -> h5py.Dataset:
    dataset = source.get(group, name)
    if not isinstance(dataset, h5py.Dataset):
        raise ReadError(f"{source.name}: the tensor {group.name}/{name} is missing", path=f"{group.name}/{name}")
    return dataset


def _writer(source: H5Source, root: h5py.File) -> Writer:
    version, backend = source.attribute(root, "keras_version"), source.attribute(root, "backend")
    weights = source.get(root, "model_weights")
    if weights is not None:
        version = source.attribute(weights, "keras_version") if version is None else version
        backend = source.attribute(weights, "backend") if backend is None else backend
    return Writer(None if version is None else _text(version), None if backend is None else _text(backend))


def _training(source: H5Source, root: h5py.File) -> Training | None:
    if "training_config" not in root.attrs:
        return None
    try:
        text = _text(source.attribute(root, "training_config"))
        config = decode_json(text, "training_config", source.limits)
    except ConfigError:
        config = {}
    group = source.get(root, "optimizer_weights")
    tensors: list[Tensor] = []
    if isinstance(group, h5py.Group):
        for name in names_attribute(source, group, "weight_names"):
            dataset = source.get(group, name)
            if isinstance(dataset, h5py.Dataset):
                tensors.append(source.tensor(dataset, name))
    if any(tensor.lost for tensor in tensors):  # a state without a part of it is none
        tensors = []
    return Training(config if isinstance(config, Mapping) else {}, tuple(tensors))


def _config_text(source: H5Source, root: h5py.File, path: Path) -> str:
    value = source.attribute(root, "model_config")
    try:
        return _text(value)
    except ConfigError as error:
        message = f"{path}: model_config should be JSON text and is {_kind(value)}"
        raise ConfigError(message, path=str(path), hint=error.hint, code="E_CONFIG_TYPE") from error


def _kind(value: Any) -> str:
    dtype = getattr(value, "dtype", None)
    return f"{type(value).__name__} of {dtype}" if isinstance(value, np.ndarray) else type(value).__name__


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise ConfigError(f"expected text, found {type(value).__name__}", hint="the file is damaged")
    return value


def reason(error: Exception) -> str:
    """Why HDF5 does not open or read something, in words that say it."""
    text = str(error)
    if "truncated file" in text:
        sizes = re.search(r" eof = (\d+),.* stored_eof = (\d+)", text)
        what = f"{sizes[1]} of {sizes[2]} bytes are there" if sizes else "shorter than its own header says"
        return f"it is truncated ({what})"
    return text.replace("Unable to synchronously open file ", "").replace("Unable to open file ", "").strip("()") or (
        type(error).__name__
    )


__all__ = ["H5Source", "decode_json", "legacy_groups", "names_attribute", "read", "reason"]
