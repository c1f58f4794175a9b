"""MOSS: minimax optimal for a known horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import OwnIndexPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["MOSSPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MOSSPolicy(OwnIndexPolicy):
    r"""Choose the arm with the largest mean plus a width that vanishes after its fair share.

    .. math::

        U_a = \hat\mu_a + \sqrt{\frac{\ln^+ \bigl(T / (K N_a)\bigr)}{N_a}},
        \qquad \ln^+ x = \max\{\ln x, 0\}

    T is the horizon, K the number of arms, retired ones included. Every allowed arm is observed
    once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    horizon : int >= 1
        T, the number of rounds that will be played. After T/K observations an arm is judged by its
        mean alone, so a horizon that is too small ends exploration for good.

    Examples
    --------
    >>> policy = MOSSPolicy(horizon=100)
    >>> state = Rewards(pulls=np.array([4.0, 50.0]), total_reward=np.array([2.0, 40.0]))
    >>> policy.prepare(state).round(4)
    array([1.2946, 0.8   ])

    Notes
    -----
    Regret at most :math:`49 \sqrt{K T}` whatever the arms, and at most
    :math:`23 K \ln(\max\{140 T \Delta^2 / K, 10^4\}) / \Delta` with the smallest gap Δ. *Applies
    when* rewards of an arm are independent in [0, 1] with a fixed mean and T is known. It repeats
    one arm until feedback arrives: a batch of n costs up to n rounds of the wrong arm whenever the
    leader changes.

    References
    ----------
    Audibert and Bubeck (2009), *Minimax Policies for Adversarial and Stochastic Bandits*, section 2
    and Theorem 5.
    """

    horizon: int = param(gt=0, doc="number of rounds that will be played")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot", reward_types=("bounded",))

    def own_index(self, pulls: Array, mean: Array, *, n_arms: int) -> Array:
        """Mean and width."""
        excess = np.log(np.maximum(self.horizon / (n_arms * pulls), 1.0))
        index: Array = mean + np.sqrt(excess / pulls)
        return index
