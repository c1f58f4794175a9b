"""KL-LUCB: bounds where the divergence has an inverse on paper."""

from __future__ import annotations

from math import e, exp, log, sqrt

import numpy as np
import pytest

from qbrix.policies.kllucb import KLLUCBPolicy
from tests.policies.numbers import law
from tests.policies.test_lucb import pairs

POLICY = KLLUCBPolicy()


def exploration(t: float, *, n_arms: int, doubt: float = 0.05) -> float:
    """β with the constant of the theorem: 2e + 1 + 10 e + 100 (e + 1) = 405.4 for α = 1.1."""
    level = log((112.0 * e + 101.0) * n_arms / doubt) + 1.1 * log(t)
    return level + log(level)


def test_the_constant_is_the_one_in_print() -> None:
    """The experiments of the paper use 405.5."""
    assert 112.0 * e + 101.0 == pytest.approx(405.5, abs=0.1)


def test_bounds_by_hand() -> None:
    """kl(0, q) = −ln(1 − q), kl(1, q) = −ln q, kl(½, q) = −½ ln(4 q (1 − q))."""
    beta = exploration(9.0, n_arms=3)
    low, high = POLICY.bounds(
        np.array([9.0, 9.0, 90.0]),
        np.array([0.0, 1.0, 0.5]),
        t=np.array([9.0]),
        n_arms=3,
        delta=0.05,
    )
    half = sqrt(1.0 - exp(-2.0 * beta / 90.0)) / 2.0
    np.testing.assert_allclose(high, [1.0 - exp(-beta / 9.0), 1.0, 0.5 + half], atol=1e-9)
    np.testing.assert_allclose(low, [0.0, exp(-beta / 9.0), 0.5 - half], atol=1e-9)


def test_practical_bounds_by_hand() -> None:
    """Mean 0, N = 9 = t, δ = .05: 1 − ((1 + ln 9) / .05)^(−1/9)."""
    high = KLLUCBPolicy(practical=True).bounds(
        np.array([9.0]), np.array([0.0]), t=np.array([9.0]), n_arms=3, delta=0.05
    )[1]
    assert high[0] == pytest.approx(1.0 - ((1.0 + log(9.0)) / 0.05) ** (-1.0 / 9.0), abs=1e-9)


def test_it_stops_when_the_bounds_meet() -> None:
    """Means 1 and 0, N each: 1 − exp(−β/N) ≤ exp(−β/N) where N ≥ β / ln 2."""
    first = next(n for n in range(2, 100) if n >= exploration(n, n_arms=2) / log(2.0))
    for n, stops in ((first - 1, False), (first, True)):
        assert bool(POLICY.stopped(pairs([n, n], [n, 0]), confidence=0.95)) is stops


def test_the_challenger_is_the_largest_upper_bound_of_the_others() -> None:
    """Of means 0 the arm with fewer observations, 1 − exp(−β/N)."""
    assert law(POLICY, pairs([5, 5, 4], [5, 0, 0])) == [0.5, 0.0, 0.5]
