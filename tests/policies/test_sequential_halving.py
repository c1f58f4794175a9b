"""Sequential halving: rounds by hand, and a memory of one round."""

from __future__ import annotations

import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies.sequential_halving import SequentialHalvingPolicy
from tests.policies.numbers import law, rows


@pytest.mark.parametrize(
    ("n_arms", "horizon", "expected"),
    [
        # log₂ 8 = 3 rounds: 48 / 24, 48 / 12, 48 / 6.
        (8, 48, [(2, 4), (4, 2), (8, 1)]),
        # ⌈log₂ 5⌉ = 3 rounds: 100 / 15, 100 / 9, 100 / 6, rounded down.
        (5, 100, [(6, 3), (11, 2), (16, 1)]),
        (2, 7, [(3, 1)]),
        (1, 7, []),
    ],
)
def test_rounds_by_hand(n_arms: int, horizon: int, expected: list[tuple[int, int]]) -> None:
    phases = SequentialHalvingPolicy(horizon=horizon).phases(n_arms)
    assert [(phase.pulls, phase.keep) for phase in phases] == expected
    left, spent = n_arms, 0
    for phase in phases:
        spent += left * phase.pulls
        left = phase.keep
    assert spent <= horizon


def test_the_better_half_stays_and_begins_anew() -> None:
    """K = 4, T = 8: one observation of each, two of two. Arm 0's early success is forgotten."""
    policy = SequentialHalvingPolicy(horizon=8)
    state = policy.update(policy.init(n_arms=4), rows([3, 2, 1, 0], [0, 0, 1, 1]))
    assert state.out.tolist() == [False, False, True, True]
    assert law(policy, state) == [0.5, 0.5, 0.0, 0.0]
    state = policy.update(state, rows([0, 1, 0], [0, 1, 0]))
    assert law(policy, state) == [0.0, 1.0, 0.0, 0.0]
    state = policy.update(state, rows([1], [0]))
    assert state.out.tolist() == [True, False, True, True]
    assert policy.recommend(state) == 1
    assert policy.stopped(state, confidence=0.99)


def test_a_budget_that_does_not_reach_all_arms_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"horizon=15\) cannot observe each of 8 arms"):
        SequentialHalvingPolicy(horizon=15).init(n_arms=8)
