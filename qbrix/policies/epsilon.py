"""ε-greedy with a geometric schedule."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import (
    Rewards,
    learn,
    merge,
    share,
    uniform,
)
from qbrix.policies._explore import Greedy, anywhere, best, rest
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["EpsilonPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EpsilonPolicy(Policy[Rewards, Greedy]):
    r"""Explore uniformly with a probability that may decay, else choose the largest mean.

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

    @classmethod
    def example(cls) -> EpsilonPolicy:
        """The textbook's: one decision in ten explores, for ever."""
        return cls(eps=0.1, gamma=1.0)

    def prepare(self, state: Rewards) -> Greedy:
        """How much to explore, and whether some arm is unobserved."""
        exploration = self.eps * self.gamma ** state.pulls.sum(-1)
        return Greedy(
            state=state,
            exploration=exploration,
            fresh=not state.pulls.all(),
        )

    def advance(self, prepared: Greedy, state: Rewards, batch: Interactions) -> Greedy:
        """The same, with nothing to do once every arm is observed and ε is constant."""
        if prepared.fresh or self.gamma != 1.0:
            return self.prepare(state)
        prepared.state = state
        return prepared

    def propensities(
        self, prepared: Greedy, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        means = prepared.means()
        explore = np.where(prepared.idle(means, mask), 0.0, prepared.exploration)[..., None]
        law: Array = explore * uniform(means.shape, mask) + (1.0 - explore) * share(means, mask)
        return law

    def update_in_place(self, state: Rewards, batch: Interactions) -> None:
        """Count the observation and add its reward."""
        learn(state, batch)

    def merge(self, a: Rewards, b: Rewards) -> Rewards:
        """Counts and sums add."""
        return merge(a, b)

    def sample(
        self,
        prepared: Greedy,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """One arm per leading index, from one uniform number for each."""
        if mask is not None:
            return Policy.sample(self, prepared, context, mask=mask, rng=rng)
        means = prepared.means()
        u = np.asarray(rng.random(means.shape[:-1]))
        explore = prepared.exploration
        if prepared.fresh:
            explore = np.where(prepared.idle(means, None), 0.0, explore)
        n_arms = means.shape[-1]
        arms = best(means.reshape(-1, n_arms), u=rest(u, explore).reshape(-1)).reshape(u.shape)
        return np.where(u < explore, anywhere(u, explore, n_arms), arms)

    def play(
        self,
        prepared: Greedy,
        state: Rewards,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, Greedy]:
        """A block of rounds, compiled."""
        from qbrix.policies.kernels.chance import streams
        from qbrix.policies.kernels.means import play_epsilon

        chosen = np.empty(rewards.shape[:2], dtype=np.int64)
        play_epsilon(
            state.pulls,
            state.total_reward,
            prepared.means(),
            rewards,
            streams(rng, len(rewards)),
            chosen,
            self.eps,
            self.gamma,
        )
        if prepared.fresh or self.gamma != 1.0:
            return chosen, self.prepare(state)
        prepared.state = state
        return chosen, prepared
