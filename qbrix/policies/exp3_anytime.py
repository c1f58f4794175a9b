"""EXP3 with a learning rate that falls by itself: no horizon, no mixing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._weighted import Losses, add_losses, merged, next_round, softmax
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP3AnytimePolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3AnytimePolicy(Policy[Losses, Losses]):
    r"""Choose in proportion to the exponential of each arm's estimated loss, at a falling rate.

    .. math::

        p_a \propto e^{-\eta_t L_a}, \qquad \eta_t = \sqrt{\frac{\ln K}{K t}}, \qquad
        L_a = \sum_{s : a_s = a} \frac{1 - r_s}{p_s}

    t is the index of the round that is being played: observations so far, plus one. The rate acts
    on the whole sum, so the state does not depend on it. There is no uniform exploration: an arm
    that is chosen loses, which brings the others back.

    Examples
    --------
    ln 2 / 2 · 2 = ln 2 for the second round with two arms, whose rate is √(ln 2 / 4):

    >>> policy = EXP3AnytimePolicy()
    >>> loss = 2.0 * np.sqrt(np.log(2.0))
    >>> state = Losses(pulls=np.array([1.0, 0.0]), weighted_loss=np.array([loss, 0.0]))
    >>> policy.propensities(state).round(6)
    array([0.333333, 0.666667])

    Notes
    -----
    Expected regret against the best fixed arm :math:`\le 2 \sqrt{K T \ln K}` at every T. *Applies
    when* rewards lie in [0, 1], even if an adversary chose them in advance. Single runs vary a lot,
    since 1/p is unbounded: `EXP3IXPolicy` bounds the regret with high probability. A delay of d
    rounds adds the order of :math:`\sqrt{d T \ln K}`, and a batch acts as a delay of its length.

    References
    ----------
    Bubeck and Cesa-Bianchi (2012), *Regret Analysis of Stochastic and Nonstochastic Multi-armed
    Bandit Problems*, figure 3.1 and Theorem 3.1. Cesa-Bianchi, Gentile, Mansour and Minora (2016),
    *Delay and Cooperation in Nonstochastic Bandits*, for the delay.
    """

    state_type = Losses
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self, prepared: Losses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        n_arms = prepared.pulls.shape[-1]
        rate = np.sqrt(np.log(n_arms) / (n_arms * next_round(prepared.pulls)))
        return softmax(-rate * prepared.weighted_loss, mask)

    def update_in_place(self, state: Losses, batch: Interactions) -> None:
        """Add each loss over its logged propensity."""
        add_losses(state, batch)

    def merge(self, a: Losses, b: Losses) -> Losses:
        """Sums add."""
        return merged(a, b)
