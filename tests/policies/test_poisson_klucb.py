"""KL-UCB for counts: the index on paper, and its definition."""

from __future__ import annotations

import numpy as np

from qbrix.policies._excess import above, decay_below
from qbrix.policies.poisson_klucb import PoissonKLUCBPolicy
from tests.policies.numbers import seen


def test_inverses_of_the_excess() -> None:
    """2 − 1 − ln 2 at 2, ½ − 1 + ln 2 at ½ = e^(−ln 2); and over fifteen decades."""
    np.testing.assert_allclose(above(np.array([1.0 - np.log(2.0)])), [2.0], rtol=1e-14)
    np.testing.assert_allclose(
        decay_below(np.array([np.log(2.0) - 0.5])), [np.log(2.0)], rtol=1e-14
    )
    level = np.logspace(-9, 6, 301)
    x, v = above(level), decay_below(level)
    np.testing.assert_allclose(x - 1.0 - np.log(x), level, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(np.expm1(-v) + v, level, rtol=1e-9, atol=1e-15)


def test_index_of_an_arm_that_counted_nothing() -> None:
    """d(0, q) = q: ln 9 / 2 in round 9."""
    index = PoissonKLUCBPolicy().prepare(seen([2, 6], [0, 6]))
    np.testing.assert_allclose(index[0], np.log(9.0) / 2.0, rtol=1e-12)


def test_index_exhausts_the_exploration() -> None:
    """N d(p, U) = ln 9 + 3 ln ln 9 for p = 2.5."""
    index = PoissonKLUCBPolicy(c=3.0).prepare(seen([2, 6], [5, 6]))[0]
    divergence = index - 2.5 + 2.5 * np.log(2.5 / index)
    np.testing.assert_allclose(2.0 * divergence, np.log(9.0) + 3.0 * np.log(np.log(9.0)))


def test_a_mean_that_is_not_positive_has_the_limit_of_the_divergence() -> None:
    near = PoissonKLUCBPolicy().prepare(seen([2, 6], [1e-11, 6]))[0]
    below = PoissonKLUCBPolicy().prepare(seen([2, 6], [-1.0, 6]))[0]
    np.testing.assert_allclose([near, below], [np.log(9) / 2, np.log(9) / 2 - 0.5], atol=1e-9)
