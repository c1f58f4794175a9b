"""Track-and-Stop: observations in the proportions that identify the best arm fastest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, share
from qbrix.policies._evidence import certain, observed_means
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.policies.identification import IdentificationPolicy
from qbrix.theory import optimal_proportions
from qbrix.types import Array, BoolArray

__all__ = ["TrackAndStopPolicy"]


@dataclass(slots=True, kw_only=True)
class Targets:
    """What is owed to each arm.

    Attributes
    ----------
    lack : Array, shape (..., K)
        What an arm has too few observations of, for the proportions of the current means.
    pulls : Array, shape (..., K)
    starved : BoolArray, shape (..., K)
        Arms that exploration is owed to.
    """

    lack: Array
    pulls: Array
    starved: BoolArray


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackAndStopPolicy(SumPolicy[Rewards, Targets], IdentificationPolicy[Rewards, Targets]):
    r"""Choose the arm that lags most behind its best share, as far as the means are known.

    .. math::

        a_{t+1} = \begin{cases} \arg\min_a N_a & \min_a N_a < \sqrt t - K/2 \\
            \arg\max_a \; t \, w^*_a(\hat\mu) - N_a & \text{else} \end{cases}

    :math:`w^*(\mu)` are the shares with which the best of Bernoulli arms with means μ is found
    fastest (`qbrix.theory.optimal_proportions`), t is the number of observations (direct tracking).
    Every allowed arm is observed once before; arms that tie share evenly. It stops when the
    generalised likelihood ratio of the best mean against every other arm exceeds
    :math:`\ln(2 t (K - 1) / \delta)`, with δ = 1 − confidence; the sampling does not depend on δ.

    Parameters
    ----------
    practical : bool, default False
        Stop at :math:`\ln((1 + \ln t) / \delta)` instead, as experiments in print do: errors stay
        within δ in practice, without a proof.

    Examples
    --------
    Of 21 observations arm 0 should have 10.5, and arm 2 next to none: arm 1 lags behind.

    >>> policy = TrackAndStopPolicy()
    >>> state = Rewards(
    ...     pulls=np.array([10.0, 6.0, 5.0]), total_reward=np.array([6.0, 3.0, 0.0])
    ... )
    >>> policy.propensities(policy.prepare(state))
    array([0., 1., 0.])

    Notes
    -----
    The mean stopping time over :math:`\ln(1/\delta)` tends to the characteristic time
    :math:`T^*(\mu)` as δ falls, which no rule that errs with a probability of at most δ can beat.
    *Applies when* rewards of an arm are independent in [0, 1] with a fixed mean; optimality and the
    stopping rule are proved for Bernoulli rewards. Exploration is owed :math:`\sqrt t` only: after
    an unlucky start a search can take more than ten times the mean. It repeats the arm that lags
    until feedback arrives, so batches that are large against :math:`\sqrt t` upset the proportions.

    References
    ----------
    Garivier and Kaufmann (2016), *Optimal Best Arm Identification with Fixed Confidence*, section
    3.1 (D-tracking), Theorem 10 (stopping) and Theorem 14.
    """

    practical: bool = param(False, doc="stop at the threshold of experiments, without a proof")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot", goal="identification")

    def prepare(self, state: Rewards) -> Targets:
        """What is owed to each arm."""
        pulls = state.pulls
        t = pulls.sum(-1, keepdims=True)
        means = np.clip(state.total_reward / np.maximum(pulls, 1.0), 0.0, 1.0)
        return Targets(
            lack=t * optimal_proportions(means) - pulls,
            pulls=pulls,
            starved=pulls < np.maximum(np.sqrt(t) - pulls.shape[-1] / 2.0, 1.0),
        )

    def propensities(
        self, prepared: Targets, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the starved arm observed least, or the one that lags most; shape (..., K)."""
        starved = prepared.starved if mask is None else prepared.starved & mask
        explores = starved.any(-1, keepdims=True)
        return share(np.where(explores, -prepared.pulls, prepared.lack), mask)

    def merits(self, state: Rewards) -> Array:
        """Mean rewards, shape (..., K)."""
        return observed_means(state.pulls, state.total_reward)

    def stopped(self, state: Rewards, *, confidence: float) -> BoolArray:
        """Whether the likelihood ratio suffices, shape (...)."""
        return certain(
            state.pulls, state.total_reward, confidence=confidence, practical=self.practical
        )
