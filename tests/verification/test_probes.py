"""Probes: seeded, several, with edges, and integers where a model takes indices."""

import numpy as np
import pytest

from reconstruct.artifact import Layer
from reconstruct.verification import probes
from reconstruct.verification.probes import Input
from tests.rules.cases import called, functional, layer, sequential

X = layer("InputLayer", "x")
EMBEDDING = layer("Embedding", "words", input_dim=7)


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        (sequential(X, EMBEDDING), {"x": 7}),
        (sequential(X, layer("Dropout"), EMBEDDING), {"x": 7}),
        (sequential(X, layer("Dense"), EMBEDDING), {}),
        (sequential(X, sequential(EMBEDDING, name="inner")), {"x": 7}),
        (sequential(X, layer("TimeDistributed").replace(children={"layer": EMBEDDING})), {"x": 7}),
        (sequential(X, layer("CategoryEncoding", num_tokens=4)), {"x": 4}),
        (sequential(X, layer("Hashing", num_bins=4)), {"x": 10_000}),
        (
            functional(
                X, layer("InputLayer", "y"), called(EMBEDDING, "x"), called(layer("Add", "sum"), ["words", "y"])
            ),
            {"x": 7},
        ),
        (functional(X, called(layer("Reshape", "r"), "x"), called(EMBEDDING, "r")), {"x": 7}),
        (functional(X, called(EMBEDDING, "x"), called(layer("Embedding", "few", input_dim=3), "x")), {"x": 3}),
        (
            functional(X, called(Layer("Op", "cut", {"function": "getitem"}), "x", key=0), called(EMBEDDING, "cut")),
            {"x": 7},
        ),
        (functional(X, called(Layer("Op", "log", {"function": "log"}), "x"), called(EMBEDDING, "log")), {}),
    ],
)
def test_index_limits(model: Layer, limits: dict[str, int]) -> None:
    assert probes.index_limits(model) == limits


def test_open_axes_are_sized_and_the_batch_is_three() -> None:
    each = Input("x", (None, None, 3), "float32")
    assert each.open_axes == 1
    assert each.sized(16) == (3, 16, 3)
    assert Input("x", (5, 4), "float32").sized(16) == (5, 4)
    assert Input("x", (None, 4), "float32").open_axes == 0


def test_three_probes_the_same_every_time() -> None:
    inputs = [Input("a", (None, 8), "float32"), Input("b", (None, 6), "int32", 9)]
    first, second = list(probes.make(inputs, 16)), list(probes.make(inputs, 16))
    assert len(first) == 3
    for one, other in zip(first, second, strict=True):
        assert [(x.shape, x.dtype) for x in one] == [((3, 8), np.float32), ((3, 6), np.int32)]
        for x, y in zip(one, other, strict=True):
            np.testing.assert_array_equal(x, y)
    assert len({first[i][0].tobytes() for i in range(3)}) == 3


def test_edges_of_numbers() -> None:
    *_, (edges,) = probes.make([Input("a", (None, 50), "float32")], 16)
    assert not edges[0].any()
    assert set(np.abs(edges[1])) == {1.0}
    assert np.abs(edges[2]).max() > 3.0


def test_indices_stay_in_their_range_and_touch_its_ends() -> None:
    made = list(probes.make([Input("a", (None, 12), "float32", 5)], 16))
    for (array,) in made:
        assert array.dtype == np.float32  # Keras 2 declares inputs of Embedding so
        assert set(np.unique(array)) <= set(range(5))
    assert (made[1][0][:, -1] == 0).all()
    assert (made[2][0][:, 0] == 0).all()
    assert (made[2][0][:, -1] == 4).all()


def test_images_are_between_0_and_1() -> None:
    _, (image,), _ = probes.make([Input("a", (None, 4, 4, 3), "float32")], 16)
    assert 0.0 <= image.min() <= image.max() < 1.0


def test_booleans_and_unknown_dtypes() -> None:
    for flags, other in probes.make([Input("a", (None, 4), "bool"), Input("b", (None, 4), "qint8")], 16):
        assert (flags.dtype, other.dtype) == (np.bool_, np.float32)


TABLES = sequential(X, layer("StringLookup", vocabulary=["cat", "dog"]), layer("IntegerLookup", vocabulary=[30, 50]))


def test_texts_have_words_that_the_model_knows_and_others() -> None:
    (words,) = probes.inputs_of(TABLES, [("x", (None, 20), "string")])
    assert words.known == ("cat", "dog")
    for (array,) in probes.make([words], 16):
        assert (array.shape, array.dtype.kind) == ((3, 20), "U")
        found = set(" ".join(array.reshape(-1)).split())
        assert {"cat", "dog", "the"} <= found
    assert array[0, 0] == ""


def test_numbers_that_a_table_knows_are_tried() -> None:
    (numbers,) = probes.inputs_of(TABLES, [("x", (None, 20), "int64")])
    for (array,) in probes.make([numbers], 16):
        assert array.dtype == np.int64
        assert set(np.unique(array)) == {0, 30, 50}


def test_sequences_of_a_model_with_masking_are_padded() -> None:
    inputs = [Input("a", (None, 8, 2), "float32", mask=-1.0), Input("b", (None, 8, 2), "float32", mask=-1.0)]
    _, (end, other), (start, _) = probes.make(inputs, 16)
    assert all((row[-1] == -1.0).all() and not (row[0] == -1.0).all() for row in end)
    assert all((row[0] == -1.0).all() and (row[-2] == -1.0).all() for row in start)
    assert not np.array_equal(end == -1.0, other == -1.0)
