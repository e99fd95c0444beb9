"""What a damaged file still holds, whatever kind of file it was."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from reconstruct.artifact import Finding
from reconstruct.errors import ConfigError, ReadError
from reconstruct.limits import Limits
from reconstruct.readers import json_guard
from reconstruct.readers.keras_zip import WEIGHTS
from reconstruct.readers.lost import SALVAGED, doubts
from reconstruct.readers.raw_hdf5 import Bytes, Object, Source
from reconstruct.readers.sniff import disguise, sniff
from reconstruct.salvage import copies, displaced, holes, signatures, transfers, zips
from reconstruct.salvage.copies import Copies
from reconstruct.salvage.hdf5 import Reader
from reconstruct.salvage.names import text_of
from reconstruct.salvage.pieces import Pieces
from reconstruct.salvage.tree import Node

Say: TypeAlias = Callable[[str], None]
# Findings after which all values may be wrong
DOUBTS = ("checksum_mismatch", "copies_differ", "doubted_before")
_GET_AGAIN = "get the file again from where it came from"


@dataclass
class Content:
    """The tree of groups and arrays, and the config as decoded JSON. `archive` says whether they were in a zip.

    `metadata` is that of a `.keras` file; `proved`, that the checksum of its weights matches.
    """

    archive: bool
    tree: Node
    config: Any = None
    metadata: Any = None
    proved: bool = False
    findings: list[Finding] = field(default_factory=list)


def read(paths: Sequence[Path], limits: Limits, say: Say = lambda message: None) -> Content:
    """What copies of one file hold. Raises `ReadError` for what is no model at all, and for what holds nothing."""
    kinds = {_kind(path) for path in paths}
    sources = [Bytes(_bytes(path)) for path in paths]
    names = [str(path) for path in paths]
    undone = [transfers.undone(source, name) for source, name in zip(sources, names, strict=True)]
    source = copies.together([s if u is None else u[0] for s, u in zip(sources, undone, strict=True)], names)
    held = sum(_held(path) for path in paths)
    content = _archive(source, limits, held, say) if "zip" in kinds or "unknown" in kinds else None
    if content is None:
        start = 0 if kinds == {"hdf5"} else signatures.start_of_hdf5(source)
        if start is None:
            message, hint = f"{names[0]} is no Keras model, or nothing of one is left in it", _GET_AGAIN
            inside = next(zips.names(source), None)
            if inside is not None:
                message, hint = f"{names[0]} is a zip archive, and no .keras file: it holds {inside}", "unpack it first"
            raise ReadError(message, path=names[0], hint=hint, code="E_NOT_A_MODEL")
        content = Content(False, Node(whole=False))
        _tree(content, source, lambda each: zips.Part(each, start), start, limits, held, say)
        content.config = _of_attribute(content, limits)
    for name, each in zip(names, undone, strict=True):
        if each is not None:
            hint = "transfer it in binary mode"
            content.findings.append(
                Finding("taken_for_text", "warning", "", f"{name}: {each[1]}; this was undone", hint)
            )
    _of_earlier_salvage(content, limits)
    return content


def _of_earlier_salvage(content: Content, limits: Limits) -> None:
    """What was salvaged before lacks what was lost then, and its doubts stay."""
    text = content.tree.attributes.get(SALVAGED)
    if text is None:
        return
    message = "the file is itself what was salvaged of a damaged one"
    content.findings.append(Finding("salvaged", "warning", "", message, "salvage the original, or copies of it"))
    try:
        before = doubts(text_of(text), limits)
    except ConfigError:
        before = ["its earlier doubts cannot be read"]
    content.findings += [Finding("doubted_before", "warning", "", doubt) for doubt in before]


def _kind(path: Path) -> str:
    """`hdf5`, `zip` or `unknown`, where the beginning is damaged. Raises `ReadError` for what is another thing."""
    try:
        kind = sniff(path)
    except ReadError as error:
        if error.code != "E_NOT_A_MODEL":
            raise
        with path.open("rb") as file:
            if disguise(file.read(4096)) is not None:
                raise
        return "unknown"
    if kind not in ("hdf5", "zip"):
        what = "a folder" if kind == "directory" else "JSON text"
        hint = "give the .h5 or .keras file, also the weights in a folder"
        raise ReadError(f"{path} is {what}, of which nothing can be salvaged", path=str(path), hint=hint)
    return kind


def _bytes(path: Path) -> Any:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _held(path: Path) -> int:
    """The bytes that a file takes: one with holes may say that it has a thousand times as many."""
    state = path.stat()
    return min(state.st_size, getattr(state, "st_blocks", state.st_size) * 512)


def _archive(source: Copies, limits: Limits, held: int, say: Say) -> Content | None:
    """What is in a `.keras` archive; None where it is none."""
    say("looking for the members of an archive")
    found = zips.members(source, ("config.json", "metadata.json", WEIGHTS), limits)
    if not found:
        return None
    content = Content(True, Node(whole=False))
    content.config, content.metadata = (
        _json(content, name, found.get(name), limits) for name in ("config.json", "metadata.json")
    )
    for member in found.values():
        if member.twice:
            message = f"the archive has {member.name} twice; the first was taken"
            content.findings.append(Finding("copies_differ", "error", member.name, message, _GET_AGAIN))
    weights = found.get(WEIGHTS)
    if weights is None:
        start = signatures.start_of_hdf5(source)
        if start is not None:
            _tree(content, source, lambda each: zips.Part(each, start), start, limits, held, say)
        return content
    content.proved = weights.state == "whole"
    if weights.state == "changed":
        message = f"the checksum of {WEIGHTS} does not match: at least one byte in it is another than was saved"
        hint = "no array of the file can be told from one that was changed; compare with another copy: salvage A B"
        content.findings.append(Finding("checksum_mismatch", "error", WEIGHTS, message, hint))
    if isinstance(weights.source, zips.Part):
        part = weights.source
        _tree(content, source, lambda each: zips.Part(each, part.start, part.size), part.start, limits, held, say)
    else:
        content.tree = Reader(weights.source, limits, say=say).tree()
    return content


def _tree(
    content: Content,
    source: Copies,
    part: Callable[[Copies], zips.Part],
    start: int,
    limits: Limits,
    held: int,
    say: Say,
) -> None:
    """Read the tree with each copy as the first, since a structure that is damaged in one may be whole in another."""
    trees = []
    turns = list(source.turned()) if len(source.different) else [source]
    for turn in turns:
        reader = Reader(part(turn), limits, lambda a, b: source.doubtful(start + a, start + b), held, say)
        trees.append(reader.tree())
        if len(source.copies) == 1 and not limits.too_much(source.size, held):
            pieces = _in_place(content, source, trees[0])
            if pieces is not None:
                content.tree = Reader(pieces, limits, held=held, say=say).tree()
                return
        if turn is turns[0] and reader.deleted:
            content.findings.append(_deleted(reader.deleted))
        if turn is turns[0] and reader.declared is not None:
            missing = reader.declared - reader.file.source.size  # it counts what is before the base address, too
            if missing > 0:
                message = f"the last {missing} of {reader.declared} bytes are missing"
                content.findings.append(Finding("truncated", "error", "", message, _GET_AGAIN))
    content.tree, contradictions = copies.merged(trees)
    for where in contradictions:
        message = "the copies contradict each other here; what the first one says is kept"
        content.findings.append(Finding("copies_differ", "warning", where, message))


def _in_place(content: Content, source: Source, tree: Node) -> Pieces | None:
    """The source with each part in its place and without what is not its own, if what its tables miss shows that this
    is not so."""
    if all(node.whole and (node.array is None or node.array.shape is not None) for _, node in tree.walk()):
        return None
    start = next(signatures.of_hdf5(source), 0)
    places = displaced.structures(source, start)
    pieces = displaced.realigned(source, start, places)
    if pieces is not None:
        first, *others = pieces.pieces
        parts = ", ".join(f"from {p.start} on by {p.shift - first.shift}" for p in others[:5])
        message = (
            f"parts of the file are not in their places, since bytes were lost or put in before them: {parts}"
            f"{', …' if len(others) > 5 else ''}; they were read where they are, and what lies between them is lost"
        )
        content.findings.append(Finding("displaced", "error", "", message, _GET_AGAIN))
        return pieces
    pieces = holes.without(source, start, places)
    if pieces is not None:
        kept = ", ".join(f"{p.start} to {p.end}" for p in pieces.pieces[:5])
        message = f"zeros, or another file's bytes, stand in place of a part of the file; its own are those from {kept}"
        content.findings.append(Finding("overwritten", "error", "", message, _GET_AGAIN))
    return pieces


def _deleted(headers: Sequence[Object]) -> Finding:
    shapes = ", ".join(str(header.shape) for header in headers[:5] if header.is_dataset)
    message = f"{len(headers)} objects were deleted from the file before, since no group has them: {shapes or 'groups'}"
    return Finding("deleted", "info", "", message, "they are no part of the model, and are not written")


def _json(content: Content, name: str, member: zips.Member | None, limits: Limits) -> Any:
    """The value of a JSON member; None where a part of it is lost, which is then a finding."""
    if member is None:
        content.findings.append(Finding("config_lost", "error", name, f"the archive has no {name} any more"))
        return None
    reason = {"cut": "its end is lost", "changed": "its checksum does not match"}.get(member.state)
    if reason is None and member.source.size <= limits.json_bytes:
        try:
            value = json_guard.decode(member.source.read(0, member.source.size), member.name, limits)[0]
            if isinstance(value, dict) and (name != "config.json" or "class_name" in value):
                return value
            reason = "it is no JSON object" if not isinstance(value, dict) else "it describes no model"
        except ConfigError as error:
            reason = str(error)
    message = f"{member.name} cannot be read: {reason or 'it is larger than any config'}"
    content.findings.append(Finding("config_lost", "error", member.name, message))
    return None


def _of_attribute(content: Content, limits: Limits) -> Any:
    """The config that a legacy file has in an attribute; one that cannot be decoded is taken away."""
    text = content.tree.attributes.get("model_config")
    if text is None:
        return None
    try:
        value = json_guard.decode(text_of(text), "model_config", limits)[0]
        if not isinstance(value, dict):
            raise ConfigError("it is no JSON object")
        return value
    except ConfigError as error:
        del content.tree.attributes["model_config"]
        message = f"the architecture cannot be read: {error}"
        content.findings.append(Finding("config_lost", "error", "model_config", message))
        return None
