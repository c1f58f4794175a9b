"""Leader and challenger: rounds of two observations, for rules that compare confidence bounds."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies._counts import UNOBSERVED, Rewards, allowed, share, tied
from qbrix.policies._evidence import observed_means
from qbrix.policies._in_order import events, rows
from qbrix.policies.base import Capabilities
from qbrix.policies.identification import IdentificationPolicy, check_confidence
from qbrix.state import array
from qbrix.types import Array, BoolArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs(Rewards):
    """Counts and sums up to the last complete round, and those of the round that is being played.

    Until every arm has been observed each observation is a round.
    """

    new_pulls: Array = array("K")
    new_reward: Array = array("K")


@dataclass(slots=True, kw_only=True)
class Bounds:
    """What the choice depends on, all arrays of shape (..., K).

    Attributes
    ----------
    mean, high : Array
        Mean rewards up to the last complete round, and their upper confidence bounds.
    fresh, unobserved : BoolArray
        Arms that were observed in this round; arms that never were.
    """

    mean: Array
    high: Array
    fresh: BoolArray
    unobserved: BoolArray


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPolicy(IdentificationPolicy[Pairs, Bounds]):
    """A policy that observes, round by round, the best mean and its most serious challenger.

    An author writes `bounds`.

    Parameters
    ----------
    confidence : float in (0, 1), default 0.95
        Whose bounds choose the challenger.
    """

    confidence: float = param(0.95, gt=0, lt=1, doc="whose bounds choose the challenger")

    state_type = Pairs
    capabilities = Capabilities(propensity="closed", goal="identification", update_cost="K")

    @abstractmethod
    def bounds(
        self, pulls: Array, mean: Array, *, t: Array, n_arms: int, delta: float
    ) -> tuple[Array, Array]:
        """Lower and upper confidence bounds, shape (..., K) like ``pulls`` (≥ 1) and ``mean``.

        ``t`` (..., 1) is the number of the round that comes next, no less than any of the pulls.
        """

    def prepare(self, state: Pairs) -> Bounds:
        """Means and upper bounds."""
        unobserved = state.pulls == 0.0
        return Bounds(
            mean=observed_means(state.pulls, state.total_reward),
            high=self._bounds(state, confidence=self.confidence)[1],
            fresh=state.new_pulls > 0.0,
            unobserved=unobserved,
        )

    def propensities(
        self, prepared: Bounds, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Half for the leader and half for the challenger, then 1 for the other; (..., K)."""
        able = np.broadcast_to(True if mask is None else mask, prepared.fresh.shape)
        leader = share(prepared.mean, mask)
        both = (leader + _challenger(prepared.high, leader, able)) / 2.0
        others = able & ~prepared.fresh
        others = np.where(others.any(-1, keepdims=True), others, able)
        led = (prepared.fresh & (leader > 0.0)).any(-1, keepdims=True)
        second = share(np.where(led, prepared.high, prepared.mean), others)
        law = np.where(prepared.fresh.any(-1, keepdims=True), second, both)
        unobserved = prepared.unobserved & able
        first = unobserved.any(-1, keepdims=True)
        return np.where(first, share(unobserved.astype(np.float64), mask), law)

    def update_in_place(self, state: Pairs, batch: Interactions) -> None:
        """Count; two observations are a round."""
        pulls, total = rows(state.pulls), rows(state.total_reward)
        new_pulls, new_reward = rows(state.new_pulls), rows(state.new_reward)
        for event in events(batch):
            new_pulls[event.at, event.arm] += 1.0
            new_reward[event.at, event.arm] += event.reward
            started = (pulls[event.at] > 0.0).all(-1)
            full = event.at[(new_pulls[event.at].sum(-1) >= 2.0) | ~started]
            pulls[full] += new_pulls[full]
            total[full] += new_reward[full]
            new_pulls[full] = 0.0
            new_reward[full] = 0.0

    def merits(self, state: Pairs) -> Array:
        """Mean rewards up to the last complete round, shape (..., K)."""
        return observed_means(state.pulls, state.total_reward)

    def stopped(self, state: Pairs, *, confidence: float) -> BoolArray:
        """Whether no other arm's upper bound exceeds the leader's lower one, shape (...)."""
        low, high = self._bounds(state, confidence=confidence)
        leader = self.merits(state).argmax(-1)[..., None]
        others = np.arange(low.shape[-1]) != leader
        rival = np.where(others, high, -np.inf).max(-1)
        clear: BoolArray = rival <= np.take_along_axis(low, leader, -1)[..., 0]
        return clear

    def _bounds(self, state: Pairs, *, confidence: float) -> tuple[Array, Array]:
        """Bounds, which leave everything open for an unobserved arm."""
        delta = check_confidence(confidence)
        n_arms = state.pulls.shape[-1]
        pulls = np.maximum(state.pulls, 1.0)
        played = (state.pulls.sum(-1, keepdims=True) - n_arms) / 2.0 + 1.0
        t = np.maximum(played, pulls.max(-1, keepdims=True))
        mean = np.clip(state.total_reward / pulls, 0.0, 1.0)
        low, high = self.bounds(pulls, mean, t=t, n_arms=n_arms, delta=delta)
        observed = state.pulls > 0.0
        return np.where(observed, low, -UNOBSERVED), np.where(observed, high, UNOBSERVED)


def _challenger(high: Array, leader: Array, able: BoolArray) -> Array:
    """Law of the largest bound among the arms that are not the leader, drawn from ``leader``."""
    scores = allowed(high, able)
    most = tied(scores, scores.max(-1)) & able
    rest = able & ~most
    rest = np.where(rest.any(-1, keepdims=True), rest, most)
    count = most.sum(-1, keepdims=True)
    inside = (leader * most).sum(-1, keepdims=True)
    among = most * ((1.0 - inside) / count + (inside - leader) / np.maximum(count - 1, 1))
    alone = most * (1.0 - inside) + inside * share(high, rest)
    law: Array = np.where(count > 1, among, alone)
    return law
