"""KL-UCB for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import UNOBSERVED, Rewards, add, cells, pick, share
from qbrix.policies._kl import upper_index
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["KLUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KLUCBPolicy(Policy[Rewards, Array]):
    r"""Choose the arm whose mean could be the largest, as far as a Bernoulli divergence allows.

    .. math::

        U_a(t) = \max\Bigl\{ q \in [\hat\mu_a, 1] :
            N_a \, \mathrm{kl}(\hat\mu_a, q) \le \ln t + c \ln \ln t \Bigr\}

    t is the index of the round that is being played: observations so far, plus one. Every allowed
    arm is observed once before any index is used; indices that tie share evenly.

    Parameters
    ----------
    c : float >= 0, default 0
        Weight of ln ln t (no less than 0 is taken of it). The proof wants 3, the authors recommend
        0 in practice.
    tolerance : float > 0, default 1e-6
        Newton's method stops when its last step is no larger, relative to the distance between
        index and mean; it converges quadratically, so what is left is about the tolerance squared.
    max_iterations : int >= 1, default 50
        Steps after which it stops in any case; about five are taken.

    Examples
    --------
    >>> policy = KLUCBPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 3.0]), total_reward=np.array([0.0, 3.0]))
    >>> policy.prepare(state)
    array([0.8, 1. ])

    Notes
    -----
    For Bernoulli rewards :math:`R_T / \ln T` tends to the Lai–Robbins constant
    :math:`\sum_a \Delta_a / \mathrm{kl}(\mu_a, \mu^*)`. *Applies when* rewards of an
    arm are independent in [0, 1] with a fixed mean; for other laws than Bernoulli it stays
    logarithmic. It repeats one arm until feedback arrives, so delay and batches cost it more than
    they cost Thompson sampling: about one batch of the wrong arm whenever the leader changes.

    References
    ----------
    Garivier and Cappé (2011), *The KL-UCB Algorithm for Bounded Stochastic Bandits and Beyond*,
    Algorithm 1 and Theorem 1.
    """

    c: float = param(0.0, gte=0, doc="weight of ln ln t in the exploration")
    tolerance: float = param(1e-6, gt=0, doc="relative size of the last Newton step")
    max_iterations: int = param(50, gte=1, doc="most Newton steps")

    state_type = Rewards
    capabilities = Capabilities(order_free=True, propensity="one-hot")

    def prepare(self, state: Rewards) -> Array:
        """The indices, shape (..., K)."""
        pulls = state.pulls
        observed = pulls > 0.0
        counts = np.where(observed, pulls, 1.0)
        log_t = np.log(pulls.sum(-1, keepdims=True) + 1.0)
        exploration = log_t + self.c * np.log(np.maximum(log_t, 1.0))
        index = upper_index(
            state.total_reward / counts,
            exploration / counts,
            tolerance=self.tolerance,
            max_iterations=self.max_iterations,
        )
        return np.where(observed, index, UNOBSERVED)

    def propensities(
        self, prepared: Array, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(prepared, mask)

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        """Count the observation and add its reward."""
        index, (rewards,) = cells(batch, state.pulls.shape[-1], batch.rewards)
        add(state.pulls, index, 1.0)
        add(state.total_reward, index, rewards)

    def merge(self, a: Rewards, b: Rewards) -> Rewards:
        """Counts and sums add."""
        return Rewards(pulls=a.pulls + b.pulls, total_reward=a.total_reward + b.total_reward)

    def sample(
        self,
        prepared: Array,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(prepared, mask=mask, rng=rng)
