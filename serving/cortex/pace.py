"""How many events a step takes: steps grow and shrink with the speed of the policies they fold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from serving.telemetry import CortexMetrics

__all__ = ["Pace"]

_MOST = 8192  # events in one transaction, more or less
_LONG_S = 2.0  # a step that takes longer is followed by a smaller one


class Pace:
    """The size of the next step."""

    def __init__(self, metrics: CortexMetrics) -> None:
        self.limit = _MOST
        self._metrics = metrics

    @contextmanager
    def timed(self) -> Iterator[None]:
        """One step, successful or not."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            took_s = time.monotonic() - began_s
            self._metrics.step_s.observe(took_s)
            slow = took_s > _LONG_S
            self.limit = max(self.limit // 2, 1) if slow else min(2 * self.limit, _MOST)
