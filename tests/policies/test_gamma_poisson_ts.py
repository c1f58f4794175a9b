"""Thompson sampling for counts: probabilities with a closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc

from qbrix.policies._gamma_best_arm import _masses, gamma_best_arm
from qbrix.policies.gamma_poisson_ts import GammaPoissonTSPolicy
from tests.policies.numbers import law, seen


def test_two_exponentials_by_hand() -> None:
    """Gamma(1, 1) beats Gamma(1, 3) with 3/4."""
    found = law(GammaPoissonTSPolicy(), seen([0, 2], [0, 0]))
    np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-9)


def test_prior_by_hand() -> None:
    """Gamma(2, 1) against Gamma(1, 1): 1 − P(Exp > Gamma(2)) = 1 − ¼."""
    state = seen([0, 0], [1, 0])
    found = law(GammaPoissonTSPolicy(), state)
    np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "rate"),
    [
        ((1.0, 1.0), (1.0, 100.0)),
        ((3.5, 12.0), (2.0, 5.0)),
        ((0.05, 2.0), (1.0, 1.0)),
        ((400.0, 30.0), (100.0, 9.0)),
        ((1e6, 1.003e6), (1e5, 1e5)),
    ],
)
def test_two_arms_are_a_beta_probability(
    shape: tuple[float, float], rate: tuple[float, float]
) -> None:
    """X/(X + Y) is Beta for Gamma variables of equal rate: 1 − I_{b₁/(b₁+b₂)}(a₁, a₂)."""
    found = gamma_best_arm(np.array(shape), np.array(rate))
    expected = 1.0 - betainc(*shape, rate[0] / sum(rate))
    np.testing.assert_allclose(found, [expected, 1.0 - expected], atol=2e-10)


def test_the_integrals_sum_to_one_by_themselves() -> None:
    """Nothing but the exactness of the quadrature makes them do so."""
    rng = np.random.default_rng(4)
    shape, rate = 10.0 ** rng.uniform(-1, 5, (40, 12)), 10.0 ** rng.uniform(-1, 3, (40, 12))
    sums = _masses(shape, rate, np.ones(shape.shape, dtype=np.bool_)).sum(-1)
    np.testing.assert_allclose(sums, 1.0, atol=1e-10)


def test_a_masked_arm_takes_no_part() -> None:
    mask = np.array([True, False, True])
    found = gamma_best_arm(np.array([1.0, 50.0, 1.0]), np.array([1.0, 1.0, 3.0]), mask=mask)
    np.testing.assert_allclose(found, [0.75, 0.0, 0.25], atol=1e-10)
