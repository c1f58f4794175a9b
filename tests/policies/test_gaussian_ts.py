"""Thompson sampling with Gaussian posteriors: the posterior and the probability on paper."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np

from qbrix.policies.gaussian_ts import GaussianTSPolicy
from tests.policies.numbers import law, seen


def normal_cdf(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


def test_two_arms_by_hand() -> None:
    """Means 2/2 and 0/4, variances 1/2 and 1/4: Φ(1/√(3/4)) = 0.875893."""
    found = law(GaussianTSPolicy(), seen([1, 3], [2, 0]))
    np.testing.assert_allclose(found, [0.8758935, 0.1241065], atol=1e-6)


def test_prior_and_noise_weigh_by_their_precision() -> None:
    """Precision 4 + 2·3 = 10 and 4; means (4·1 + 2·6)/10 = 1.6 and 1: Φ(.6/√(.1 + .25))."""
    policy = GaussianTSPolicy(prior_mean=1.0, prior_precision=4.0, noise_precision=2.0)
    expected = normal_cdf(0.6 / sqrt(0.35))
    np.testing.assert_allclose(law(policy, seen([3, 0], [6, 0])), [expected, 1 - expected])


def test_nothing_seen_is_an_even_choice() -> None:
    assert law(GaussianTSPolicy(), GaussianTSPolicy().init(n_arms=4)) == [0.25] * 4


def test_sample_has_the_law_of_the_propensities() -> None:
    """200,000 draws: 5 standard deviations are 0.0056 at most; false alarm below 1e-6."""
    policy = GaussianTSPolicy()
    state = seen([1, 3, 2], [2, 2, 1])
    many = type(state)(
        pulls=np.tile(state.pulls, (200_000, 1)),
        total_reward=np.tile(state.total_reward, (200_000, 1)),
    )
    arms = policy.sample(many, rng=np.random.default_rng(3))
    shares = np.bincount(arms, minlength=3) / arms.size
    np.testing.assert_allclose(shares, policy.propensities(state), atol=0.0056)
