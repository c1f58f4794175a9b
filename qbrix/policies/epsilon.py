"""ε-greedy with a geometric schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import UNOBSERVED, Rewards, add, cells, pick, share, uniform
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["EpsilonPolicy"]


@dataclass(slots=True, kw_only=True)
class Means:
    """What a decision needs: estimates, how much to explore, and whether an arm is unobserved."""

    mean_reward: Array
    exploration: Array
    fresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EpsilonPolicy(Policy[Rewards, Means]):
    r"""Explore uniformly with probability :math:`\varepsilon_t`, else exploit the best mean.

    .. math::

        p_a = \frac{\varepsilon_t}{K}
            + (1 - \varepsilon_t) \frac{[\hat\mu_a = \max_b \hat\mu_b]}{\#\text{best}},
        \qquad \varepsilon_t = \varepsilon \gamma^t

    where t is the number of observed interactions. Exploration is uniform over *all* allowed arms,
    the best one included. As long as an allowed arm is unobserved, the choice is uniform over the
    unobserved arms. Means that tie share evenly.

    Parameters
    ----------
    eps : float in [0, 1]
        Share of exploring decisions at the start; 0.1 is the classic choice.
    gamma : float in [0, 1]
        What remains of it after each observation; 1 keeps it constant, 0 exploits at once.

    Examples
    --------
    >>> policy = EpsilonPolicy(eps=0.1, gamma=1.0)
    >>> state = Rewards(pulls=np.array([2.0, 1.0]), total_reward=np.array([1.0, 1.0]))
    >>> policy.propensities(policy.prepare(state))
    array([0.05, 0.95])

    Notes
    -----
    With a constant ε the regret is linear, :math:`\varepsilon T (\mu^* - \bar\mu)` at least; with
    :math:`\gamma < 1` exploration is finite in total, and it may settle on a wrong arm for ever.
    The :math:`1/t` schedule of the reference has logarithmic regret and is not of this form.
    *Applies when* the log must support every arm (no propensity below :math:`\varepsilon_t / K`).
    Delayed or batched feedback delays the decay and the first estimates, and nothing else.

    References
    ----------
    Sutton and Barto (2018), *Reinforcement Learning: An Introduction*, 2nd edition, section 2.4.
    Auer, Cesa-Bianchi and Fischer (2002), *Finite-time Analysis of the Multiarmed Bandit Problem*,
    figure 3, for decaying schedules.
    """

    eps: float = param(gte=0, lte=1, doc="share of exploring decisions at the start")
    gamma: float = param(gte=0, lte=1, doc="what remains of eps after each observation")

    state_type = Rewards
    capabilities = Capabilities(reward="continuous", order_free=True, propensity="closed")

    def prepare(self, state: Rewards) -> Means:
        """Means, exploration and whether some arm is unobserved."""
        pulls = state.pulls
        observed = pulls > 0.0
        means = np.divide(
            state.total_reward, pulls, out=np.full(pulls.shape, UNOBSERVED), where=observed
        )
        exploration = self.eps * self.gamma ** pulls.sum(-1)
        return Means(mean_reward=means, exploration=exploration, fresh=not observed.all())

    def propensities(
        self, prepared: Means, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        exploit = share(prepared.mean_reward, mask)
        explore = self._exploration(prepared, mask)[..., None]
        return explore * uniform(exploit.shape, mask) + (1.0 - explore) * exploit

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
        prepared: Means,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One arm per leading index; one uniform number says whether and where to explore."""
        if mask is not None:
            return Policy.sample(self, prepared, context, mask=mask, rng=rng)
        arms = pick(prepared.mean_reward, rng=rng)
        explore = self._exploration(prepared, None)
        u = rng.random(arms.shape)
        exploring = u < explore
        if exploring.any():
            n_arms = prepared.mean_reward.shape[-1]
            anywhere = u / np.where(exploring, explore, 1.0) * n_arms
            return np.where(exploring, np.minimum(anywhere, n_arms - 1).astype(np.int64), arms)
        return arms

    def _exploration(self, prepared: Means, mask: BoolArray | None) -> Array:
        """The exploration rate (...,), 0 where an allowed arm is unobserved."""
        if not prepared.fresh:
            return prepared.exploration
        fresh = prepared.mean_reward == UNOBSERVED
        if mask is not None:
            fresh = fresh & mask
        return np.where(fresh.any(-1), 0.0, prepared.exploration)
