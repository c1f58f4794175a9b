"""The gradient bandit: stochastic ascent on preferences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._exponential import exact_softmax
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["GradientBanditPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preferences(State):
    """How much each arm is preferred, and what the baseline is made of."""

    preference: Array = array("K")
    count: Array = array()
    total_reward: Array = array()


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientBanditPolicy(Policy[Preferences, Preferences]):
    r"""Choose by a softmax of preferences that follow the gradient of the expected reward.

    .. math::

        \pi_a = \frac{e^{H_a}}{\sum_b e^{H_b}}, \qquad
        H_a \leftarrow H_a + \alpha \, \frac{\pi_A}{p_A} (r - \bar r) \bigl([a = A] - \pi_a\bigr)

    A is the arm that was chosen, with the logged propensity :math:`p_A`; :math:`\bar r` is the mean
    of all earlier rewards, so the first reward teaches the baseline only. Learned at once the
    quotient is 1, which is the book's algorithm. Learned late, or logged under an exploration
    floor, it keeps the step an unbiased estimate of the gradient at the present preferences.

    Parameters
    ----------
    step_size : float > 0, default 0.1
        α; 0.1 and 0.4 in the book.

    Examples
    --------
    >>> policy = GradientBanditPolicy()
    >>> state = Preferences(
    ...     preference=np.log(np.array([3.0, 1.0])), count=np.zeros(()), total_reward=np.zeros(())
    ... )
    >>> policy.propensities(state)
    array([0.75, 0.25])

    Notes
    -----
    For rewards in [0, 1] and small steps it converges to the best arm, with regret of order
    :math:`\ln T / \alpha`; large steps may commit to a wrong arm. *Applies when* only differences
    of rewards matter. The softmax of the update is made of sums and products, so that its bits are
    the same everywhere; under a mask the present law is that of all arms. What arrives late is
    weighed by the law of the moment at which it is learned: long delays want small steps.

    References
    ----------
    Sutton and Barto (2018), *Reinforcement Learning: An Introduction*, 2nd edition, section 2.8,
    equations (2.11) and (2.12). Mei, Zhong, Dai, Agarwal, Szepesvári and Schuurmans (2023),
    *Stochastic Gradient Succeeds for Bandits*, for convergence with a constant step.
    """

    step_size: float = param(0.1, gt=0, doc="size of a gradient step")

    state_type = Preferences
    capabilities = Capabilities(reward="continuous", propensity="closed", update_cost="K")

    def propensities(
        self, prepared: Preferences, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Softmax of the preferences, shape (..., K)."""
        return exact_softmax(prepared.preference, mask)

    def update_in_place(self, state: Preferences, batch: Interactions) -> None:
        """One gradient step per row, in order."""
        preference = rows(state.preference)
        count, total = rows(state.count, axes=0), rows(state.total_reward, axes=0)
        for event in events(batch):
            at, arm, reward = event.at, event.arm, event.reward
            law = exact_softmax(preference[at])
            chosen = np.take_along_axis(law, arm[:, None], axis=-1)[:, 0]
            baseline = np.where(count[at] > 0.0, total[at] / np.maximum(count[at], 1.0), reward)
            step = self.step_size * (chosen / event.propensity) * (reward - baseline)
            preference[at] -= step[:, None] * law
            preference[at, arm] += step
            count[at] += 1.0
            total[at] += reward
