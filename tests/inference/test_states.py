"""Encoders and decoders that give their states, as people save them after Keras's examples/lstm_seq2seq.py."""

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reconstruct
from reconstruct.inference.hints import Hints
from reconstruct.inference.infer import Inferred, infer
from reconstruct.readers import read

tf_keras = pytest.importorskip("tf_keras")
L = tf_keras.layers
Model = Any
WORDS, STEPS, UNITS = 30, 5, 16


def encoder(cell: str) -> Model:
    x = tf_keras.Input((None,))
    _, *states = getattr(L, cell)(UNITS, return_state=True)(L.Embedding(WORDS, 8)(x))
    return tf_keras.Model(x, states)


def encoder_of_steps(cell: str) -> Model:
    x = tf_keras.Input((None,))
    outputs = getattr(L, cell)(UNITS, return_sequences=True, return_state=True)(L.Embedding(WORDS, 8)(x))
    return tf_keras.Model(x, outputs)


def encoder_of_the_last_step(cell: str) -> Model:
    x = tf_keras.Input((None,))
    return tf_keras.Model(x, getattr(L, cell)(UNITS, return_state=True)(L.Embedding(WORDS, 8)(x)))


def decoder_without_states(cell: str) -> Model:
    whole = decoder(cell)
    return tf_keras.Model(whole.inputs, whole.outputs[0])


def decoder(cell: str) -> Model:
    x = tf_keras.Input((None,))
    given = [tf_keras.Input((UNITS,)) for _ in range(2 if cell == "LSTM" else 1)]
    layer = getattr(L, cell)(UNITS, return_sequences=True, return_state=True)
    steps, *states = layer(L.Embedding(WORDS, 8)(x), initial_state=given)
    return tf_keras.Model([x, *given], [L.Dense(WORDS, activation="softmax")(steps), *states])


def examples(model: Model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(0.4 * rng.standard_normal(weight.shape))
    words = rng.integers(0, WORDS, (8, STEPS)).astype("float32")
    words[:, 0] = 0  # which a mask would leave out
    states = [rng.standard_normal((8, UNITS)).astype("float32") for _ in model.inputs[1:]]
    outputs = model.predict([words, *states], verbose=0)
    return [words, *states], outputs if isinstance(outputs, list) else [outputs]


def outputs(result: Inferred) -> Sequence[tuple[str, int]]:
    assert result.artifact.model is not None
    assert result.artifact.model.graph is not None
    return [(ref.layer, ref.output) for ref in result.artifact.model.graph.outputs]


@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
@pytest.mark.parametrize("make", [encoder, encoder_of_steps, encoder_of_the_last_step, decoder, decoder_without_states])
def test_examples_confirm_what_takes_and_gives_states(make: Callable[[str], Model], cell: str, tmp_path: Path) -> None:
    model = make(cell)
    given = examples(model)
    model.save_weights(tmp_path / "part.h5")
    result = infer(read(tmp_path / "part.h5"), Hints(examples=given, budget=30))
    assert result.confirmed


def test_an_encoder_of_words_gives_its_states_without_a_hint(tmp_path: Path) -> None:
    encoder("LSTM").save_weights(tmp_path / "encoder_model.h5")
    result = infer(read(tmp_path / "encoder_model.h5"), Hints())
    assert [output for _, output in outputs(result)] == [1, 2]
    assert any("states" in each["message"] for each in result.assumptions)


def test_what_has_inputs_for_states_gives_them_on_without_a_hint(tmp_path: Path) -> None:
    decoder("LSTM").save_weights(tmp_path / "m.h5")
    first, *states = outputs(infer(read(tmp_path / "m.h5"), Hints()))
    assert first[1] == 0
    assert [output for _, output in states] == [1, 2]


@pytest.mark.parametrize("make", [encoder, decoder])
def test_the_code_of_a_verified_model_with_states_builds_it(make: Callable[[str], Model], tmp_path: Path) -> None:
    original = make("LSTM")
    given, wanted = examples(original)
    original.save_weights(tmp_path / "part.h5")
    arrays = {f"{k}{i}": array for k, each in (("x", given), ("y", wanted)) for i, array in enumerate(each)}
    np.savez(tmp_path / "examples.npz", **arrays)
    recovery = reconstruct.recover(tmp_path / "part.h5", examples=str(tmp_path / "examples.npz"))
    assert recovery.status == "verified"
    recovery.save(tmp_path / "out.keras")
    (tmp_path / "model.py").write_text(recovery.code(str(tmp_path / "out.keras")))
    loaded = runpy.run_path(str(tmp_path / "model.py"))["load"]()
    found = loaded(given if len(given) > 1 else given[0])
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("zeros", [True, False])
def test_states_that_examples_do_not_tell_apart_may_be_the_other_way_round(zeros: bool, tmp_path: Path) -> None:
    original = decoder("LSTM")
    given, _ = examples(original)
    if zeros:
        given = [given[0], np.zeros_like(given[1]), np.zeros_like(given[2])]
    original.save_weights(tmp_path / "decoder.h5")
    result = infer(
        read(tmp_path / "decoder.h5"), Hints(examples=(given, original.predict(given, verbose=0)), budget=30)
    )
    assert result.examples_agree
    assert any("other way round" in each["message"] for each in result.assumptions) == zeros
