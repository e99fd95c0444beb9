"""Known layers that draw random numbers: no recorded output says whether they are right, but their moments do."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from reconstruct import rules
from reconstruct.artifact import Artifact, Call, Graph, Layer, Ref, Writer
from reconstruct.runtimes import building

WRITER = Writer("2.4.0", "tensorflow")


def test_sampling_draws_with_the_mean_and_deviation_that_it_is_given() -> None:
    ends = [Layer("InputLayer", n, {"name": n, "batch_shape": [None, 3]}, path=f"model/{n}") for n in ("mean", "log")]
    drawn = Layer("Sampling", "z", {"name": "z"}, calls=(Call(([Ref("mean"), Ref("log")],)),), path="model/z")
    model = Layer(
        "Functional", "m", {}, graph=Graph((*ends, drawn), [Ref("mean"), Ref("log")], [Ref("z")]), path="model"
    )
    outcome = rules.apply(Artifact("a.h5", "h5-model", WRITER, model, WRITER), rules.RULES)
    assert [f.code for f in outcome.findings] == ["known_layer_assumed", "random_outputs"]
    assert outcome.artifact.model is not None
    keras.utils.set_random_seed(3)
    built = building.build(outcome.artifact.model).model
    given = np.tile(np.float32([[1.0, -2.0, 0.5]]), (20000, 1)), np.tile(np.float32([[0.0, 1.0, -2.0]]), (20000, 1))
    first, second = (ops.convert_to_numpy(built(list(given), training=False)) for _ in range(2))
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(first.mean(axis=0), given[0][0], atol=0.05)
    np.testing.assert_allclose(first.std(axis=0), np.exp(0.5 * given[1][0]), rtol=0.05)


def test_dropout_that_lasts_drops_in_every_call() -> None:
    start = Layer("InputLayer", "x", {"name": "x", "batch_shape": [None, 1000]}, path="model/x")
    drop = Layer("MCDropout", "drop", {"name": "drop", "rate": 0.25}, calls=(Call((Ref("x"),)),), path="model/drop")
    model = Layer("Functional", "m", {}, graph=Graph((start, drop), [Ref("x")], [Ref("drop")]), path="model")
    outcome = rules.apply(Artifact("a.h5", "h5-model", WRITER, model, WRITER), rules.RULES)
    assert [f.code for f in outcome.findings] == ["known_layer_assumed", "random_outputs"]
    assert outcome.artifact.model is not None
    keras.utils.set_random_seed(3)
    built = building.build(outcome.artifact.model).model
    first, second = (ops.convert_to_numpy(built(np.ones((20, 1000), "float32"), training=False)) for _ in range(2))
    assert not np.array_equal(first, second)
    assert set(np.unique(first)) == {0, np.float32(1 / 0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
