"""Small random models: the one strategy `recipes`.

They are drawn with the Keras that is to write them at hand, whose symbolic calls tell the shapes.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.generated.layers import FAMILIES, Options, choose, few, flag
from tests.generated.models import Recipe, Shape, Spec, called, input_of, keras_of, layer_of

_ATTENTION = ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention")  # they take two tensors
_MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
_MOST_NUMBERS = 600  # that a tensor may have in a row
_OPEN = 5  # for an open axis in that
# The stock layers that these strategies draw besides those of families
DRAWN = {*_MERGES, "Concatenate", "Dot", "Embedding", "ReversibleEmbedding", "CategoryEncoding", "IntegerLookup"}
DRAWN |= {"Hashing", "HashedCrossing", "StringLookup", "TextVectorization"}


@contextlib.contextmanager
def _own_random() -> Iterator[None]:
    """Keras takes seeds from `random`, whose state is Hypothesis's while it draws."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


@dataclass
class _Draft:
    """A model while it is drawn: symbolic tensors of the Keras that will write it, and what made them."""

    keras: Any
    inputs: list[tuple[Shape, str]] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)
    layers: list[Spec | Recipe] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)
    calls: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)

    @property
    def keras_3(self) -> bool:
        return bool(self.keras.__name__ == "keras")

    def shape(self, number: int) -> Shape:
        return tuple(self.tensors[number].shape)

    def add_input(self, shape: Shape, dtype: str) -> None:
        self.inputs.append((shape, dtype))
        self.tensors.append(input_of(self.keras, shape, dtype))

    def add(self, spec: Spec | Recipe, arguments: tuple[int, ...]) -> bool:
        """Call a new layer; False where Keras refuses these arguments, and nothing is added."""
        try:
            with _own_random():
                layer = layer_of(spec, self.keras, len(self.layers))
                output = called(layer, [self.tensors[i] for i in arguments])
        except (ValueError, TypeError, NotImplementedError, AttributeError, ZeroDivisionError):
            return False
        if not self._usable(output):
            return False
        self.layers.append(spec)
        self.made.append(layer)
        self.calls.append((len(self.layers) - 1, arguments))
        self.tensors.append(output)
        return True

    def again(self, number: int, arguments: tuple[int, ...]) -> None:
        """Call a layer that is there already once more."""
        with _own_random():
            self.tensors.append(called(self.made[number], [self.tensors[i] for i in arguments]))
        self.calls.append((number, arguments))

    def _usable(self, output: Any) -> bool:
        if isinstance(output, list | tuple | dict):
            return False
        shape = tuple(output.shape)
        sizes = [_OPEN if n is None else n for n in shape[1:]]
        known = bool(sizes) and shape[-1] is not None and all(isinstance(n, int) and n > 0 for n in sizes)
        return known and 2 <= len(shape) <= 6 and np.prod(sizes) <= _MOST_NUMBERS


_input_shapes = st.one_of(
    st.tuples(st.none(), st.integers(1, 5)),
    st.tuples(st.none(), st.integers(3, 6), st.integers(1, 4)),
    st.tuples(st.none(), st.integers(4, 7), st.integers(4, 7), st.integers(1, 3)),
    st.tuples(st.none(), st.integers(2, 4), st.integers(3, 4), st.integers(3, 4), st.integers(1, 2)),
)


def _opened(shape: Shape, axes: frozenset[int]) -> Shape:
    """The shape with some of the axes open that are neither the batch nor the last."""
    return tuple(None if i in axes and i < len(shape) - 1 else n for i, n in enumerate(shape))


_shapes = _input_shapes | st.builds(
    _opened, _input_shapes, st.sampled_from([frozenset({1}), frozenset({1, 2}), frozenset({2})])
)


@st.composite
def recipes(draw: Any, writer: str, depth: int = 0, shapes: tuple[Shape, ...] | None = None) -> Recipe:
    """Models that this Keras can write: sequential and functional, with layers that are shared or models themselves,
    several inputs and outputs, and every stock layer with arguments that it takes."""
    draft = _Draft(keras_of(writer))
    sequential = draw(flag) if shapes is None or len(shapes) == 1 else False
    if shapes is not None:
        for shape in shapes:
            draft.add_input(shape, "float32")
    elif draw(st.integers(0, 4)) == 4:
        draw(st.sampled_from([_tokens, _tokens, _words, _crossed, _volumes][: 3 if sequential else 5]))(draw, draft)
    else:
        draft.add_input(draw(_shapes), "float32")
        if not sequential and draw(st.integers(0, 2)) == 2:
            same = draw(flag)
            draft.add_input(draft.inputs[0][0] if same else draw(_shapes), "float32")
    for _ in range(draw(st.sampled_from([2, 3, 4] if depth else [3, 4, 5, 6, 2, 8]))):
        _step(draw, draft, sequential, writer, depth)
    first = len(draft.inputs)
    if not draft.calls:
        draft.add(Spec("Activation", {"activation": "tanh"}), (0,))
    used = {i for _, arguments in draft.calls for i in arguments}
    ends = tuple(i for i in range(first, len(draft.tensors)) if i not in used)
    if not sequential and depth == 0 and draw(st.integers(0, 4)) == 4:
        inner = draw(st.integers(first, len(draft.tensors) - 1))
        ends = tuple(dict.fromkeys((*ends, inner)))
    if depth:
        ends = ends[-1:]
    recipe = Recipe(
        tuple(draft.inputs), tuple(draft.layers), tuple(draft.calls), ends, sequential, draw(st.integers(0, 2**16))
    )
    return _needed(recipe)


def _needed(recipe: Recipe) -> Recipe:
    """The recipe without what none of its outputs needs: Keras drops that, too. Inputs stay; the first call of one that
    is not used is not missed, for Keras keeps unused inputs."""
    count = len(recipe.inputs)
    needed = set(recipe.outputs)
    for i in reversed(range(len(recipe.calls))):
        if count + i in needed:
            needed.update(recipe.calls[i][1])
    kept = [i for i in range(len(recipe.calls)) if count + i in needed]
    numbers = {old: old for old in range(count)} | {count + old: count + new for new, old in enumerate(kept)}
    layers = sorted({recipe.calls[i][0] for i in kept})
    places = {old: new for new, old in enumerate(layers)}
    calls = tuple((places[recipe.calls[i][0]], tuple(numbers[a] for a in recipe.calls[i][1])) for i in kept)
    outputs = tuple(numbers[o] for o in recipe.outputs)
    return Recipe(
        recipe.inputs, tuple(recipe.layers[i] for i in layers), calls, outputs, recipe.sequential, recipe.seed
    )


def _tokens(draw: Any, draft: _Draft) -> None:
    """An input of whole numbers, and the layer that takes them."""
    draft.add_input((None, draw(st.integers(3, 6))), "int32")
    count = draw(st.integers(3, 9))
    embedding = _embedding(count)
    kinds: dict[str, Options] = {
        "Embedding": embedding,
        "CategoryEncoding": choose({"num_tokens": st.just(count)}, output_mode=st.sampled_from(["multi_hot", "count"])),
        "IntegerLookup": choose({"vocabulary": st.just(list(range(2, count)))}, output_mode=_lookups),
        "Hashing": choose({"num_bins": st.just(count)}, output_mode=_lookups),
    }
    if draft.keras_3:
        kinds["ReversibleEmbedding"] = embedding
    kind = draw(st.sampled_from(["Embedding", "Embedding", *kinds]))
    draft.add(Spec(kind, draw(kinds[kind])), (0,))
    _embed(draw, draft, count)


def _words(draw: Any, draft: _Draft) -> None:
    """An input of text, and the layer that takes it."""
    vocabulary = ["a", "b", "cat", "dog", "\N{LATIN SMALL LETTER E WITH ACUTE}"][: draw(st.integers(1, 5))]
    kind = draw(st.sampled_from(["StringLookup", "TextVectorization"]))
    draft.add_input((None, 1 if kind == "TextVectorization" else draw(st.integers(1, 4))), "string")
    given = {"vocabulary": st.just(vocabulary), "output_mode": _lookups}
    if kind == "StringLookup":
        options = choose(given, num_oov_indices=st.integers(1, 2), mask_token=st.sampled_from([None, "[M]"]))
    else:
        whole = choose(
            {**given, "output_mode": st.just("int"), "output_sequence_length": st.integers(2, 4)},
            split=st.sampled_from(["whitespace", "character"]),
        )
        options = whole | choose(
            {**given, "output_mode": st.sampled_from(["multi_hot", "count"])},
            standardize=st.sampled_from([None, "lower", "strip_punctuation"]),
            ngrams=st.sampled_from([None, 2]),
        )
    draft.add(Spec(kind, draw(options)), (0,))
    _embed(draw, draft, len(vocabulary) + 3)


def _crossed(draw: Any, draft: _Draft) -> None:
    """Two inputs of whole numbers, and the layer that makes one number of both."""
    for _ in range(2):
        draft.add_input((None, 1), "int32")
    count = draw(st.integers(3, 9))
    draft.add(Spec("HashedCrossing", draw(choose({"num_bins": st.just(count)}, output_mode=_crossings))), (0, 1))
    _embed(draw, draft, count)


def _volumes(draw: Any, draft: _Draft) -> None:
    """An input of volumes over time."""
    draft.add_input((None, 2, 2, 3, 2, draw(st.integers(1, 2))), "float32")


_crossings = st.sampled_from(["int", "one_hot"])
_lookups = st.sampled_from(["int", "multi_hot", "one_hot", "count"])


def _embedding(count: int) -> Options:
    return choose({"input_dim": st.just(count), "output_dim": few}, mask_zero=flag, trainable=flag)


def _embed(draw: Any, draft: _Draft, count: int) -> None:
    """Go on from whole numbers below `count`, if that is what the last layer gives."""
    if "int" in str(draft.tensors[-1].dtype):
        draft.add(Spec("Embedding", draw(_embedding(count))), (len(draft.tensors) - 1,))


def _step(draw: Any, draft: _Draft, sequential: bool, writer: str, depth: int) -> None:
    """One more layer, or one more call of a layer."""
    floats = [i for i in range(len(draft.tensors)) if "float" in str(draft.tensors[i].dtype)]
    if not floats or (sequential and floats[-1] != len(draft.tensors) - 1):
        return
    at = floats[-1] if sequential else draw(st.sampled_from(floats[::-1]))
    shape = draft.shape(at)
    what = draw(st.integers(0, 9))
    if what == 9 and not sequential:
        same = [i for i in floats if draft.shape(i) == shape]
        _merge(draw, draft, at, draw(st.sampled_from(same)))
    elif what == 8 and not sequential:
        other = [
            (n, args)
            for n, args in draft.calls
            if len(args) == 1
            and draft.shape(args[0]) == shape
            and draft.tensors[args[0]].dtype == draft.tensors[at].dtype
        ]
        if other:
            draft.again(draw(st.sampled_from(other))[0], (at,))
    elif what == 7 and depth < 2:
        draft.add(draw(recipes(writer, depth + 1, (shape,))), (at,))
    else:
        families = [f for f in FAMILIES if f.fits(shape) and f.only in (None, writer)]
        choices = [(f, c) for f in families for c in f.classes if not (sequential and c in _ATTENTION)]
        family, name = draw(st.sampled_from(choices))
        options = draw(family.options(name, shape, draft.keras_3))
        draft.add(Spec(name, options), (at, at) if name in _ATTENTION else (at,))


def _merge(draw: Any, draft: _Draft, one: int, other: int) -> None:
    if one == other:
        return
    name = draw(st.sampled_from([*_MERGES, "Concatenate", "Dot"]))
    options: dict[str, Any] = {}
    if name == "Concatenate":
        options = draw(choose({}, axis=st.sampled_from([-1, len(draft.shape(one)) - 1])))
    if name == "Dot":
        options = draw(choose({"axes": st.just(len(draft.shape(one)) - 1)}, normalize=flag))
    draft.add(Spec(name, options), (one, other))
