"""Tsallis-INF with losses measured from a baseline, which varies less."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._in_order import events, rows
from qbrix.policies._tsallis import tsallis_law
from qbrix.policies._weighted import Losses, next_round
from qbrix.policies.base import Capabilities, Policy
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["TsallisINFRVPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TsallisINFRVPolicy(Policy[Losses, Losses]):
    r"""Tsallis-INF whose estimates are corrections of a baseline instead of corrections of zero.

    .. math::

        p_a = \frac{4}{\eta_t^2 (L_a - x)^2}, \qquad \eta_t = \frac{4}{\sqrt t}, \qquad
        L_a = \sum_s B_s(a) + \sum_{s : a_s = a} \frac{1 - r_s - B_s(a)}{p_s}

    with :math:`B_s(a) = \tfrac12 [\pi_s(a) \ge \eta_s^2]`: an arm that is chosen often enough is
    expected to lose one half, and only what differs from that is divided by its propensity. t is
    the index of the round that is being played: observations so far, plus one.

    :math:`\pi_s` and :math:`\eta_s` are those of the state that learns the row, over all arms. With
    immediate feedback they are those of the decision, as in the paper; after a delay the baseline
    is another one and the estimate is unbiased all the same, because the baseline does not look at
    the row that it is applied to. The divisor is always the logged propensity.

    Examples
    --------
    In the first round the rate is 4 and no arm reaches a probability of 16, so the baseline is 0:

    >>> policy = TsallisINFRVPolicy()
    >>> batch = Interactions(
    ...     arms=np.array([0]), rewards=np.array([0.0]), propensities=np.array([0.5]),
    ...     state_versions=np.array([0]),
    ... )
    >>> policy.update(policy.init(n_arms=2), batch).weighted_loss
    array([2., 0.])

    Notes
    -----
    Expected regret of the order of :math:`\sqrt{K T}` against an adversary, with half the leading
    constant of `TsallisINFPolicy`, and of :math:`\sum \ln T / \Delta_a` when the arms are
    stochastic with one best arm. *Applies when* rewards lie in [0, 1]. The order of events enters
    through the baseline, so states cannot be merged.

    References
    ----------
    Zimmert and Seldin (2021), *Tsallis-INF: An Optimal Algorithm for Stochastic and Adversarial
    Bandits*, Algorithm 1 with the RV estimator, Theorem 1.
    """

    state_type = Losses
    capabilities = Capabilities(propensity="closed", category="adversarial", update_cost="K")

    def propensities(
        self, prepared: Losses, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        return tsallis_law(prepared.weighted_loss, _rate(prepared.pulls), mask)

    def update_in_place(self, state: Losses, batch: Interactions) -> None:
        """Add the baseline to every arm, and to the chosen one what it lost beyond it."""
        pulls, losses = rows(state.pulls), rows(state.weighted_loss)
        for event in events(batch):
            rate = _rate(pulls[event.at])
            law = tsallis_law(losses[event.at], rate)
            baseline = 0.5 * (law >= rate * rate)
            losses[event.at] += baseline
            expected = baseline[np.arange(event.at.size), event.arm]
            losses[event.at, event.arm] += (1.0 - event.reward - expected) / event.propensity
            pulls[event.at, event.arm] += 1.0


def _rate(pulls: Array) -> Array:
    rate: Array = 4.0 / np.sqrt(next_round(pulls))
    return rate
