"""Uniform sampling: equally many observations of every arm, and a rule that says when to stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, pick, share
from qbrix.policies._evidence import certain, observed_means
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.policies.identification import IdentificationPolicy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["UniformSamplingPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class UniformSamplingPolicy(SumPolicy[Rewards, Rewards], IdentificationPolicy[Rewards, Rewards]):
    r"""Choose an arm that has been observed least; recommend the largest mean.

    .. math:: p_a \propto [N_a = \min_b N_b]

    Arms take turns in an order that is drawn anew for every round of K choices. It stops when the
    generalised likelihood ratio of the best mean against every other arm exceeds
    :math:`\ln(2 t (K - 1) / \delta)`, with δ = 1 − confidence.

    Parameters
    ----------
    practical : bool, default False
        Stop at :math:`\ln((1 + \ln t) / \delta)` instead, as experiments in print do: errors stay
        within δ in practice, without a proof.

    Examples
    --------
    >>> policy = UniformSamplingPolicy()
    >>> state = Rewards(pulls=np.array([2.0, 1.0, 1.0]), total_reward=np.array([2.0, 0.0, 1.0]))
    >>> policy.propensities(state), int(policy.recommend(state))
    (array([0. , 0.5, 0.5]), 0)

    Notes
    -----
    The reference that every policy for identification has to beat: against the best proportions it
    wastes what it spends on arms that are plainly worse. With a fixed budget the probability of an
    error falls exponentially in :math:`T \Delta^2 / K` for the smallest gap Δ. *Applies when*
    rewards of an arm are independent in [0, 1] with a fixed mean; the stopping rule is proved for
    Bernoulli rewards. Batches cost it nothing, delay prolongs the trial by the delay.

    References
    ----------
    Bubeck, Munos and Stoltz (2011), *Pure Exploration in Finitely-Armed and Continuous-Armed
    Bandits* (uniform allocation). Garivier and Kaufmann (2016), *Optimal Best Arm
    Identification with Fixed Confidence*, Theorem 10 (stopping).
    """

    practical: bool = param(False, doc="stop at the threshold of experiments, without a proof")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot", goal="identification")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Even among the arms observed least, shape (..., K)."""
        return share(-prepared.pulls, mask)

    def advance(self, prepared: Rewards, state: Rewards, batch: Interactions) -> Rewards:
        """The state itself."""
        return state

    def sample(
        self,
        prepared: Rewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One of the arms observed least, one per leading index."""
        return pick(-prepared.pulls, mask=mask, rng=rng)

    def merits(self, state: Rewards) -> Array:
        """Mean rewards, shape (..., K)."""
        return observed_means(state.pulls, state.total_reward)

    def stopped(self, state: Rewards, *, confidence: float) -> BoolArray:
        """Whether the likelihood ratio suffices, shape (...)."""
        return certain(
            state.pulls, state.total_reward, confidence=confidence, practical=self.practical
        )
