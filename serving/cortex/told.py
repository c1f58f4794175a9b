"""What became of the events of a step: told to the metrics once it is committed, else never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import structlog

from qbrix.ledger import Disposition
from serving.cortex.learn import Learned
from serving.storage.records import ControlRequest
from serving.telemetry import CortexMetrics

__all__ = ["Told", "tell_control"]

_log = structlog.get_logger("cortex")


@dataclass(slots=True)
class Told:
    """Counts of one step, and which experiments' updates failed in it or went well."""

    events: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    failures: int = 0

    def learned(self, experiment: str, learned: Learned) -> None:
        """What one experiment made of its events."""
        self.events["duplicate"] += learned.duplicates
        for batch, _ in learned.batches:
            if batch.rows is not None:
                for kind, count in enumerate(np.bincount(batch.rows.dispositions).tolist()):
                    self.events[_NAMES[kind]] += count
        self.failures += len(learned.failures)
        self.failed[experiment] = learned.failures[-1] if learned.failures else ""

    def tell(self, metrics: CortexMetrics, *, dead: int, damaged: int) -> None:
        """The step is committed."""
        for result, count in (self.events + Counter(dead=dead, damaged=damaged)).items():
            metrics.events.add_many(count, result)
        for kind, count in {"event": dead, "damaged": damaged}.items():
            if count:
                metrics.dead_letters.add_many(count, kind)
        metrics.updates_failed.add_many(self.failures)
        for experiment, reason in self.failed.items():
            metrics.failing.note(experiment, reason)


def tell_control(
    metrics: CortexMetrics, request: ControlRequest, *, status: str, why: str | None = None
) -> None:
    """What became of a control change, under the name of the request that asked for it."""
    metrics.controls.add(request.reason, status)
    _log.info(
        f"control_{status}",
        control=request.id,
        experiment=request.experiment,
        reason=request.reason,
        request=request.request_id,
        **({} if why is None else {"why": why}),
    )


_NAMES: Mapping[int, str] = {int(kind): kind.name.lower() for kind in Disposition}
