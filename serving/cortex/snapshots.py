"""How often a head is written beside its batches: in every step while it is quiet, else seldom.

A snapshot saves time after a restart and answers who asks for the state; the truth is in the
batches. A state of many megabytes would otherwise be written hundreds of times a second.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from serving.cortex.deployments import Live

__all__ = ["Snapshots"]

_INTERVAL_S = 0.5
_CHECKPOINT_S, _CHECKPOINT_VERSIONS = 20.0, 16  # at least, between states to go back to


class Snapshots:
    """Remembers which heads were written when, and which are owed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken_s: dict[str, float] = {}
        self._owed: dict[str, Live] = {}
        self._checkpoints: dict[str, tuple[int, float]] = {}

    def due(self, live: Live) -> bool:
        """Whether this head is written together with its batches."""
        taken_s = self._taken_s.get(live.record.id)
        return taken_s is None or self._clock() - taken_s >= _INTERVAL_S

    def is_checkpoint(self, live: Live) -> bool:
        """Whether this head is also kept to go back to, when a reward is taken back."""
        version, taken_s = self._checkpoints.get(live.record.id, (-_CHECKPOINT_VERSIONS, -math.inf))
        return (
            live.deployment.version - version >= _CHECKPOINT_VERSIONS
            and self._clock() - taken_s >= _CHECKPOINT_S
        )

    def took(self, live: Live) -> None:
        """The head was written and committed."""
        self._taken_s[live.record.id] = self._clock()
        self._owed.pop(live.record.id, None)
        if self.is_checkpoint(live):
            self._checkpoints[live.record.id] = live.deployment.version, self._clock()

    def owe(self, live: Live) -> None:
        """The head was left out; it is written when there is nothing else to do."""
        self._owed[live.record.id] = live

    def owed(self) -> list[Live]:
        """What is still to be written."""
        return list(self._owed.values())

    def forget_all(self) -> None:
        """Another term, or a step that failed."""
        self._taken_s.clear()
        self._owed.clear()
        self._checkpoints.clear()
