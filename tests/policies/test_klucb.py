"""KL-UCB: indices in closed form and to thirty digits, exact regret, ties."""

from __future__ import annotations

from math import exp, log, sqrt

import mpmath
import numpy as np
import pytest

from qbrix.policies._counts import Rewards
from qbrix.policies._kl import near_roots
from qbrix.policies.klucb import KLUCBPolicy
from qbrix.state import stack
from qbrix.types import Array, Interactions
from tests.policies.numbers import assert_exact, law, seen


def indices(policy: KLUCBPolicy, state: Rewards) -> Array:
    """The indices of a state."""
    return policy.prepare(state).index


def test_indices_in_closed_form() -> None:
    """Round 9; kl(0, q) = −ln(1 − q), kl(1, 1) = 0 and kl(½, q) = −½ ln(4 q (1 − q))."""
    found = indices(KLUCBPolicy(), seen([2, 4, 2], [0, 4, 1]))
    half = (1.0 + sqrt(1.0 - exp(-2.0 * log(9.0) / 2.0))) / 2.0
    np.testing.assert_allclose(found, [1.0 - 9.0**-0.5, 1.0, half], atol=1e-12)


def test_c_weighs_the_iterated_logarithm() -> None:
    """One arm of mean 0 observed 4 times: 1 − exp(−(ln 5 + 3 ln ln 5) / 4)."""
    found = indices(KLUCBPolicy(c=3.0), seen([4], [0]))
    assert found[0] == pytest.approx(1.0 - exp(-(log(5) + 3 * log(log(5))) / 4), abs=1e-12)
    early = indices(KLUCBPolicy(c=3.0), seen([1], [0]))
    assert early[0] == pytest.approx(0.5, abs=1e-12)  # ln ln 2 < 0 counts as 0


@pytest.mark.parametrize("pulls", [1, 7, 100, 12_345, 10_000_000])
@pytest.mark.parametrize("share", [1e-6, 0.01, 0.3, 0.5, 0.77, 0.999])
def test_index_solves_its_equation(pulls: int, share: float) -> None:
    """Against thirty digits."""
    level = log(2.5 * pulls + 10.0) / pulls
    roots = near_roots(np.array([share]), np.array([level]))
    roots.solve(np.array([level]), tolerance=1e-6, max_iterations=50)
    with mpmath.workdps(30):
        p = mpmath.mpf(share)

        def excess(u: mpmath.mpf) -> mpmath.mpf:
            log_rest = mpmath.log(1 - p) + u
            return p * mpmath.log(p / -mpmath.expm1(-u)) + (1 - p) * log_rest - mpmath.mpf(level)

        low, high = -mpmath.log(1 - p), (level + mpmath.log(2)) / (1 - p) + 1
        for _ in range(110):
            middle = (low + high) / 2
            low, high = (low, middle) if excess(middle) > 0 else (middle, high)
        expected = float(-mpmath.expm1(-low))
    assert roots.index()[0] == pytest.approx(expected, abs=1e-10)


def test_unobserved_arms_come_first_and_evenly() -> None:
    assert law(KLUCBPolicy(), seen([5, 0, 0], [5, 0, 0])) == [0.0, 0.5, 0.5]
    policy = KLUCBPolicy()
    mask = np.array([True, False, True])
    shares = policy.propensities(policy.prepare(seen([5, 0, 3], [1, 0, 3])), mask=mask)
    assert shares.tolist() == [0.0, 0.0, 1.0]


def test_equal_counts_share_evenly_also_after_following_many_rounds() -> None:
    """Arms 0 and 1 of both replications end with equal counts, reached in different orders."""
    policy = KLUCBPolicy()
    state = stack([seen([1, 1, 1], [0, 0, 0])] * 2)
    prepared = policy.prepare(state)
    ours, theirs = [0, 1, 2, 1, 0, 2] * 20, [1, 1, 0, 0, 2, 2] * 20
    for step, arms in enumerate(zip(ours, theirs, strict=True)):
        batch = Interactions(
            arms=np.array(arms)[:, None],
            rewards=np.full((2, 1), float(step % 6 in (0, 1))),
            propensities=np.ones((2, 1)),
            state_versions=np.zeros((2, 1), dtype=np.int64),
        )
        state = policy.update(state, batch)
        prepared = policy.advance(prepared, state, batch)
    assert state.pulls.tolist() == [[41.0] * 3] * 2
    assert state.total_reward.tolist() == [[20.0, 20.0, 0.0], [0.0, 40.0, 0.0]]
    assert policy.propensities(prepared).tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]


def test_exact_regret_on_two_arms() -> None:
    assert_exact(KLUCBPolicy(), {5: 0.229670, 10: 0.416473, 20: 0.718577, 40: 1.210350})
