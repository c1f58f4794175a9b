"""What is counted while a race runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments import Rounds
from qbrix.types import Array, IntArray

__all__ = ["Tally", "Trace", "checkpoints_of", "joined"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """What one policy did, summed from round 1 to each of C checkpoints.

    Attributes
    ----------
    regret : Array, shape (R, C)
        Pseudo-regret: sum of (mean of the best arm − mean of the chosen arm).
    realised : Array, shape (R, C)
        Realised regret: sum of (mean of the best arm − reward paid). Its expectation is that of
        ``regret``, its spread is wider by the luck of the rewards.
    reward : Array, shape (R, C)
        Sum of the rewards.
    best : IntArray, shape (R, C)
        Number of rounds in which a best arm was chosen.
    pulls : IntArray, shape (C, K)
        Number of choices of each arm, all replications together.
    seconds_per_decision : float
        Wall time of deciding and learning, divided by the decisions of all replications.
    state_bytes : float
        Size of one replication's state at the end.
    """

    regret: Array
    realised: Array
    reward: Array
    best: IntArray
    pulls: IntArray
    seconds_per_decision: float
    state_bytes: float

    def until(self, reached: int) -> Trace:
        """The first ``reached`` checkpoints of it."""
        if reached == self.regret.shape[1]:
            return self
        return replace(
            self,
            regret=self.regret[:, :reached],
            realised=self.realised[:, :reached],
            reward=self.reward[:, :reached],
            best=self.best[:, :reached],
            pulls=self.pulls[:reached],
        )


def joined(traces: Sequence[Trace]) -> Trace:
    """The traces of several units as one; replications in the order of the units."""
    if len(traces) == 1:
        return traces[0]
    weights = np.array([len(trace.regret) for trace in traces]) / sum(
        len(trace.regret) for trace in traces
    )
    return Trace(
        regret=np.concatenate([trace.regret for trace in traces]),
        realised=np.concatenate([trace.realised for trace in traces]),
        reward=np.concatenate([trace.reward for trace in traces]),
        best=np.concatenate([trace.best for trace in traces]),
        pulls=np.sum([trace.pulls for trace in traces], axis=0),
        seconds_per_decision=float(weights @ [trace.seconds_per_decision for trace in traces]),
        state_bytes=float(weights @ [trace.state_bytes for trace in traces]),
    )


class Tally:
    """Adds up a race between checkpoints, so that memory does not grow with the horizon."""

    def __init__(self, checkpoints: IntArray, *, replications: int, n_arms: int) -> None:
        size = len(checkpoints)
        self._checkpoints = checkpoints
        self._n_arms = n_arms
        self._regret = np.zeros((size, replications))
        self._optimum = np.zeros((size, replications))
        self._reward = np.zeros((size, replications))
        self._best = np.zeros((size, replications), dtype=np.int64)
        self._pulls = np.zeros((size, n_arms), dtype=np.int64)

    def add(self, rounds: Rounds, *, arms: IntArray, rewards: Array, start: int) -> None:
        """Count a block whose first round has index ``start`` (from 0); arms, rewards (B, R)."""
        ends = (self._checkpoints - start).clip(0, len(arms))
        first = 0
        for row in np.flatnonzero(np.diff(ends, prepend=0)):
            self._count(int(row), rounds, arms=arms, rewards=rewards, part=slice(first, ends[row]))
            first = ends[row]

    def _count(
        self, row: int, rounds: Rounds, *, arms: IntArray, rewards: Array, part: slice
    ) -> None:
        """Add rounds that lie between the same two checkpoints."""
        self._reward[row] += rewards[part].sum(0)
        means, best, arms = rounds.means[part], rounds.best[part], arms[part]
        if any(means.strides[:2]) or any(best.strides):
            loss = best - np.take_along_axis(means, arms[..., np.newaxis], axis=-1)[..., 0]
            self._optimum[row] += best.sum(0)
            self._regret[row] += loss.sum(0)
            self._best[row] += np.count_nonzero(loss == 0.0, axis=0)
            self._pulls[row] += np.bincount(arms.ravel(), minlength=self._n_arms)
        else:
            pulls = self._pulled(arms)
            losses = best[0, 0] - means[0, 0]
            self._optimum[row] += len(arms) * best[0, 0]
            self._regret[row] += pulls @ losses
            self._best[row] += pulls[:, losses == 0.0].sum(1)
            self._pulls[row] += pulls.sum(0)

    def _pulled(self, arms: IntArray) -> IntArray:
        """How often each replication chose each arm, (R, K); cheaper than looking every mean up."""
        replications = arms.shape[1]
        cells = arms + np.arange(0, replications * self._n_arms, self._n_arms)
        counted = np.bincount(cells.ravel(), minlength=replications * self._n_arms)
        return counted.reshape(replications, self._n_arms)

    def trace(self, *, reached: int, seconds_per_decision: float, state_bytes: float) -> Trace:
        """Everything up to the first ``reached`` checkpoints."""
        return Trace(
            regret=self._regret[:reached].cumsum(0).T,
            realised=(self._optimum - self._reward)[:reached].cumsum(0).T,
            reward=self._reward[:reached].cumsum(0).T,
            best=self._best[:reached].cumsum(0).T,
            pulls=self._pulls[:reached].cumsum(0),
            seconds_per_decision=seconds_per_decision,
            state_bytes=state_bytes,
        )


def checkpoints_of(horizon: int, *, count: int = 100) -> IntArray:
    """About ``count`` rounds from 1 to ``horizon``: half of them even, half in equal ratios.

    A curve through them looks smooth on a linear axis and on a logarithmic one.
    """
    check_integer(count, name="checkpoints", least=2)
    count = min(count, 2 * horizon)  # these are all rounds already
    even = np.linspace(0, horizon, count // 2 + 1)[1:]
    ratios = np.geomspace(1, horizon, count - count // 2)
    rounded = np.rint(np.concatenate([even, ratios])).astype(np.int64)
    return np.unique(rounded.clip(1, horizon))
