"""LUCB and what it shares with KL-LUCB: bounds by hand, and rounds of two observations."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import pytest

from qbrix.policies._pairs import Pairs
from qbrix.policies.lucb import LUCBPolicy
from tests.policies.numbers import law, rows

POLICY = LUCBPolicy()


def pairs(pulls: list[float], total: list[float], fresh: list[float] | None = None) -> Pairs:
    """A state with these complete rounds and observations of the round that is being played."""
    zero = np.zeros(len(pulls))
    return Pairs(
        pulls=np.array(pulls, dtype=np.float64),
        total_reward=np.array(total, dtype=np.float64),
        new_pulls=zero if fresh is None else np.array(fresh, dtype=np.float64),
        new_reward=zero,
    )


def test_bounds_by_hand() -> None:
    """K = 2, δ = .05, t = 8: ln(1.25 · 2 · 4096 / .05) = ln 204800, radius √(that / 2N)."""
    low, high = POLICY.bounds(
        np.array([8.0, 2.0]), np.array([0.5, 0.0]), t=np.array([8.0]), n_arms=2, delta=0.05
    )
    radius = [sqrt(log(204800.0) / 16.0), sqrt(log(204800.0) / 4.0)]
    np.testing.assert_allclose(high, [0.5 + radius[0], radius[1]], rtol=1e-12)
    np.testing.assert_allclose(low, [0.5 - radius[0], -radius[1]], rtol=1e-12)


def test_the_round_number_counts_pairs_after_the_first_observations() -> None:
    """3 arms, 9 observations: 3 first ones and 3 pairs, so that t = 4: level ln(75 · 4⁴)."""
    high = POLICY.prepare(pairs([4, 3, 2], [4, 0, 0])).high
    level = log(1.25 * 3 / 0.05) + 4.0 * log(4.0)
    np.testing.assert_allclose(high, [1 + sqrt(level / 8), sqrt(level / 6), sqrt(level / 4)])


def test_leader_and_challenger_get_half_each() -> None:
    """Arm 0 has the best mean; of the others arm 2, observed less, has the larger bound."""
    assert law(POLICY, pairs([4, 4, 3], [4, 1, 1])) == [0.5, 0.0, 0.5]


def test_the_other_one_of_the_pair_is_certain() -> None:
    assert law(POLICY, pairs([4, 4, 3], [4, 1, 1], fresh=[1, 0, 0])) == [0.0, 0.0, 1.0]
    assert law(POLICY, pairs([4, 4, 3], [4, 1, 1], fresh=[0, 0, 1])) == [1.0, 0.0, 0.0]


def test_a_round_is_learned_when_it_is_complete() -> None:
    first = POLICY.update(pairs([1, 1], [1, 0]), rows([1], [1.0]))
    assert first.pulls.tolist() == [1.0, 1.0]
    assert first.new_pulls.tolist() == [0.0, 1.0]
    second = POLICY.update(first, rows([0], [1.0]))
    assert second.pulls.tolist() == [2.0, 2.0]
    assert second.total_reward.tolist() == [2.0, 1.0]
    assert second.new_pulls.tolist() == [0.0, 0.0]


def test_until_every_arm_is_observed_each_observation_counts_at_once() -> None:
    state = POLICY.update(POLICY.init(n_arms=3), rows([2, 0], [1.0, 0.0]))
    assert state.pulls.tolist() == [1.0, 0.0, 1.0]
    assert law(POLICY, state) == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("pulls", "total", "expected"),
    [
        # Two leaders, one of which is drawn; the challenger is the other one.
        ([4, 4, 4], [3, 3, 1], [0.5, 0.5, 0.0]),
        # Arm 0 leads, arms 1 and 2 have the same bound.
        ([4, 4, 4], [3, 1, 1], [0.5, 0.25, 0.25]),
        # All alike: leader and challenger are any two.
        ([4, 4, 4], [2, 2, 2], [1 / 3, 1 / 3, 1 / 3]),
        # Arms 0 and 1 lead; arm 2, observed once, challenges whoever of them is drawn.
        ([9, 9, 1], [6, 6, 0], [0.25, 0.25, 0.5]),
    ],
)
def test_ties_share_evenly(pulls: list[float], total: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(law(POLICY, pairs(pulls, total)), expected, atol=1e-9)


def test_masked_arms_neither_lead_nor_challenge() -> None:
    prepared = POLICY.prepare(pairs([4, 4, 3, 2], [4, 1, 1, 0]))
    mask = np.array([False, True, True, False])
    assert POLICY.propensities(prepared, mask=mask).tolist() == [0.0, 0.5, 0.5, 0.0]
    alone = np.array([False, False, True, False])
    assert POLICY.propensities(prepared, mask=alone).tolist() == [0.0, 0.0, 1.0, 0.0]


def test_it_stops_when_the_intervals_part() -> None:
    """Means 1 and 0, N each, t = N: 1 ≥ 2 √(ln(50 N⁴) / 2N), so 2 ln 50 + 8 ln N ≤ N.

    7.82 + 8 ln 36 = 36.49 > 36, 7.82 + 8 ln 37 = 36.71 ≤ 37.
    """
    for n, stops in ((36, False), (37, True)):
        assert bool(POLICY.stopped(pairs([n, n], [n, 0]), confidence=0.95)) is stops
