"""KL-UCB for exponential rewards: the definition of the index, and its scale."""

from __future__ import annotations

import numpy as np

from qbrix.policies.exponential_klucb import ExponentialKLUCBPolicy
from tests.policies.numbers import seen


def test_index_by_hand() -> None:
    """Round 9, seven pulls of mean 2: U = 2/x with x − 1 − ln x = ln 9 / 7 = 0.313889.

    x = 0.4016 gives 0.4016 − 1 + 0.912298 = 0.313898, and the slope there is −1.49: x = 0.401606.
    """
    index = ExponentialKLUCBPolicy().prepare(seen([1, 7], [1, 14]))
    np.testing.assert_allclose(index[1], 2.0 / 0.401606, rtol=1e-5)


def test_index_exhausts_the_exploration() -> None:
    """N d(p, U) = ln 9 + ln ln 9."""
    index = ExponentialKLUCBPolicy(c=1.0).prepare(seen([2, 6], [5, 6]))
    ratio = np.array([2.5, 1.0]) / index
    spent = np.array([2.0, 6.0]) * (ratio - 1.0 - np.log(ratio))
    np.testing.assert_allclose(spent, np.log(9.0) + np.log(np.log(9.0)), rtol=1e-10)


def test_the_unit_does_not_matter() -> None:
    policy = ExponentialKLUCBPolicy()
    np.testing.assert_allclose(
        policy.prepare(seen([2, 6], [5e6, 6e6])), 1e6 * policy.prepare(seen([2, 6], [5, 6]))
    )


def test_a_mean_that_is_not_positive_is_its_own_index() -> None:
    assert ExponentialKLUCBPolicy().prepare(seen([2, 6], [-1, 6]))[0] == -0.5
