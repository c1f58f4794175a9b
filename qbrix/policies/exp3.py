"""EXP3: exponential weights for rewards that an adversary may choose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, allowed, uniform
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["EXP3Policy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeightedRewards(State):
    """Sums of rewards divided by the propensity with which their arm was chosen."""

    weighted_reward: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3Policy(Policy[WeightedRewards, WeightedRewards]):
    r"""Choose in proportion to the exponential of an unbiased estimate of each arm's total reward.

    .. math::

        p_a = (1 - \gamma) \frac{e^{\gamma G_a / K}}{\sum_b e^{\gamma G_b / K}} + \frac{\gamma}{K},
        \qquad G_a = \sum_{s : a_s = a} \frac{r_s}{p_s}

    :math:`p_s` is the *logged* propensity of the decision, exploration floor included, however
    long ago it was made. The state holds the sums G; the exponential is taken, relative to the
    largest, when a decision is due, so that nothing overflows.

    Parameters
    ----------
    gamma : float in (0, 1], default 0.1
        Share of uniform exploration, and K times the learning rate.
        :math:`\min\{1, \sqrt{K \ln K / ((e - 1) T)}\}` for a known horizon T (Corollary 3.2).

    Examples
    --------
    >>> policy = EXP3Policy(gamma=0.5)
    >>> state = WeightedRewards(weighted_reward=np.array([4.0 * np.log(3.0), 0.0]))
    >>> policy.propensities(state)
    array([0.625, 0.375])

    Notes
    -----
    Expected regret against the best fixed arm :math:`\le 2.63 \sqrt{K T \ln K}` with the gamma
    above. *Applies when* rewards lie in [0, 1], even if an adversary chose them in advance. On a
    stochastic problem it pays for that safety. A delay of d rounds adds the order of
    :math:`\sqrt{d T \ln K}`, and a batch acts as a delay of its length.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    figure 1 and Theorem 3.1. Cesa-Bianchi, Gentile, Mansour and Minora (2016), *Delay and
    Cooperation in Nonstochastic Bandits*, for the delay.
    """

    gamma: float = param(0.1, gt=0, lte=1, doc="share of uniform exploration")

    state_type = WeightedRewards
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self,
        prepared: WeightedRewards,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        total = prepared.weighted_reward
        scores = allowed(total * (self.gamma / total.shape[-1]), mask)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        law: Array = (1.0 - self.gamma) * weights + self.gamma * uniform(weights.shape, mask)
        return law

    def update_in_place(self, state: WeightedRewards, batch: Interactions) -> None:
        """Add each reward over its logged propensity."""
        cells = Cells.of(batch, state.weighted_reward.shape[-1])
        logged = cells.column(batch.propensities)
        cells.add(state.weighted_reward, cells.column(batch.rewards) / logged)

    def merge(self, a: WeightedRewards, b: WeightedRewards) -> WeightedRewards:
        """Sums add."""
        return WeightedRewards(weighted_reward=a.weighted_reward + b.weighted_reward)

    def play(
        self,
        prepared: WeightedRewards,
        state: WeightedRewards,
        rewards: Array,
        *,
        contexts: Array | None = None,
        rng: np.random.Generator,
    ) -> tuple[IntArray, WeightedRewards]:
        """A block of rounds, compiled."""
        from qbrix.policies.kernels.chance import streams
        from qbrix.policies.kernels.exponential import play_exp3

        chosen = np.empty(rewards.shape[:2], dtype=np.int64)
        seeds = streams(rng, len(rewards))
        play_exp3(state.weighted_reward, rewards, seeds, chosen, self.gamma)
        return chosen, state
