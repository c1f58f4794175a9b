"""KL-UCB for rewards in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import UNOBSERVED, Rewards, learn, merge, pick, share, starts
from qbrix.policies._kl import Roots, near_roots
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["KLUCBPolicy"]


@dataclass(slots=True, kw_only=True)
class Indices:
    """Indices of all arms, with what it takes to follow them from round to round.

    Attributes
    ----------
    index : Array, shape (..., K)
    count, exploration : Array, shape (...)
        Observations so far, and ln t + c ln ln t in the round that comes next.
    weight : Array, shape (..., K)
        1 / pulls.
    roots : Roots, of shape (..., K)
    fresh : bool
        Whether some arm is unobserved.
    """

    index: Array
    count: Array
    exploration: Array
    weight: Array
    roots: Roots
    fresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class KLUCBPolicy(Policy[Rewards, Indices]):
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
        Newton's method for −ln(1 − index) stops when its last step is no larger, relatively; it
        converges quadratically, so what is left is about the tolerance squared.
    max_iterations : int >= 1, default 50
        Steps after which it stops in any case; about five are taken.

    Examples
    --------
    >>> policy = KLUCBPolicy()
    >>> state = Rewards(pulls=np.array([1.0, 3.0]), total_reward=np.array([0.0, 3.0]))
    >>> policy.prepare(state).index
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

    def prepare(self, state: Rewards) -> Indices:
        """The indices of all arms."""
        pulls = state.pulls
        observed = pulls > 0.0
        count = pulls.sum(-1)
        exploration = self._exploration(count)
        weight = 1.0 / np.where(observed, pulls, 1.0)
        level = np.where(observed, exploration[..., None] * weight, 1.0)
        roots = near_roots(state.total_reward * weight, level)
        self._solve(roots, level)
        return Indices(
            index=np.where(observed, roots.index(), UNOBSERVED),
            count=count,
            exploration=exploration,
            weight=weight,
            roots=roots,
            fresh=not observed.all(),
        )

    def advance(self, prepared: Indices, state: Rewards, batch: Interactions) -> Indices:
        """Solve anew for the touched arms, follow the exploration along the tangent for all."""
        if prepared.fresh or batch.arms.shape[-1] != 1:
            return self.prepare(state)
        prepared.count = prepared.count + (batch.arms[..., 0] >= 0)
        exploration = self._exploration(prepared.count)
        roots, weight = prepared.roots, prepared.weight
        grown = (exploration - prepared.exploration)[..., None]
        roots.u = roots.u + roots.growth * weight * grown
        touched = (batch.arms[..., 0] + starts(exploration.shape, weight.shape[-1])).reshape(-1)
        pulls = state.pulls.reshape(-1).take(touched)
        mean = state.total_reward.reshape(-1).take(touched) / pulls
        level = exploration.reshape(-1) / pulls
        anew = near_roots(mean, level)
        self._solve(anew, level)
        roots.replace(touched, anew)
        weight.reshape(-1)[touched] = 1.0 / pulls
        self._solve(roots, exploration[..., None] * weight)
        prepared.exploration = exploration
        prepared.index = roots.index()
        return prepared

    def propensities(
        self, prepared: Indices, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """1 for the largest index, shape (..., K)."""
        return share(prepared.index, mask)

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        """Count the observation and add its reward."""
        learn(state, batch)

    def merge(self, a: Rewards, b: Rewards) -> Rewards:
        """Counts and sums add."""
        return merge(a, b)

    def sample(
        self,
        prepared: Indices,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The arm of the largest index, one per leading index."""
        return pick(prepared.index, mask=mask, rng=rng, bounded=True)

    def play(
        self,
        prepared: Indices,
        state: Rewards,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Indices]:
        """A block of rounds, compiled."""
        from qbrix.policies.kernels.chance import streams
        from qbrix.policies.kernels.divergence import play_divergence

        size, roots, count = len(rewards), prepared.roots, prepared.count
        even = count[:1] if (count == count[0]).all() else count
        chosen = np.empty(rewards.shape[:2], dtype=np.int64)
        play_divergence(
            state.pulls,
            state.total_reward,
            roots.p,
            roots.negentropy,
            roots.u,
            rewards,
            self._exploration(even + np.arange(size + 1.0)[:, np.newaxis]),
            streams(rng, size),
            chosen,
            self.tolerance,
            self.max_iterations,
        )
        return chosen, self.prepare(state)

    def _exploration(self, count: Array) -> Array:
        """ln t + c ln ln t in the round after ``count`` observations."""
        log_t = np.log(count + 1.0)
        return log_t if self.c == 0.0 else log_t + self.c * np.log(np.maximum(log_t, 1.0))

    def _solve(self, roots: Roots, level: Array) -> None:
        roots.solve(level, tolerance=self.tolerance, max_iterations=self.max_iterations)
