"""Masks that other versions of Keras hand on in other ways (`rules/mask_flow.py`, `rules/masking.py`)."""

from __future__ import annotations

from tests.rules.cases import KERAS_1, KERAS_2, TF_KERAS, Case, Refusal, called, functional, layer

_ids = layer("InputLayer", "ids", batch_shape=[None, 5])
_vectors = layer("InputLayer", "vectors", batch_shape=[None, 5, 2])
_state = layer("InputLayer", "state", batch_shape=[None, 2])
_words = called(layer("Embedding", "words", mask_zero=True), "ids")
# Keras 3 has no mask after an Add of which one input has none; older versions have that of the other.
_add = called(layer("Add", "sum"), ["words", "vectors"])
_sum = functional(_ids, _vectors, _words, _add, called(layer("GRU", "rnn"), "sum"))
_sum_with_mask = """
ids = InputLayer batch_shape=[None, 5]
vectors = InputLayer batch_shape=[None, 5, 2]
words = Embedding(ids) mask_zero=True
sum = Add([words, vectors])
rnn_mask = not_equal(ids, 0)
rnn = GRU(sum, mask=rnn_mask)
-> [rnn]
"""
_gru = layer("GRU", "rnn", return_sequences=False)

CASES = [
    Case("masks_before_keras_2_2", _sum, _sum_with_mask, KERAS_1),
    Case("masks_of_keras_2", _sum, _sum_with_mask, KERAS_2),
    Case("masks_of_tf_keras", _sum, _sum_with_mask, TF_KERAS),
    Case(
        "initial_output_of_masked_steps",
        functional(_ids, _state, _words, called(_gru, "words", initial_state=["state"], mask="rnn_mask")),
        """
ids = InputLayer batch_shape=[None, 5]
state = InputLayer batch_shape=[None, 2]
words = Embedding(ids) mask_zero=True
rnn = GRU(words, initial_state=[state], mask=rnn_mask) return_sequences=False
rnn_mask_number = cast(rnn_mask, 'int32')
rnn_seen = max(rnn_mask_number, axis=1)
rnn_unseen = equal(rnn_seen, 0)
rnn_unseen_number = cast(rnn_unseen, 'float32')
rnn_unseen_column = expand_dims(rnn_unseen_number, axis=-1)
rnn_initial_output = multiply(rnn_unseen_column, state)
rnn_from_initial_state = Add([rnn, rnn_initial_output])
-> [rnn_from_initial_state]
""",
    ),
]
REFUSALS: list[Refusal] = []
