"""TensorFlow SavedModels without TensorFlow: operations that reach outside the graph, assets outside the folder.

Field numbers are those of tensorflow/core/protobuf: saved_model.proto, meta_graph.proto; and of
tensorflow/core/framework: graph.proto, function.proto, node_def.proto, attr_value.proto, tensor.proto.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from reconstruct.artifact import Finding
from reconstruct.limits import Limits
from reconstruct.scanning import names
from reconstruct.scanning.protobuf import ProtoError, fields

# Operations that read or write files, run Python or reach into the network. SaveV2, RestoreV2, MergeV2Checkpoints and
# ShardedFilename are in every SavedModel: its own saving and restoring.
REACHING_OPS = frozenset(
    (
        "ReadFile WriteFile MatchingFiles WholeFileReader WholeFileReaderV2 FixedLengthRecordReader "
        "FixedLengthRecordReaderV2 TextLineReader TextLineReaderV2 TFRecordReader TFRecordReaderV2 LMDBReader "
        "IdentityReader IdentityReaderV2 ReaderRead ReaderReadV2 TextLineDataset FixedLengthRecordDataset "
        "FixedLengthRecordDatasetV2 TFRecordDataset TFRecordDatasetV2 SqlDataset LMDBDataset CSVDataset CSVDatasetV2 "
        "BigtableDataset SaveDataset SaveDatasetV2 LoadDataset DatasetToTFRecord DatasetToTFRecordV2 "
        "ExperimentalDatasetToTFRecord SnapshotDataset SnapshotDatasetV2 CacheDataset CacheDatasetV2 "
        "PyFunc PyFuncStateless EagerPyFunc Save SaveSlices Restore RestoreSlice PrintV2 Print "
        "DebugIdentity DebugIdentityV2 DebugNanCount DebugNumericSummary DebugNumericSummaryV2 "
        "CreateSummaryFileWriter WriteSummary WriteScalarSummary WriteGraphSummary WriteRawProtoSummary "
        "ImportEvent RpcCall RpcClient RpcServer Rpc TryRpc DataServiceDataset DataServiceDatasetV2 "
        "RegisterDataset RegisterDatasetV2 DistributedSave"
    ).split()
)
_HINT = "it is never run here; do not load the model where you do not trust its author"
_MOST_NESTED = 8  # graphs in constants of graphs


def check(folder: Path, limits: Limits) -> Iterator[Finding]:
    """Everything in a SavedModel's folder that its user should know before it is loaded."""
    for root, folders, files in os.walk(folder):  # follows no links
        for name in (*folders, *files):
            path = Path(root) / name
            where = str(path.relative_to(folder))
            if path.is_symlink():
                message = "there is a symbolic link in place of a file; TensorFlow would follow it"
                yield Finding("E_ASSET_PATH", "error", where, message, "give the folder with the files themselves")
            problem = names.problem(name, limits)
            if problem:
                yield Finding("F_UNSAFE_NAME", "error", where[:300], f"the name {problem}", "it is shown escaped")
    graph = folder / "saved_model.pb"
    if not graph.is_file() or graph.is_symlink():
        message = "there is no saved_model.pb that can be read; graphs as text (.pbtxt) are not looked at"
        yield Finding("W_NOT_INSPECTED", "warning", "saved_model.pb", message)
        return
    size = graph.stat().st_size
    if size > limits.proto_bytes:
        message = f"it has {size} bytes (limit proto_bytes={limits.proto_bytes})"
        yield Finding("F_RESOURCE", "error", "saved_model.pb", message, "raise it: --limit proto_bytes=…")
        return
    yield from graph_findings(graph.read_bytes(), limits)


def graph_findings(data: bytes, limits: Limits) -> Iterator[Finding]:
    """What is to be said of the bytes of saved_model.pb."""
    walker = _Walker(limits)
    try:
        _refuse_depth(memoryview(data), limits)
        for number, value in fields(memoryview(data)):
            if number == 2 and isinstance(value, memoryview):
                yield from walker.meta_graph(value)
    except ProtoError as error:
        message = f"saved_model.pb is damaged, or made to harm: {error}"
        yield Finding("E_PROTO", "error", "saved_model.pb", message, "get the folder again")


def _refuse_depth(data: memoryview, limits: Limits) -> None:
    """Raises `ProtoError` where messages nest so deep that parsers that recurse would fail.

    Followed is, at each level, the field that makes up most of the message: depth is cheap only where little is beside.
    """
    for _ in range(limits.proto_depth):
        largest = data[:0]
        try:
            for number, value in fields(data):
                if isinstance(value, memoryview) and len(value) > len(largest) and number < 1000:
                    largest = value
        except ProtoError:
            return
        if len(largest) * 10 < len(data) * 8 or len(largest) < 2:
            return
        data = largest
    raise ProtoError(f"messages nest deeper than the limit proto_depth={limits.proto_depth}")


class _Walker:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.count = 0
        self.said: set[str] = set()

    def fields(self, data: memoryview) -> Iterator[tuple[int, memoryview]]:
        """The fields of a message that have a length. Raises `ProtoError` for more than the limits allow."""
        for number, value in fields(data):
            self.count += 1
            if self.count > self.limits.proto_fields:
                raise ProtoError(f"it has more fields than the limit proto_fields={self.limits.proto_fields}")
            if isinstance(value, memoryview):
                yield number, value

    def meta_graph(self, data: memoryview) -> Iterator[Finding]:
        for number, value in self.fields(data):
            if number == 2:
                yield from self.graph(value, "graph", 0)
            elif number == 5:
                yield from self.asset(value)

    def asset(self, data: memoryview) -> Iterator[Finding]:
        for number, value in self.fields(data):
            name = bytes(value).decode("utf-8", "backslashreplace") if number == 2 else ""
            parts = re.split(r"[/\\]", name)
            if ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z][\w+.-]*:", name):
                message = f"the asset {name[:120]!r} lies outside the folder of assets"
                yield Finding("E_ASSET_PATH", "error", "assets", message, "it is not opened")

    def graph(self, data: memoryview, where: str, nested: int) -> Iterator[Finding]:
        for number, value in self.fields(data):
            if number == 1:
                yield from self.node(value, where, nested)
            elif number == 2:
                for kind, function in self.fields(value):
                    if kind == 1:
                        yield from self.function(function, nested)

    def function(self, data: memoryview, nested: int) -> Iterator[Finding]:
        name = "function"
        nodes = []
        for number, value in self.fields(data):
            if number == 1:
                name = next((_text(v) for n, v in self.fields(value) if n == 1), name)
            elif number == 3:
                nodes.append(value)
        for node in nodes:
            yield from self.node(node, name, nested)

    def node(self, data: memoryview, where: str, nested: int) -> Iterator[Finding]:
        name = op = ""
        attributes = []
        for number, value in self.fields(data):
            if number == 1:
                name = _text(value)
            elif number == 2:
                op = _text(value)
            elif number == 5:
                attributes.append(value)
        place = f"{where}/{name}"[:300]
        if op in REACHING_OPS and op not in self.said:
            self.said.add(op)
            message = f"the graph has the operation {op}, which reaches outside it"
            yield Finding("F_TF_OP", "error", place, message, _HINT)
        problem = names.problem(name, self.limits)
        if problem:
            yield Finding("F_UNSAFE_NAME", "error", where[:200], f"the name of an operation {problem}", "")
        for attribute in attributes:
            for number, value in self.fields(attribute):
                if number == 2:
                    yield from self.value(value, place, nested, 0)

    def value(self, data: memoryview, where: str, nested: int, depth: int) -> Iterator[Finding]:
        """An attribute: texts, tensors and lists of them may hold graphs."""
        if depth > self.limits.proto_depth:
            raise ProtoError(f"values nest deeper than the limit proto_depth={self.limits.proto_depth}")
        for number, value in self.fields(data):
            if number == 2:
                yield from self.perhaps_graph(value, where, nested)
            elif number == 8:
                for kind, inner in self.fields(value):
                    if kind in (4, 8):
                        yield from self.perhaps_graph(inner, where, nested)
            elif number == 1:  # a list
                yield from self.value(value, where, nested, depth + 1)
            elif number == 10:  # a function with attributes of its own
                for kind, inner in self.fields(value):
                    if kind == 2:
                        for n, v in self.fields(inner):
                            if n == 2:
                                yield from self.value(v, where, nested, depth + 1)

    def perhaps_graph(self, data: memoryview, where: str, nested: int) -> Iterator[Finding]:
        """A constant whose bytes are a serialized graph, as those of datasets are."""
        if len(data) < 8 or data[0] != 0x0A or not _looks_like_graph(data):
            return
        if nested >= _MOST_NESTED:
            raise ProtoError("graphs are nested in constants of graphs")
        found = []
        try:
            found = list(self.graph(data, f"{where}/(graph in a constant)"[:300], nested + 1))
        except ProtoError:
            if nested + 1 >= _MOST_NESTED:
                raise
        yield from found


def _looks_like_graph(data: memoryview) -> bool:
    try:
        for i, (number, value) in enumerate(fields(data)):
            if i == 0:
                inner = dict(list(fields(value))[:50]) if isinstance(value, memoryview) else {}
                if not (isinstance(inner.get(1), memoryview) and isinstance(inner.get(2), memoryview)):
                    return False
            if number not in (1, 2, 3, 4) or i > 20:
                return i > 20
        return True
    except ProtoError:
        return False


def _text(value: memoryview) -> str:
    return bytes(value[:100_000]).decode("utf-8", "surrogateescape")
