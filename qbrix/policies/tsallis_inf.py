"""Tsallis-INF: best of both worlds, with importance-weighted losses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._tsallis import tsallis_law
from qbrix.policies._weighted import Losses, add_losses, merged, next_round
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["TsallisINFPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TsallisINFPolicy(Policy[Losses, Losses]):
    r"""Choose arms with a probability that falls as the inverse square of their estimated loss.

    .. math::

        p_a = \frac{4}{\eta_t^2 (L_a - x)^2}, \quad \sum_a p_a = 1, \qquad
        \eta_t = \frac{2}{\sqrt t}, \qquad L_a = \sum_{s : a_s = a} \frac{1 - r_s}{p_s}

    x is what makes the probabilities sum to 1. t is the index of the round that is being played:
    observations so far, plus one. It needs no horizon, no gap and no word about who makes the
    rewards.

    Examples
    --------
    At t = 4 the rate is 1, and 4/9 + 5 · 1/9 = 1 with x = −3:

    >>> policy = TsallisINFPolicy()
    >>> state = Losses(pulls=np.array([3.0, 0, 0, 0, 0, 0]), weighted_loss=np.full(6, 3.0))
    >>> state.weighted_loss[0] = 0.0
    >>> policy.propensities(state).round(6)
    array([0.444444, 0.111111, 0.111111, 0.111111, 0.111111, 0.111111])

    Notes
    -----
    Expected regret :math:`\le 4 \sqrt{K T} + 1` against an adversary, and
    :math:`O(\sum_{a : \Delta_a > 0} \ln T / \Delta_a)` when the arms are stochastic with one best
    arm; both are optimal up to constants. *Applies when* rewards lie in [0, 1].
    `TsallisINFRVPolicy` varies less. A delay of d rounds adds the order of :math:`\sqrt{d T \ln K}`
    for the best policies made for it; this one is not tuned for delay.

    References
    ----------
    Zimmert and Seldin (2021), *Tsallis-INF: An Optimal Algorithm for Stochastic and Adversarial
    Bandits*, Algorithm 1 with the IW estimator, Theorem 1.
    """

    state_type = Losses
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self, prepared: Losses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        rate = 2.0 / np.sqrt(next_round(prepared.pulls))
        return tsallis_law(prepared.weighted_loss, rate, mask)

    def update_in_place(self, state: Losses, batch: Interactions) -> None:
        """Add each loss over its logged propensity."""
        add_losses(state, batch)

    def merge(self, a: Losses, b: Losses) -> Losses:
        """Sums add."""
        return merged(a, b)
