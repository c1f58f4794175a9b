"""M-UCB: UCB1 that starts over when two halves of a window of rewards disagree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._forced import by_turns
from qbrix.policies._in_order import events, rows
from qbrix.policies._index import IndexPolicy
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, Interactions

__all__ = ["MUCBPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Halves(Rewards):
    """Counts and sums since the last restart, and the last w rewards of every arm in a ring.

    An arm's next reward is written at its count modulo w; ``alarms`` counts the restarts.
    """

    recent_rewards: Array = array("K", "w")
    alarms: Array = array()


@dataclass(frozen=True, kw_only=True, slots=True)
class MUCBPolicy(IndexPolicy[Halves]):
    r"""UCB1 with exploration by turns; a change of any arm starts all of them over.

    .. math::

        U_a = \hat\mu_a + \sqrt{\frac{2 \ln t}{N_a}}

    Count, mean and round t are since the last restart. Of every ⌊K/γ⌋ rounds the first K belong to
    one arm each, in order; the others go to the largest index, where ties share evenly. An alarm is
    raised when the last w rewards of an arm, in halves, differ by more than b in sum.

    Parameters
    ----------
    half_window : int >= 1, default 50
        w / 2. The paper takes w in the order of :math:`\ln(2 K T^2) / \delta^2` for changes of size
        δ. The state holds w rewards per arm, so another w needs a reset.
    threshold : float > 0, default 30
        b; :math:`\sqrt{(w / 2) \ln(2 K T^2)}` for a horizon T.
    gamma : float in (0, 1], default 0.05
        Share of rounds that are given to turns.

    Examples
    --------
    >>> policy = MUCBPolicy(half_window=1, threshold=0.5)
    >>> batch = Interactions(
    ...     arms=np.array([0, 1, 0]), rewards=np.array([0.0, 0.0, 1.0]),
    ...     propensities=np.ones(3), state_versions=np.zeros(3, dtype=np.int64),
    ... )
    >>> state = policy.update(policy.init(n_arms=2), batch)
    >>> float(state.alarms), state.pulls
    (1.0, array([0., 0.]))

    Notes
    -----
    Regret against the best arm of each round :math:`O(\sqrt{K T \Upsilon \ln T})` with tuned
    parameters. *Applies when* rewards lie in [0, 1] and their means jump by much, seldom enough
    that w observations of each arm fit between two jumps. While feedback is delayed the arm of the
    turn repeats; a batch of b rows may hold b decisions made before a restart.

    References
    ----------
    Cao, Wen, Kveton and Xie (2019), *Nearly Optimal Adaptive Procedure with Change Detection for
    Piecewise-Stationary Bandit*, Algorithms 1 and 2.
    """

    half_window: int = param(50, gte=1, doc="half of the window of a detector", structural=True)
    threshold: float = param(30.0, gt=0, doc="difference between the halves that is an alarm")
    gamma: float = param(0.05, gt=0, lte=1, doc="share of rounds given to turns")

    state_type = Halves
    capabilities = Capabilities(propensity="one-hot", update_cost="half_window")

    def init(self, *, n_arms: int, dim: int = 0) -> Halves:
        """No observation, empty windows."""
        return zeros(Halves, K=n_arms, w=2 * self.half_window)

    def prepare(self, state: Halves) -> Array:
        """The indices, those of a turn lifted above all others, shape (..., K)."""
        elapsed = state.pulls.sum(-1, keepdims=True)
        return by_turns(IndexPolicy.prepare(self, state), elapsed=elapsed, alpha=self.gamma)

    def index(self, state: Halves, pulls: Array, mean: Array, *, t: Array) -> Array:
        """Mean since the last restart plus its padding, shape (..., K)."""
        width: Array = np.sqrt(2.0 * np.log(t) / pulls)
        return mean + width

    def update_in_place(self, state: Halves, batch: Interactions) -> None:
        """Count, compare the halves of the observed arm's window, restart after an alarm."""
        pulls, total = rows(state.pulls), rows(state.total_reward)
        recent, alarms = rows(state.recent_rewards, axes=2), rows(state.alarms, axes=0)
        window = recent.shape[-1]
        age = np.arange(1, window + 1)
        for event in events(batch):
            cell = (event.at, event.arm)
            recent[(*cell, pulls[cell].astype(np.int64) % window)] = event.reward
            pulls[cell] += 1.0
            total[cell] += event.reward
            full = pulls[cell] >= window
            if full.any():
                at, arm = event.at[full], event.arm[full]
                count = pulls[at, arm].astype(np.int64)
                last = recent[at[:, None], arm[:, None], (count[:, None] - age) % window]
                halves = last.reshape(-1, 2, window // 2).sum(-1)
                restart = at[np.abs(halves[:, 0] - halves[:, 1]) > self.threshold]
                alarms[restart] += 1.0
                pulls[restart] = 0.0
                total[restart] = 0.0
                recent[restart] = 0.0

    def merge(self, a: Halves, b: Halves) -> Halves:
        """Refused: which history is the older one is not in the states."""
        return Policy.merge(self, a, b)
