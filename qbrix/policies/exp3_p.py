"""EXP3.P: exponential weights over upper confidence bounds of the total rewards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import allowed, uniform
from qbrix.policies._elementary import exponential
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP3PPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds(State):
    """Sums of rewards over propensities, and of what an estimate could be wrong by."""

    weighted_reward: Array = array("K")
    uncertainty: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3PPolicy(Policy[Bounds, Bounds]):
    r"""Choose in proportion to the exponential of an upper bound of each arm's total reward.

    .. math::

        p_a = (1 - \gamma) \frac{w_a}{\sum_b w_b} + \frac{\gamma}{K}, \qquad
        w_a = \exp \frac{\gamma}{3 K} \Bigl( \sum_{s : a_s = a} \frac{r_s}{p_s}
            + \frac{\alpha}{\sqrt{K T}} \sum_s \frac{1}{\pi_s(a)} \Bigr)

    :math:`p_s` is the logged propensity. The second sum runs over all rounds and needs the
    probability of *every* arm, :math:`\pi_s(a)`: it is that of the state which learns the row. With
    immediate feedback and no floor it is the one of the decision, as in the paper; after a delay it
    is a later one, which changes the width of the bound and biases nothing.

    Parameters
    ----------
    gamma : float in (0, 1], default 0.1
        Share of uniform exploration, and 3K times the learning rate.
        :math:`\min\{3/5,\, 2 \sqrt{(3/5) K \ln K / T}\}`.
    alpha : float >= 0, default 8
        Width of the bound; :math:`2 \sqrt{\ln(K T / \delta)}` for confidence 1 − δ.
    horizon : int >= 1, default 10000
        T, the number of rounds that is planned.

    Examples
    --------
    >>> policy = EXP3PPolicy(gamma=0.6, alpha=0.0)
    >>> state = Bounds(weighted_reward=10.0 * np.log([3.0, 1.0]), uncertainty=np.zeros(2))
    >>> policy.propensities(state)
    array([0.6, 0.4])

    Notes
    -----
    Regret at most of the order of :math:`\sqrt{K T \ln(K T / \delta)}` with probability 1 − δ, with
    the values above. *Applies when* rewards lie in [0, 1], even if an adversary chose them.
    `EXP3IXPolicy` promises as much, needs no horizon and learns in any order. All hyper-parameters
    act at once on the sums, but :math:`\pi_s` stays what it was.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    section 6 and Theorem 6.3.
    """

    gamma: float = param(0.1, gt=0, lte=1, doc="share of uniform exploration")
    alpha: float = param(8.0, gte=0, doc="width of the upper bound")
    horizon: int = param(10_000, gte=1, doc="planned number of rounds")

    state_type = Bounds
    capabilities = Capabilities(propensity="closed", category="adversarial", update_cost="K")

    def propensities(
        self, prepared: Bounds, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return self._law(prepared.weighted_reward, prepared.uncertainty, mask=mask)

    def update_in_place(self, state: Bounds, batch: Interactions) -> None:
        """Add the reward over its propensity, and 1/π to every arm, row by row."""
        rewards, uncertainty = rows(state.weighted_reward), rows(state.uncertainty)
        for event in events(batch):
            law = self._law(rewards[event.at], uncertainty[event.at])
            uncertainty[event.at] += 1.0 / law
            rewards[event.at, event.arm] += event.reward / event.propensity

    def _law(self, rewards: Array, uncertainty: Array, *, mask: BoolArray | None = None) -> Array:
        n_arms = rewards.shape[-1]
        bound = rewards + self.alpha / np.sqrt(n_arms * self.horizon) * uncertainty
        scores = allowed(self.gamma / (3.0 * n_arms) * bound, mask)
        weights = exponential(scores - scores.max(-1, keepdims=True))
        if mask is not None:
            weights = np.where(mask, weights, 0.0)
        weights /= weights.sum(-1, keepdims=True)
        law: Array = (1.0 - self.gamma) * weights + self.gamma * uniform(weights.shape, mask)
        return law
