"""Random models, written by Keras 3 and tf_keras in every container, come back the same: outputs and every weight.

`scripts/roundtrips` does many more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, reject, settings
from hypothesis import strategies as st

from reconstruct.runtimes.worker import WorkerPool
from tests.generated.layers import FAMILIES
from tests.generated.models import CONTAINERS, WRITERS, Recipe, Spec, build, can_write, keras_of
from tests.generated.recipes import DRAWN, recipes
from tests.generated.roundtrip import Lost, Unwritten, over_there, trip

PAIRS = [(w, c) for w in WRITERS for c in CONTAINERS if can_write(w, c)]


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool() as pool:
        yield pool


@pytest.mark.filterwarnings("ignore")  # what Keras says of the older containers
@pytest.mark.parametrize(("writer", "container"), PAIRS, ids=[f"{w}-{c}" for w, c in PAIRS])
def test_random_models_come_back_the_same(writer: str, container: str, pool: WorkerPool) -> None:
    @settings(
        max_examples=2,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(recipes(writer))
    def comes_back(recipe: Recipe) -> None:
        try:
            status = trip(recipe, writer, container, pool).status
        except Unwritten:
            reject()
        assert status in ("verified", "unverified")

    comes_back()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_random_models_compute_the_same_in_tf_keras(suffix: str, pool: WorkerPool) -> None:
    @settings(
        max_examples=2,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(recipes("keras"))
    @example(LOOKUP)
    @example(CROSSING)
    def goes_there(recipe: Recipe) -> None:
        assert over_there(recipe, suffix, pool).status in ("verified", "unverified", "refused")

    goes_there()


LOOKUP = Recipe(
    (((None, 6), "int32"),), (Spec("IntegerLookup", {"vocabulary": [2, 3]}),), ((0, (0,)),), (1,), sequential=True
)
CROSSING = Recipe(
    (((None, 1), "int32"), ((None, 1), "int32")),
    (Spec("HashedCrossing", {"num_bins": 6, "output_mode": "one_hot"}),),
    ((0, (0, 1)),),
    (2,),
)
SHEAR = Recipe(
    (((None, 6, 6, 3), "float32"),), (Spec("RandomShear", {"x_factor": 0.1}),), ((0, (0,)),), (1,), sequential=True
)


EQUALIZATION = Recipe(
    (((None, 6, 6, 3), "float32"),),
    (Spec("Equalization", {"bins": 8}), Spec("Conv2D", {"filters": 2, "kernel_size": 3})),
    ((0, (0,)), (1, (1,))),
    (2,),
    sequential=True,
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("recipe", [SHEAR, EQUALIZATION], ids=["shear", "equalization"])
def test_what_keras_3_writes_and_does_not_read_comes_back(recipe: Recipe, pool: WorkerPool) -> None:
    assert trip(recipe, "keras", "keras", pool).status == "unverified"


# Stock layers that are not drawn by themselves, and why
WITHIN_OTHERS = {"InputLayer", "StackedRNNCells", "SimpleRNNCell", "LSTMCell", "GRUCell"}  # of models, and of RNN
NOTHING_OF_THEIR_OWN = {"Layer", "Wrapper", "AbstractRNNCell"}  # classes to extend
CODE = {"Lambda", "TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper"}  # functions, or models of others
OTHER_INPUTS = {"DenseFeatures", "MaxNumBoundingBoxes"}  # feature columns, and tables of boxes
NOT_WRITTEN = {"Equalization"}  # a model of it that is not Sequential: Keras 3.15.1 drops it, or finds a cycle


@pytest.mark.parametrize("writer", WRITERS)
def test_every_stock_layer_is_drawn(writer: str) -> None:
    layers = keras_of(writer).layers
    names: dict[type, set[str]] = {}
    for name, found in vars(layers).items():
        if isinstance(found, type) and issubclass(found, layers.Layer):
            names.setdefault(found, set()).add(name)
    of_families = {name for family in FAMILIES for name in family.classes if family.only in (None, writer)}
    known = of_families | DRAWN | WITHIN_OTHERS | NOTHING_OF_THEIR_OWN | CODE | OTHER_INPUTS | NOT_WRITTEN
    assert [sorted(several) for several in names.values() if not several & known] == []


def _stack(shape: Any, *layers: Spec | Recipe) -> Recipe:
    """The Sequential model of these layers."""
    calls = tuple((i, (i,)) for i in range(len(layers)))
    return Recipe(((shape, "float32"),), layers, calls, (len(layers),), sequential=True, seed=1)


TEXT = Recipe(
    (((None, 1), "string"),),
    (
        Spec("TextVectorization", {"vocabulary": ["a", "cat"], "output_sequence_length": 3}),
        Spec("Embedding", {"input_dim": 4, "output_dim": 2}),
    ),
    ((0, (0,)), (1, (1,))),
    (2,),
)
LOST_ONCE = {
    "nested_normalization": ("keras", "h5", _stack((None, 3), _stack((None, 3), Spec("Normalization")))),
    "rows_and_columns_of_places": (
        "tf_keras",
        "h5",
        _stack((None, 3, 5, 2), Spec("LocallyConnected2D", {"filters": 2, "kernel_size": 2, "use_bias": False})),
    ),
    "text": ("keras", "keras", TEXT),
    "text_of_tf_keras": ("tf_keras", "keras", TEXT),
    "counted_words": (
        "tf_keras",
        "h5",
        Recipe(
            (((None, 1), "string"),),
            (
                Spec("TextVectorization", {"vocabulary": ["a", "b", "cat"], "output_mode": "count"}),
                Spec("LayerNormalization"),
            ),
            ((0, (0,)), (1, (1,))),
            (2,),
            sequential=True,
        ),
    ),
    "class_of_another_name": (
        "keras",
        "h5",
        Recipe(
            (((None, 3, 2), "float32"),),
            (Spec("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1}),),
            ((0, (0, 0)),),
            (1,),
        ),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("writer", "container", "recipe"), LOST_ONCE.values(), ids=list(LOST_ONCE))
def test_what_was_lost_once_comes_back(writer: str, container: str, recipe: Recipe, pool: WorkerPool) -> None:
    assert trip(recipe, writer, container, pool).status == "verified"


@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_written_is_not_lost(pool: WorkerPool) -> None:
    with pytest.raises(Unwritten, match="cannot pickle"):  # a list that Keras 3 tracks is in its config
        trip(_stack((None, 4, 4, 3), Spec("RandomBrightness", {"factor": 0.5})), "keras", "h5", pool)


DENSE = Recipe((((None, 3), "float32"),), (Spec("Dense", {"units": 2}),), ((0, (0,)),), (1,), seed=1)


@pytest.mark.filterwarnings("ignore")
def test_a_changed_weight_is_noticed(pool: WorkerPool, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.generated import roundtrip

    def build_another(recipe: Recipe, keras: Any) -> Any:
        model = build(recipe, keras)
        write = roundtrip.write

        def write_and_change(model: Any, container: str, folder: Any) -> Any:
            path = write(model, container, folder)
            kernel = model.layers[-1].weights[0]
            kernel.assign(kernel + 1e-6)
            return path

        monkeypatch.setattr(roundtrip, "write", write_and_change)
        return model

    monkeypatch.setattr(roundtrip, "build", build_another)
    with pytest.raises(Lost, match="other weights"):
        trip(DENSE, "keras", "keras", pool)


@given(st.data())
@settings(max_examples=5, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_recipe_and_its_seed_decide_the_weights(data: st.DataObject) -> None:
    keras = keras_of("keras")
    recipe = data.draw(recipes("keras"))
    one, other = build(recipe, keras), build(recipe, keras)
    assert [w.numpy().tobytes() for w in one.weights] == [w.numpy().tobytes() for w in other.weights]


def test_a_recipe_prints_as_the_code_that_makes_it() -> None:
    assert eval(repr(DENSE), {"Recipe": Recipe, "Spec": Spec}) == DENSE  # noqa: S307
