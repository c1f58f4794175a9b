"""Feedback under way: from the decision to the batch that learns it."""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbrix.environments import Rounds
from qbrix.errors import ShapeError
from qbrix.simulator.schedule import Schedule
from qbrix.types import IntArray, Interactions

__all__ = ["AsItArrives", "InOrder", "Inbox"]

Columns: TypeAlias = dict[str, NDArray[Any]]

_NEVER = np.iinfo(np.int64).max
# What stands in a row of padding.
_PADDING = {"arms": -1, "propensities": 1.0}


class Inbox(Protocol):
    """Keeps decisions until their feedback is learned."""

    def open(self, rounds: Rounds, *, start: int) -> None:
        """Make room for the decisions of a block that begins when ``start`` rounds are over."""

    def put(self, decided: Interactions) -> None:
        """The decisions of the next round, one row each: (R, 1)."""

    def take(self, rounds: int) -> Interactions | None:
        """What is learned after so many rounds, once; None where nothing is."""


class InOrder:
    """Every feedback takes the schedule's delay: whole rounds arrive, one after the other."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._waiting: deque[Interactions] = deque()
        self._learned = 0

    def open(self, rounds: Rounds, *, start: int) -> None:
        """Nothing to prepare."""

    def put(self, decided: Interactions) -> None:
        """Append."""
        self._waiting.append(decided)

    def take(self, rounds: int) -> Interactions | None:
        """The rounds that are due, side by side."""
        due = self._schedule.due(rounds) - self._learned
        if due <= 0:
            return None
        self._learned += due
        taken = [self._waiting.popleft() for _ in range(due)]
        return taken[0] if due == 1 else _side_by_side(taken)


class AsItArrives:
    """Each feedback takes its own time, comes several times, or never.

    The arrivals of a block are known when it is dealt, and sorted once. What is still under way
    when the next block is opened moves to a sorted table that holds nothing else, so that memory
    follows what is really waiting.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._replications = 0
        self._waiting: Columns = {}
        self._size = self._played = self._cursor = 0
        self._block: Columns = {}
        self._due = self._decisions = np.empty(0, dtype=np.int64)

    @property
    def waiting(self) -> int:
        """Number of feedbacks that are under way."""
        return len(self._waiting.get("due", ())) + len(self._due) - self._cursor

    def open(self, rounds: Rounds, *, start: int) -> None:
        """Sort the arrivals of a block, after what is left of the one before was put aside."""
        self._settle()
        due = self._due_rounds(rounds, start=start)
        order = np.argsort(due.reshape(-1), kind="stable")
        self._due = due.reshape(-1)[order]
        self._due = self._due[: self._due.searchsorted(_NEVER)]
        self._decisions = order[: self._due.size] // due.shape[-1]
        self._size, self._replications = due.shape[:2]
        self._played = self._cursor = 0
        self._block = {}

    def put(self, decided: Interactions) -> None:
        """Write into the block."""
        columns = _columns(decided)
        if not self._block:
            self._block = {
                name: np.empty((self._size, *value.shape), dtype=value.dtype)
                for name, value in columns.items()
            }
        for name, value in columns.items():
            self._block[name][self._played] = value
        self._played += 1

    def take(self, rounds: int) -> Interactions | None:
        """What has arrived, in the order of arrival, padded to the longest replication."""
        if rounds % self._schedule.batch:
            return None
        rows = self._fresh(until=rounds)
        if self._waiting:
            late = int(self._waiting["due"].searchsorted(rounds, side="right"))
            rows = _joined({name: value[:late] for name, value in self._waiting.items()}, rows)
            self._waiting = {name: value[late:] for name, value in self._waiting.items()}
        return _padded(rows, replications=self._replications) if rows["due"].size else None

    def _due_rounds(self, rounds: Rounds, *, start: int) -> IntArray:
        """Number of rounds that are over when each delivery is there, (B, R, c)."""
        arrivals, shape = rounds.arrivals, rounds.rewards.shape[:2]
        if arrivals is None or arrivals.ndim != 3 or arrivals.shape[:2] != shape:
            raise ShapeError(
                f"arrivals have shape {None if arrivals is None else arrivals.shape}, expected "
                f"{shape} + (c,): the rounds until each of c deliveries, -1 for never"
            )
        begin = start + 1 + self._schedule.delay
        over = np.arange(begin, begin + shape[0])[:, np.newaxis, np.newaxis]
        due: IntArray = np.where(arrivals < 0, _NEVER, over + arrivals)
        return due.min(-1, keepdims=True) if self._schedule.deduplicate else due

    def _fresh(self, *, until: int) -> Columns:
        """Take what has arrived of the decisions of this block."""
        stop = int(self._due.searchsorted(until, side="right"))
        return self._gather(stop)

    def _gather(self, stop: int) -> Columns:
        taken = slice(self._cursor, stop)
        self._cursor = stop
        decisions = self._decisions[taken]
        by_round, by_replication = np.divmod(decisions, max(1, self._replications))
        rows = {name: value[by_round, by_replication] for name, value in self._block.items()}
        return {"due": self._due[taken], "replication": by_replication, **rows}

    def _settle(self) -> None:
        rows = self._gather(len(self._due))
        if self._waiting:
            rows = _joined(self._waiting, rows)
        if self._block:
            order = np.argsort(rows["due"], kind="stable")
            self._waiting = {name: value[order] for name, value in rows.items()}


def _columns(decided: Interactions) -> Columns:
    """Name → numbers of each replication, without what is absent."""
    columns = {
        "arms": decided.arms,
        "rewards": decided.rewards,
        "propensities": decided.propensities,
        "state_versions": decided.state_versions,
        "contexts": decided.contexts,
        "recorded": decided.recorded,
    }
    return {name: value[:, 0] for name, value in columns.items() if value is not None}


def _joined(earlier: Columns, later: Columns) -> Columns:
    """Rows after rows. A block that no decision was written to yet has no columns of its own."""
    if not later["due"].size:
        return earlier
    return {name: np.concatenate([earlier[name], later[name]]) for name in later}


def _padded(rows: Columns, *, replications: int) -> Interactions:
    """Rows of all replications as one batch (R, n): by arrival, then by round of decision."""
    order = np.lexsort((rows["due"], rows["replication"]))
    replication = rows["replication"][order]
    counts = np.bincount(replication, minlength=replications)
    places = np.arange(len(order)) - (counts.cumsum() - counts)[replication]
    shape = (replications, int(counts.max()))
    placed = {}
    for name, value in rows.items():
        if name not in ("due", "replication"):
            table = np.full((*shape, *value.shape[1:]), _PADDING.get(name, 0), dtype=value.dtype)
            table[replication, places] = value[order]
            placed[name] = table
    return Interactions(**placed)


def _side_by_side(batches: list[Interactions]) -> Interactions:
    """Rows of several rounds as one batch, (R, 1) each to (R, n)."""
    columns = [_columns(batch) for batch in batches]
    return Interactions(
        **{name: np.stack([c[name] for c in columns], axis=1) for name in columns[0]}
    )
