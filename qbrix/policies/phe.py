"""Perturbed-history exploration: means with random coins mixed in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._binomial import binomial, counts_best_arm
from qbrix.policies._counts import UNOBSERVED, Rewards, pick
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["PHEPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PHEPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the largest mean after adding fair coins to every arm's history.

    .. math::

        \tilde\mu_a = \frac{S_a + Z_a}{N_a + m_a}, \qquad
        Z_a \sim \mathrm{Bin}\bigl(m_a, \tfrac12\bigr), \quad m_a = \lceil a N_a \rceil

    The probability that :math:`\tilde\mu_a` is the largest is a finite sum and computed as such;
    ties share evenly. As long as an allowed arm is unobserved, the choice is uniform over the
    unobserved arms.

    Parameters
    ----------
    a : float > 0, default 1.1
        Coins per observation. The theorem wants more than 2, the paper's experiments take 1.1, and
        0.5 does better still where rewards are coins themselves.

    Examples
    --------
    >>> policy = PHEPolicy(a=1.0)
    >>> state = Rewards(pulls=np.array([1.0, 1.0]), total_reward=np.array([1.0, 0.0]))
    >>> policy.propensities(state)
    array([0.875, 0.125])

    Notes
    -----
    Regret :math:`O(\sum_a \ln T / \Delta_a)` for a > 2. *Applies when* rewards of an arm are
    independent in [0, 1] with a fixed mean; no prior or posterior is needed. Delay and batches cost
    it little: waiting for feedback it goes on drawing coins.

    References
    ----------
    Kveton, Szepesvári, Ghavamzadeh and Boutilier (2019), *Perturbed-History Exploration in
    Stochastic Multi-Armed Bandits*, Algorithm 1 and Theorem 1.
    """

    a: float = param(1.1, gt=0, doc="coins per observation")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="closed", propensities_cost="K sqrt(n)")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        laws = [
            self._law(float(pulls), float(total))
            for pulls, total in zip(prepared.pulls.flat, prepared.total_reward.flat, strict=True)
        ]
        return counts_best_arm(laws, leading=prepared.pulls.shape[:-1], mask=mask)

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm with the largest perturbed mean, one per leading index."""
        pulls = prepared.pulls
        coins = np.ceil(self.a * pulls)
        heads = rng.binomial(coins.astype(np.int64), 0.5)
        score = (prepared.total_reward + heads) / np.maximum(pulls + coins, 1.0)
        return pick(np.where(pulls > 0.0, score, UNOBSERVED), mask=mask, rng=rng)

    def _law(self, pulls: float, total: float) -> tuple[Array, Array]:
        if pulls == 0.0:
            return np.array([UNOBSERVED]), np.ones(1)
        coins = float(np.ceil(self.a * pulls))
        heads, law = binomial(coins, 0.5)
        return (total + heads) / (pulls + coins), law
