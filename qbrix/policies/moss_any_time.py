"""MOSS without a horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["MOSSAnyTimePolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MOSSAnyTimePolicy(IndexPolicy[Rewards]):
    r"""Choose the arm with the largest mean plus a width that only arms short of their share have.

    .. math::

        U_a(t) = \hat\mu_a + \sqrt{\frac{1 + \alpha}{2} \,
            \frac{\ln^+ \bigl(t / (K N_a)\bigr)}{N_a}}, \qquad \ln^+ x = \max\{\ln x, 0\}

    t is the index of the round that is being played: observations so far, plus one; K is the number
    of arms, retired ones included. Every allowed arm is observed once before any index is used;
    indices that tie share evenly.

    Parameters
    ----------
    alpha : float >= 0, default 1.35
        Width; 1.35 makes the constant of the bound smallest, 0 explores least.

    Examples
    --------
    >>> policy = MOSSAnyTimePolicy()
    >>> state = Rewards(pulls=np.array([4.0, 95.0]), total_reward=np.array([2.0, 76.0]))
    >>> policy.prepare(state).round(4)
    array([1.3614, 0.8   ])

    Notes
    -----
    Regret at most :math:`113 \sqrt{K T}` at every T, for alpha = 1.35. *Applies when* rewards of an
    arm are independent in [0, 1] with a fixed mean. It repeats one arm until feedback arrives: a
    batch of n costs up to n rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Degenne and Perchet (2016), *Anytime Optimal Algorithms in Stochastic Multi-armed Bandits*,
    section 3.
    """

    alpha: float = param(1.35, gte=0, doc="width of the confidence interval")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot", reward_types=("bounded",))

    def index(self, state: Rewards, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean and width, shape (..., K)."""
        excess = np.log(np.maximum(t / (pulls.shape[-1] * pulls), 1.0))
        index: Array = mean + np.sqrt(0.5 * (1.0 + self.alpha) * excess / pulls)
        return index
