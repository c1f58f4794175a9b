"""EXP3++: exponential weights that explore an arm less the worse it is known to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Cells, uniform
from qbrix.policies._weighted import next_round, softmax
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["EXP3PlusPlusPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BothLosses(State):
    """Observations, their losses as they were, and their losses over the propensities."""

    pulls: Array = array("K")
    total_loss: Array = array("K")
    weighted_loss: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class EXP3PlusPlusPolicy(Policy[BothLosses, BothLosses]):
    r"""Exponential weights, mixed with a share of exploration for each arm that fits its gap.

    .. math::

        p_a &= \Bigl(1 - \sum_b \varepsilon_t(b)\Bigr) \rho_t(a) + \varepsilon_t(a), \qquad
        \rho_t(a) \propto e^{-\eta_t L_a}, \qquad
        \eta_t = \frac12 \sqrt{\frac{\ln K}{t K}} \\
        \varepsilon_t(a) &= \min\Bigl\{ \frac{1}{2K},\; \eta_t,\;
            \frac{\beta \ln t}{t \hat\Delta_t(a)^2} \Bigr\}

    What is mixed in is the *exploration of each arm* ε(a), not the learning rate, and losses are
    divided by the mixture p. The gap is a lower bound from losses that are not weighted:

    .. math::

        \hat\Delta_t(a) = \max\Bigl\{0,\; (\bar\ell_a - c_a)^+ - \min_b
            \min\{1, \bar\ell_b + c_b\}\Bigr\}, \qquad
        c_a = \sqrt{\frac{\alpha \ln t + \ln K}{2 N_a}}

    t is the index of the round that is being played: observations so far, plus one.

    Parameters
    ----------
    alpha : float > 0, default 3
        Width of the bounds on the mean losses; 3 in the paper.
    beta : float > 0, default 256
        Exploration that an arm keeps; 256 is what the proof wants, smaller values do well.

    Examples
    --------
    >>> policy = EXP3PlusPlusPolicy()
    >>> policy.propensities(policy.init(n_arms=4))
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    Expected regret :math:`\le 4 \sqrt{K T \ln K}` against an adversary and
    :math:`O(\sum_a (\ln T)^2 / \Delta_a)` when the arms are stochastic. *Applies when* rewards lie
    in [0, 1]. The gap lowers the exploration once :math:`t / (\ln t)^2` exceeds about
    :math:`4 \beta^2 K / (\Delta^4 \ln K)`: with β = 256 expect nothing better than EXP3 before.
    Delay and batches act as on EXP3.

    References
    ----------
    Seldin and Slivkins (2014), *One Practical Algorithm for Both Stochastic and Adversarial
    Bandits*, Algorithm 1. Seldin and Lugosi (2017), *An Improved Parametrization and Analysis of
    the EXP3++ Algorithm for Stochastic and Adversarial Bandits*, for the gap, alpha and beta.
    """

    alpha: float = param(3.0, gt=0, doc="width of the bounds on the mean losses")
    beta: float = param(256.0, gt=0, doc="exploration that an arm keeps")

    state_type = BothLosses
    capabilities = Capabilities(order_free=True, propensity="closed", category="adversarial")

    def propensities(
        self, prepared: BothLosses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        n_arms = prepared.pulls.shape[-1]
        t = next_round(prepared.pulls)
        rate = 0.5 * np.sqrt(np.log(n_arms) / (t * n_arms))
        weights = softmax(-rate * prepared.weighted_loss, mask)
        explore = np.minimum(np.minimum(0.5 / n_arms, rate), self._needed(prepared, mask))
        explore = np.where(uniform(weights.shape, mask) > 0.0, explore, 0.0)
        law: Array = (1.0 - explore.sum(-1, keepdims=True)) * weights + explore
        return law

    def update_in_place(self, state: BothLosses, batch: Interactions) -> None:
        """Count the observation and add its loss, as it is and over its logged propensity."""
        cells = Cells.of(batch, state.pulls.shape[-1])
        losses = 1.0 - cells.column(batch.rewards)
        cells.add(state.pulls, 1.0)
        cells.add(state.total_loss, losses)
        cells.add(state.weighted_loss, losses / cells.column(batch.propensities))

    def merge(self, a: BothLosses, b: BothLosses) -> BothLosses:
        """Sums add."""
        return BothLosses(
            pulls=a.pulls + b.pulls,
            total_loss=a.total_loss + b.total_loss,
            weighted_loss=a.weighted_loss + b.weighted_loss,
        )

    def _needed(self, state: BothLosses, mask: BoolArray | None) -> Array:
        """β ln t / (t gap²), infinite where no gap is known."""
        pulls = np.maximum(state.pulls, 1.0)
        t = next_round(state.pulls)
        mean = state.total_loss / pulls
        width = np.sqrt((self.alpha * np.log(t) + np.log(state.pulls.shape[-1])) / (2.0 * pulls))
        width = np.where(state.pulls > 0.0, width, 1.0)
        upper = np.minimum(1.0, mean + width)
        if mask is not None:
            upper = np.where(mask, upper, 1.0)
        gap = np.maximum(0.0, mean - width) - upper.min(-1, keepdims=True)
        known = gap > 0.0
        square = np.where(known, gap * gap, 1.0)
        return np.where(known, self.beta * np.log(t) / (t * square), np.inf)
