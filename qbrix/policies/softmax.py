"""Boltzmann exploration: a softmax of the means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards, allowed, share
from qbrix.policies._exploiting import means
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["SoftmaxPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SoftmaxPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose in proportion to the exponential of each arm's mean reward.

    .. math:: p_a = \frac{e^{\hat\mu_a / \tau}}{\sum_b e^{\hat\mu_b / \tau}}

    As long as an allowed arm is unobserved, the choice is uniform over the unobserved arms.

    Parameters
    ----------
    temperature : float > 0, default 0.1
        τ, in the unit of the rewards: a mean that is τ larger is e times as likely. Large is
        uniform, small is greedy.

    Examples
    --------
    >>> policy = SoftmaxPolicy(temperature=0.5)
    >>> state = Rewards(pulls=np.array([2.0, 1.0]), total_reward=np.array([np.log(3.0), 0.0]))
    >>> policy.propensities(state)
    array([0.75, 0.25])

    Notes
    -----
    With a constant temperature regret is linear, and no monotone schedule mends that without
    knowing the gaps: it does not see how often an arm was observed. *Applies when* the log must
    support every arm and worse arms should appear more rarely than in ε-greedy. Delayed or batched
    feedback delays the estimates and nothing else.

    References
    ----------
    Luce (1959), *Individual Choice Behavior*. Cesa-Bianchi, Gentile, Lugosi and Neu (2017),
    *Boltzmann Exploration Done Right*, section 3, for what it cannot do.
    """

    temperature: float = param(0.1, gt=0, doc="difference of means that is worth a factor of e")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="closed")

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        fresh = allowed(np.where(prepared.pulls > 0.0, 0.0, 1.0), mask)
        scores = allowed(means(prepared, otherwise=0.0), mask)
        above = scores - scores.max(-1, keepdims=True)
        weights = np.exp(above / self.temperature)
        law = weights / weights.sum(-1, keepdims=True)
        return np.where(fresh.max(-1, keepdims=True) > 0.0, share(fresh), law)
