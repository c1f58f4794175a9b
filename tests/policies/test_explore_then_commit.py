"""Explore-then-commit: the exact regret of two Gaussian arms, and a commitment that holds."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from qbrix.policies._counts import Rewards
from qbrix.policies.explore_then_commit import ExploreThenCommitPolicy
from tests.policies.numbers import law, rows, seen


@pytest.mark.parametrize(
    ("gap", "m", "expected"), [(0.2, 100, 32.5839), (0.5, 38, 25.7679), (1.0, 14, 17.9614)]
)
def test_exact_regret_of_two_gaussian_arms(gap: float, m: int, expected: float) -> None:
    """R = Δ [m + (n − 2m) P(wrong)] with n = 1000.

    The difference of the sums after 2m rounds is N(mΔ, 2m). P(wrong) is read from the law at
    200,000 quantiles of it, which errs by 1/400,000 at most: 5e-4 of regret.
    """
    policy = ExploreThenCommitPolicy(m=m)
    middles = (np.arange(200_000) + 0.5) / 200_000
    normal = NormalDist(m * gap, np.sqrt(2.0 * m))
    difference = np.array([normal.inv_cdf(u) for u in middles])
    state = Rewards(
        pulls=np.full((middles.size, 2), float(m)),
        total_reward=np.stack([difference, np.zeros_like(difference)], axis=-1),
    )
    wrong = policy.propensities(state)[:, 1].mean()
    assert abs(gap * (m + (1000 - 2 * m) * wrong) - expected) < 6e-4


def test_arms_take_turns_until_each_has_m_observations() -> None:
    policy = ExploreThenCommitPolicy(m=3)
    assert law(policy, seen([2, 1, 1], [2, 0, 0])) == [0.0, 0.5, 0.5]
    assert law(policy, seen([3, 3, 2], [3, 0, 0])) == [0.0, 0.0, 1.0]


def test_nothing_undoes_the_commitment() -> None:
    """Arm 0 wins its trial with 1 against 0; that it never pays again changes nothing."""
    policy = ExploreThenCommitPolicy(m=1)
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 0, 0, 0], [1.0, 0.0, -9, -9, -9]))
    assert state.total_reward.tolist() == [1.0, 0.0]
    assert law(policy, state) == [1.0, 0.0]
