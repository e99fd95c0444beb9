"""The range of an activation's numbers shows in the moving means of the normalisation behind it."""

import numpy as np
import pytest

from reconstruct.inference.ranges import RULED_OUT, Seen, given, ranged

BELOW_TOO = np.array([-0.2, 0.1, 0.4] * 4, "float32")
ABOVE = np.array([0.02, 0.1, 1.4] * 4, "float32")


def cheapest(means: dict[int, np.ndarray], i: int = 0) -> set[object]:
    costs = ranged({k: Seen(mean) for k, mean in means.items()})[i]
    return {name for name in ("relu", "linear", "sigmoid", "tanh", "elu") if costs.get(name, 0.0) == 0}


def test_a_channel_below_zero_rules_out_what_gives_nothing_below_it() -> None:
    assert cheapest({0: BELOW_TOO}) == {"linear", "tanh", "elu"}


def test_many_channels_above_zero_speak_for_what_gives_nothing_below_it() -> None:
    assert cheapest({0: ABOVE}) == {"relu"}  # 1.4 is no mean of a sigmoid either
    assert cheapest({0: ABOVE / 2}) == {"relu", "sigmoid"}


def test_few_channels_above_zero_in_one_of_several_layers_are_chance() -> None:
    assert "linear" in cheapest({0: ABOVE[:3], 1: BELOW_TOO})
    assert cheapest({0: ABOVE[:3], 1: BELOW_TOO}, 1) == {"linear", "tanh", "elu"}


@pytest.mark.parametrize("means", [{}, {0: np.zeros(8, "float32")}])
def test_means_that_never_moved_say_nothing(means: dict[int, np.ndarray]) -> None:
    assert ranged({k: Seen(mean) for k, mean in means.items()}) == {}


def within(*seen: Seen) -> set[object]:
    costs = ranged(dict(enumerate(seen)))[0]
    return {name for name in ("relu", "linear", "sigmoid", "tanh", "elu") if costs.get(name, 0.0) == 0}


def test_a_second_moment_beyond_one_rules_tanh_out() -> None:
    spread = np.array([0.2, 0.2, 1.5] * 4, "float32")
    assert within(Seen(BELOW_TOO, spread)) == {"linear", "elu"}
    # as numbers have it that were made larger where Dropout left out others
    assert within(Seen(BELOW_TOO)) == {"linear", "tanh", "elu"}


def test_second_moments_of_at_most_one_everywhere_speak_for_tanh() -> None:
    small, large = np.full(12, 0.5, "float32"), np.full(12, 3.0, "float32")
    assert within(Seen(BELOW_TOO, small), Seen(BELOW_TOO, small)) == {"tanh"}
    assert within(Seen(BELOW_TOO, small), Seen(BELOW_TOO, large)) == {"linear", "tanh", "elu"}


def test_variances_that_have_not_moved_from_one_say_nothing() -> None:
    assert within(Seen(BELOW_TOO / 20, np.full(12, 0.99, "float32"))) == {"linear", "tanh", "elu"}


def test_means_around_a_half_in_all_layers_speak_for_sigmoid() -> None:
    half, wide = np.linspace(0.4, 0.6, 32), np.linspace(0.1, 0.9, 32)
    assert within(Seen(half), Seen(half)) == {"sigmoid"}
    assert within(Seen(half), Seen(wide)) == {"relu", "sigmoid"}


@pytest.mark.parametrize(
    ("outputs", "possible"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], {"softmax"}),
        ([[0.2, 0.9]], {"linear", "relu", "sigmoid", "tanh"}),
        ([[-0.2, 0.9]], {"linear", "tanh"}),
        ([[-0.2, 3.0]], {"linear"}),
        ([[1.0], [1.0]], {"linear", "relu", "sigmoid", "tanh"}),
    ],
)
def test_outputs_rule_out_what_cannot_give_them(outputs: list[list[float]], possible: set[str]) -> None:
    costs = given(np.array(outputs, "float32"))
    assert {n for n in ("linear", "relu", "sigmoid", "softmax", "tanh") if costs.get(n) != RULED_OUT} == possible
