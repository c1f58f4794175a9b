"""Who decides: several holders of a state that look for a newer one at moments of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from qbrix.simulator.schedule import Schedule
from qbrix.types import IntArray

__all__ = ["Held", "Replicas"]


class Held(NamedTuple):
    """A prepared state and its version in each replication, (R, 1)."""

    prepared: Any
    versions: IntArray


class Replicas:
    """What every replica holds."""

    def __init__(self, schedule: Schedule, *, first: Held) -> None:
        self._schedule = schedule
        self._held = [first] * schedule.replicas

    def deciding(self, round: int, *, newest: Callable[[], Held]) -> Held:
        """What decides a round; replicas that look before it take ``newest``, made once."""
        schedule = self._schedule
        if schedule.refresh == 1:
            return newest()
        looking = [j for j in range(schedule.replicas) if schedule.looks(j, round=round)]
        if looking:
            taken = newest()
            for replica in looking:
                self._held[replica] = taken
        return self._held[schedule.replica(round)]
