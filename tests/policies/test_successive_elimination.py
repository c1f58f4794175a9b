"""Successive elimination: the round in which an arm goes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies.successive_elimination import Contest, SuccessiveEliminationPolicy
from tests.policies.numbers import law, rows

POLICY = SuccessiveEliminationPolicy()


def played(turns: int) -> Contest:
    """Arm 0 always pays, arm 1 never."""
    return POLICY.update(POLICY.init(n_arms=2), rows([0, 1] * turns, [1.0, 0.0] * turns))


def test_an_arm_goes_when_two_radii_fit_into_the_gap() -> None:
    """1 ≥ 2 √(ln(4 · 2 · t² / .05) / t): 4 ln(160 t²) is 51.76 for t = 51 and 51.91 for t = 52."""
    assert not played(51).out.any()
    assert played(52).out.tolist() == [False, True]


def test_it_goes_for_good() -> None:
    """Arm 0 may pay nothing for ever after."""
    state = POLICY.update(played(52), rows([0] * 500, [0.0] * 500))
    assert state.out.tolist() == [False, True]
    assert law(POLICY, state) == [1.0, 0.0]
    assert POLICY.recommend(state) == 0


def test_it_stops_for_its_own_confidence_and_lower_ones() -> None:
    state = played(52)
    answers = [bool(POLICY.stopped(state, confidence=level)) for level in (0.5, 0.95, 0.96)]
    assert answers == [True, True, False]


def test_those_who_are_left_take_turns() -> None:
    state = Contest(
        pulls=np.array([60.0, 52.0, 60.0, 59.0]),
        total_reward=np.array([50.0, 0.0, 50.0, 50.0]),
        out=np.array([False, True, False, False]),
    )
    assert law(POLICY, state) == [0.0, 0.0, 0.0, 1.0]
    only_out = np.array([False, True, False, False])
    assert POLICY.propensities(state, mask=only_out).tolist() == [0.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("order", [[0, 1] * 52, [0] * 52 + [1] * 52])
def test_late_feedback_is_compared_when_the_last_arm_has_caught_up(order: list[int]) -> None:
    state = POLICY.update(POLICY.init(n_arms=2), rows(order, [1.0 - arm for arm in order]))
    assert state.out.tolist() == [False, True]
