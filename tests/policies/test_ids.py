"""Information-directed sampling: regret, information and the best mixture on paper."""

from __future__ import annotations

import numpy as np

from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies.ids import IDSPolicy, _best_and_means, best_mixture, regret_and_gain
from tests.policies.numbers import law, seen


def test_a_uniform_arm_against_a_known_coin() -> None:
    """E max = 5/8, so both lose 1/8; the uniform arm tells kl(¾, ½) = 0.130812, the coin nothing.

    (The coin is Beta(10⁸, 10⁸), which is known to 5e-5.)
    """
    regret, gain = regret_and_gain(np.array([[1.0, 1e8]]), np.array([[1.0, 1e8]]))
    np.testing.assert_allclose(regret, [[0.125, 0.125]], atol=1e-5)
    np.testing.assert_allclose(gain, [[0.130812, 0.0]], atol=1e-5)


def test_two_uniform_arms() -> None:
    """E max = 2/3 and E min = 1/3: both lose 1/6 and tell kl(2/3, ½) = 0.056633."""
    regret, gain = regret_and_gain(np.ones((1, 2)), np.ones((1, 2)))
    np.testing.assert_allclose(regret, [[1 / 6, 1 / 6]], atol=1e-6)
    np.testing.assert_allclose(gain, [[0.056633, 0.056633]], atol=1e-6)


def test_best_mixture_of_two_arms() -> None:
    """(.3 − .2 q)²/(.2 − .19 q) is least at q = .023/.038, below 1 and .45 of the pure arms."""
    found = best_mixture(np.array([[0.1, 0.3]]), np.array([[0.01, 0.2]]))
    np.testing.assert_allclose(found, [[23 / 38, 15 / 38]], atol=1e-9)


def test_chances_are_those_of_the_exact_quadrature() -> None:
    a, b = np.array([[3.0, 7.0, 40.0, 1.0]]), np.array([[2.0, 5.0, 30.0, 4.0]])
    np.testing.assert_allclose(_best_and_means(a, b)[0], beta_best_arm(a, b), atol=1e-6)


def test_the_informative_arm_is_chosen_where_regrets_are_equal() -> None:
    found = law(IDSPolicy(), seen([0, 2e8], [0, 1e8]))
    np.testing.assert_allclose(found, [1.0, 0.0], atol=2e-3)


def test_a_certain_winner_is_chosen() -> None:
    assert law(IDSPolicy(), seen([1e5, 1e5, 1e5], [9e4, 1e4, 5e4])) == [1.0, 0.0, 0.0]


def test_a_masked_arm_takes_no_part() -> None:
    mask = np.array([True, True, False])
    found = IDSPolicy().propensities(seen([4, 4, 9], [2, 2, 8]), mask=mask)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.0], atol=1e-9)
