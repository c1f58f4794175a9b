"""Bootstrap Thompson sampling for rewards of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._binomial import binomial, counts_best_arm
from qbrix.policies._counts import Rewards, pick
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["BootstrapTSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BootstrapTSPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the largest mean of a bootstrap sample of every arm's history.

    .. math::

        \tilde\mu_a = \frac{1}{n_a} \mathrm{Bin}\Bigl(n_a, \frac{S_a + m}{n_a}\Bigr),
        \qquad n_a = N_a + 2 m

    A bootstrap sample of n rewards of 0 and 1 has a binomial sum, so the probability that an arm
    has the largest mean is a finite sum and computed as such; ties share evenly. Every history
    begins with m successes and m failures that did not happen: without them an arm whose first
    rewards are equal could never change its mean.

    Parameters
    ----------
    prior_pairs : int >= 1, default 1
        m, invented pairs of a success and a failure per arm.

    Examples
    --------
    >>> policy = BootstrapTSPolicy()
    >>> state = Rewards(pulls=np.array([2.0, 0.0]), total_reward=np.array([2.0, 0.0]))
    >>> policy.propensities(state).round(4)
    array([0.7109, 0.2891])

    Notes
    -----
    It mimics Thompson sampling where no posterior is at hand; with few invented pairs it may leave
    the best arm for long. No tight regret bound is known for a fixed number of pairs. *Applies
    when* rewards of an arm are independent, 0 or 1, with a fixed mean. Delay and batches cost it
    little: waiting for feedback it goes on resampling.

    References
    ----------
    Eckles and Kaptein (2014), *Thompson Sampling with the Online Bootstrap*. Osband and
    Van Roy (2015), *Bootstrapped Thompson Sampling and Deep Exploration*, for the invented
    data.
    """

    prior_pairs: int = param(1, gte=1, doc="invented pairs of a success and a failure per arm")

    state_type = Rewards
    capabilities = Capabilities(
        reward="binary", order_free=True, propensity="closed", propensities_cost="K sqrt(n)"
    )

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        laws = []
        size, successes = self._history(prepared)
        for n, s in zip(size.flat, successes.flat, strict=True):
            counts, law = binomial(float(n), float(s / n))
            laws.append((counts / n, law))
        return counts_best_arm(laws, leading=size.shape[:-1], mask=mask)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest bootstrap mean, one per leading index."""
        size, successes = self._history(prepared)
        drawn = rng.binomial(size.astype(np.int64), successes / size)
        return pick(drawn / size, mask=mask, rng=rng)

    def _history(self, state: Rewards) -> tuple[Array, Array]:
        """Observations and successes with the invented ones, (..., K) each."""
        return state.pulls + 2.0 * self.prior_pairs, state.total_reward + self.prior_pairs
