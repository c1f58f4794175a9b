"""kl-UCB++: minimax and asymptotically optimal for a known horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import OwnIndexPolicy, largest_mean
from qbrix.policies.base import Capabilities
from qbrix.types import Array

__all__ = ["KLUCBPlusPlusPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KLUCBPlusPlusPolicy(OwnIndexPolicy):
    r"""KL-UCB with MOSS's exploration: what an arm may still claim ends with its fair share.

    .. math::

        U_a = \max\bigl\{ q \in [\hat\mu_a, 1] :
            N_a \, \mathrm{kl}(\hat\mu_a, q) \le g(N_a) \bigr\}, \qquad
        g(n) = \ln^+\!\Bigl( \tfrac{T}{K n}
            \bigl( (\ln^+ \tfrac{T}{K n})^2 + 1 \bigr) \Bigr)

    T is the horizon, K the number of arms, retired ones included, and :math:`\ln^+` is the positive
    part of the logarithm. Every allowed arm is observed once before any index is used; indices that
    tie share evenly.

    Parameters
    ----------
    horizon : int >= 1
        T, the number of rounds that will be played. After T/K observations an arm is judged by its
        mean alone, so a horizon that is too small ends exploration for good.
    tolerance : float > 0, default 1e-6
        Newton's method stops when its last step is no larger, relative to the distance between
        index and mean.
    max_iterations : int >= 1, default 50
        Steps after which it stops in any case; about three are taken.

    Examples
    --------
    >>> policy = KLUCBPlusPlusPolicy(horizon=8)
    >>> state = Rewards(pulls=np.array([4.0, 6.0]), total_reward=np.array([2.0, 3.0]))
    >>> policy.prepare(state)
    array([0.5, 0.5])

    Notes
    -----
    Regret at most :math:`76 \sqrt{\sigma^2 K T} + (K - 1) M` for one-parameter families of mean
    parameter up to M and variance up to σ², and for Bernoulli rewards :math:`R_T / \ln T` tends to
    the Lai–Robbins constant. *Applies when* rewards of an arm are independent in [0, 1] with a
    fixed mean and T is known. It repeats one arm until feedback arrives: a batch of n costs up to n
    rounds of the wrong arm whenever the leader changes.

    References
    ----------
    Ménard and Garivier (2017), *A Minimax and Asymptotically Optimal Algorithm for Stochastic
    Bandits*, Algorithm 1 and Theorems 1 and 2.
    """

    horizon: int = param(gt=0, doc="number of rounds that will be played")
    tolerance: float = param(1e-6, gt=0, doc="relative size of the last Newton step")
    max_iterations: int = param(50, gte=1, doc="most Newton steps")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def own_index(self, pulls: Array, mean: Array, *, n_arms: int) -> Array:
        """The largest plausible mean."""
        ratio = np.maximum(self.horizon / (n_arms * pulls), 1.0)
        log_ratio = np.log(ratio)
        exploration = log_ratio + np.log(log_ratio * log_ratio + 1.0)
        return largest_mean(
            mean,
            exploration,
            pulls,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )
