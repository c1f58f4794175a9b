"""EXP3.S: exponential weights that share, so that another arm can become the best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import uniform
from qbrix.policies._elementary import exponential
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array, zeros
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP3SPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights(State):
    """The weights of the arms, with sum 1."""

    weight: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3SPolicy(Policy[Weights, Weights]):
    r"""Exponential weights, each of which receives a small share of all of them in every round.

    .. math::

        p_a = (1 - \gamma) \frac{w_a}{\sum_b w_b} + \frac{\gamma}{K}, \qquad
        w_a \leftarrow w_a \, e^{\gamma \hat x_a / K} + \frac{e \alpha}{K} \sum_b w_b, \qquad
        \hat x_a = \frac{r}{p} [a \text{ was chosen}]

    p is the logged propensity. No weight falls far below α/K of the sum, so an arm that was bad for
    long is back after few good rounds. Weights are divided by their sum after every row.

    Parameters
    ----------
    gamma : float in (0, 1], default 0.1
        Share of uniform exploration, and K times the learning rate.
        :math:`\min\{1, \sqrt{K (S \ln(K T) + e) / ((e - 1) T)}\}` for S − 1 changes of the best arm
        in T rounds. Exploration acts at once, the rate when a reward is learned.
    alpha : float in (0, 1], default 0.001
        What is shared; 1/T. It acts when a reward is learned.

    Examples
    --------
    A reward of 1 at propensity ½ with γ = 1 multiplies the weight by e, then both gain eα/2:

    >>> policy = EXP3SPolicy(gamma=1.0, alpha=1.0)
    >>> batch = Interactions(
    ...     arms=np.array([0]), rewards=np.ones(1), propensities=np.array([0.5]),
    ...     state_versions=np.zeros(1, dtype=np.int64),
    ... )
    >>> policy.update(policy.init(n_arms=2), batch).weight.round(4)
    array([0.5938, 0.4062])

    Notes
    -----
    Expected regret against any sequence of arms with S − 1 switches
    :math:`\le 2 \sqrt{e - 1} \sqrt{K T (S \ln(K T) + e)}` with the values above. *Applies when*
    rewards lie in [0, 1], even if an adversary chose them. The order of events matters, and sharing
    goes by observations: missing feedback slows it down.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    section 8, Theorem 8.1 and Corollary 8.2.
    """

    gamma: float = param(0.1, gt=0, lte=1, doc="share of uniform exploration")
    alpha: float = param(0.001, gt=0, lte=1, doc="what is shared among the weights")

    state_type = Weights
    capabilities = Capabilities(propensity="closed", category="adversarial", update_cost="K")

    def init(self, *, n_arms: int, dim: int = 0) -> Weights:
        """Equal weights."""
        return replace(zeros(Weights, K=n_arms), weight=np.full(n_arms, 1.0 / n_arms))

    def propensities(
        self, prepared: Weights, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        even = uniform(prepared.weight.shape, mask)
        kept = np.where(even > 0.0, prepared.weight, 0.0)
        law: Array = (1.0 - self.gamma) * kept / kept.sum(-1, keepdims=True) + self.gamma * even
        return law

    def update_in_place(self, state: Weights, batch: Interactions) -> None:
        """Multiply the weight of the chosen arm, share, and divide by the sum, row by row."""
        weights = rows(state.weight)
        n_arms = weights.shape[-1]
        share = np.e * self.alpha / n_arms
        for event in events(batch):
            growth = exponential(self.gamma / n_arms * event.reward / event.propensity)
            moved = weights[event.at]
            total = moved.sum(-1, keepdims=True)
            moved[np.arange(event.at.size), event.arm] *= growth
            moved += share * total
            weights[event.at] = moved / moved.sum(-1, keepdims=True)
