"""Inputs to compare models on: seeded, of realistic scale, some at the edges, integers where indices are wanted, and
text where a model takes that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reconstruct.artifact import Graph, Layer, Ref, refs_in
from reconstruct.stock import LAYERS, LOOKUPS

# Sizes tried for axes the file leaves open, in sequences and in images. TensorFlow computes garbage, without an error,
# where a depthwise convolution is larger than its input, so images are not small to begin with.
OPEN_SIZES = (16, 32, 64, 128, 224, 8, 299, 100, 5, 3, 2, 1)
OPEN_IMAGE_SIZES = (128, 64, 224, 32, 16, 299, 100, 8, 5, 3, 2, 1)
BATCH = 3
SEED = 20240613


@dataclass(frozen=True)
class Input:
    """One input of a model: its batch shape (None where open), dtype, the number of indices it may take, the value that
    masks a step where the model has a Masking layer, and what the tables of the model know: words or whole numbers."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    limit: int | None = None
    mask: float | None = None
    known: tuple[str | int, ...] = ()

    def sized(self, size: int, rows: int = BATCH) -> tuple[int, ...]:
        """The shape with every open axis but the batch set to `size`."""
        batch = rows if self.shape[0] is None else self.shape[0]
        return (batch, *(size if n is None else n for n in self.shape[1:]))

    @property
    def open_axes(self) -> int:
        return sum(n is None for n in self.shape[1:])


def inputs_of(model: Layer, described: Iterable[tuple[str, tuple[int | None, ...], str]]) -> list[Input]:
    """The inputs of a model, each described by its name, batch shape and dtype."""
    limits, mask, tables = index_limits(model), mask_value(model), known_values(model)
    return [
        Input(
            name, shape, dtype, limits.get(name), mask, tuple(v for v in tables if isinstance(v, str) == _text(dtype))
        )
        for name, shape, dtype in described
    ]


def sizes_to_try(inputs: Sequence[Input]) -> tuple[int, ...]:
    """Sizes for the open axes of these inputs, the likeliest first; a single one where no axis is open."""
    axes = max((i.open_axes for i in inputs), default=0)
    return OPEN_IMAGE_SIZES if axes > 1 else OPEN_SIZES if axes else OPEN_SIZES[:1]


def forms_to_try(inputs: Sequence[Input]) -> tuple[tuple[int, Sequence[Input]], ...]:
    """Numbers of rows and inputs: the usual ones, then a single row, as graph networks take, and then indices that are
    all 0 where nothing says how many there are."""
    first = [replace(i, limit=1) if _is_index(i) and i.limit is None else i for i in inputs]
    return (BATCH, inputs), (1, inputs), (1, first)


def index_limits(model: Layer) -> dict[str, int]:
    """How many indices each input of a model takes, for those inputs that lead to an Embedding.

    Follows the layers that leave values as they are, wrappers, and nested models.
    """
    return {name: limit for name, limit in _limits(model).items() if limit is not None}


def mask_value(model: Layer) -> float | None:
    """The value that masks a step, of the first Masking layer anywhere in the model; None where it has none."""
    values = (n.config.get("mask_value", 0.0) for n in model.walk() if n.class_name == "Masking")
    return next((float(v) for v in values if isinstance(v, int | float)), None)


def known_values(model: Layer) -> tuple[str | int, ...]:
    """What the lookup tables anywhere in the model know."""
    tables = (n.config.get("vocabulary") for n in model.walk() if n.class_name in LOOKUPS)
    values = (v for table in tables if isinstance(table, list | tuple) for v in table)
    return tuple(dict.fromkeys(v for v in values if isinstance(v, str | int)))


_SAME_VALUES = {"Reshape", "Flatten", "Permute", "RepeatVector", "Dropout", "SpatialDropout1D", "Masking", "InputLayer"}
_SAME_VALUES_OPS = {"getitem", "cast", "reshape", "transpose", "expand_dims", "squeeze", "concatenate", "stack", "take"}


def _limits(model: Layer) -> dict[str, int | None]:
    graph = model.graph
    if graph is None:
        return {}
    if graph.sequential:
        first = graph.layers[0].name if graph.layers else ""
        for layer in graph.layers:
            limit = _limit_of(layer, 0)
            if limit is not None or not _keeps_values(layer):
                return {first: limit}
        return {}
    return {ref.layer: _follow(graph, ref, set()) for ref in refs_in(graph.inputs)}


def _follow(graph: Graph, ref: Ref, seen: set[Ref]) -> int | None:
    if ref in seen:
        return None
    seen.add(ref)
    found: list[int] = []
    for layer in graph.layers:
        for i, call in enumerate(layer.calls):
            refs = call.refs()
            if ref not in refs:
                continue
            limit = _limit_of(layer, refs.index(ref))
            if limit is None and _keeps_values(layer):
                limit = _follow(graph, Ref(layer.name, i), seen)
            if limit is not None:
                found.append(limit)
    return min(found) if found else None


def _limit_of(layer: Layer, position: int) -> int | None:
    if layer.class_name == "Embedding":
        return int(layer.config.get("input_dim", 1))
    if layer.class_name == "CategoryEncoding" and layer.config.get("num_tokens"):
        return int(layer.config["num_tokens"])
    if layer.class_name in ("Hashing", "HashedCrossing"):
        return _HASHED
    if layer.class_name == "TimeDistributed" and "layer" in layer.children:
        return _limit_of(layer.children["layer"], position)
    if layer.graph is not None:
        limits = list(_limits(layer).values())
        return limits[position] if position < len(limits) else None
    return _stated_limit(layer)


_HASHED = 10_000  # any number has a hash
_COUNTS = (
    "input_dim vocab_size vocabulary_size vocab num_words max_features n_vocab vocab_len num_embeddings token_num "
    "max_words num_tokens"
).split()


def _stated_limit(layer: Layer) -> int | None:
    """How many indices somebody's own layer takes, by the usual names of that argument."""
    if layer.class_name in LAYERS or layer.is_model or layer.class_name == "Op":
        return None
    return next((v for v in map(layer.config.get, _COUNTS) if isinstance(v, int) and v > 1), None)


def _keeps_values(layer: Layer) -> bool:
    if layer.class_name == "Op":
        return layer.config.get("function") in _SAME_VALUES_OPS
    return layer.class_name in _SAME_VALUES


def make(inputs: Sequence[Input], size: int, rows: int = BATCH) -> Iterator[list[np.ndarray]]:
    """Three probes, one array an input: normal values, values of images scaled to 0…1, and edges.

    Indices are uniform, or of those that the tables of the model know; texts are of words that they know and of others.
    The second probe is padded at the end of each row and the third at the start, as masked sequences are: indices with
    zeros, and the inputs of a model with a Masking layer with the value that masks a step. The third holds the largest
    index.
    """
    rng = np.random.default_rng(SEED)
    shapes = [i.sized(size, rows) for i in inputs]
    for make_one in (_normal, _image, _edge):
        yield [make_one(rng, i, s, n) for n, (i, s) in enumerate(zip(inputs, shapes, strict=True))]


def _normal(rng: np.random.Generator, each: Input, shape: tuple[int, ...], number: int) -> np.ndarray:
    if _text(each.dtype):
        return _texts(rng, each, shape, 1)
    return _indices(rng, each, shape) if _is_index(each) else rng.standard_normal(shape).astype(_dtype(each))


def _image(rng: np.random.Generator, each: Input, shape: tuple[int, ...], number: int) -> np.ndarray:
    if _text(each.dtype):
        return _texts(rng, each, shape, 4)
    array = _indices(rng, each, shape) if _is_index(each) else rng.random(shape).astype(_dtype(each))
    return _padded(array, each, number, end=True)


def _edge(rng: np.random.Generator, each: Input, shape: tuple[int, ...], number: int) -> np.ndarray:
    if _text(each.dtype):
        array = _texts(rng, each, shape, 2)
        array.reshape(-1)[:1] = ""
        return array
    if _is_index(each):
        return _edge_indices(rng, each, shape, number)
    return _padded(_edges(rng, each, shape), each, number, end=False)


# Words that few tables know: capitals, punctuation, other scripts, digits
_OTHER_WORDS = ("the", "The,", "NOT-known!", "über", "漢字", "42", "a")


def _texts(rng: np.random.Generator, each: Input, shape: tuple[int, ...], most: int) -> np.ndarray:
    """Texts of up to `most` words, half of which the tables of the model know."""
    pools = each.known or _OTHER_WORDS, _OTHER_WORDS
    made = []
    for _ in range(math.prod(shape)):
        words = [pools[n] for n in rng.integers(0, 2, rng.integers(1, most + 1))]
        made.append(" ".join(str(pool[rng.integers(len(pool))]) for pool in words))
    return np.array(made, dtype=np.str_).reshape(shape)


def _text(dtype: str) -> bool:
    return dtype == "string"


def _is_index(each: Input) -> bool:
    return each.limit is not None or "int" in each.dtype or each.dtype == "bool"


def _dtype(each: Input) -> str:
    return each.dtype if each.dtype.startswith(("float", "int", "uint", "bool")) else "float32"


_OWN_RANGE = {"uint8": 256, "int8": 100, "int16": 1000}


def _indices(rng: np.random.Generator, each: Input, shape: tuple[int, ...]) -> np.ndarray:
    if each.known and each.limit is None:
        return rng.choice(np.array([0, *each.known]), shape).astype(_dtype(each))
    limit = each.limit or _OWN_RANGE.get(each.dtype, 2)
    return rng.integers(0, max(1, limit), size=shape).astype(_dtype(each))


def _padded(array: np.ndarray, each: Input, number: int, end: bool) -> np.ndarray:
    """Sequences of several lengths, padded with the value that masks a step: at their end, or at their start with one
    more such step in the middle. Each input (its `number`) is padded differently."""
    value = 0 if _is_index(each) else each.mask
    rank = 2 if _is_index(each) else 3
    if value is None or array.ndim < rank or array.shape[1] < 3:
        return array
    for row in range(len(array)):
        count = 1 + ((row + number) % len(array) * array.shape[1]) // (2 * len(array))
        if end:
            array[row, -count:] = value
        else:
            array[row, :count] = value
            if not _is_index(each) and array.shape[1] > 3:
                array[row, -2] = value
    return array


def _edge_indices(rng: np.random.Generator, each: Input, shape: tuple[int, ...], number: int) -> np.ndarray:
    array = _padded(_indices(rng, each, shape), each, number, end=False)
    if each.limit:
        array.reshape(len(array), -1)[:, -1] = each.limit - 1
    return array


def _edges(rng: np.random.Generator, each: Input, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of zeros, of ones with changing sign, and of values three times as large."""
    array = 3.0 * rng.standard_normal(shape)
    if len(array) > 1:
        array[0] = 0.0
    if len(array) > 2:
        array[1] = np.sign(array[1])
    return array.astype(_dtype(each))
