"""Closing windows: which decisions are due, and the rows that say what their rewards came to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from qbrix.errors import QbrixError, Unavailable
from qbrix.ledger import Deployment, Disposition
from qbrix.ledger.attribution import conclusion
from qbrix.ledger.names import CLOSE
from serving.cortex.deployments import Deployments, Live
from serving.cortex.learn import Learned, close
from serving.cortex.past import by_decision
from serving.cortex.retract import CLOSINGS, told_of
from serving.storage.base import DecisionEvent, FeedbackEvent, Windows
from serving.storage.records_windows import BEFORE_ALL, Progress, StoredRow, Window

__all__ = ["Closing", "Closings", "closing_rows"]

_log = structlog.get_logger("cortex")

_PAGE = 2000  # decisions in one transaction
_STRIDE_MS = 60_000  # how far an empty stretch is remembered again
_RESENT_MS = 30_000  # until proxies have noticed that streams are lost, and sent again
_LAST_ID = "f" * 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Closing:
    """One experiment's windows up to some decision, closed but not yet stored."""

    live: Live
    learned: Learned
    progress: Progress


@dataclass(slots=True)
class Closings:
    """How far the windows of a shard's experiments are closed."""

    windows: Windows
    deployments: Deployments
    grace_ms: int
    more: bool = False  # than one transaction takes is due
    _not_before_ms: int = 0
    _progress: dict[str, Progress] = field(default_factory=dict)

    def of(self, experiment: str) -> Progress:
        """Up to where the windows are closed, for sure."""
        return self._progress.get(experiment, BEFORE_ALL)

    def stored(self, experiment: str, progress: Progress) -> None:
        """The ledger has it."""
        self._progress[experiment] = progress

    def forget(self) -> None:
        """Another term, or a step that failed."""
        self._progress.clear()

    def wait(self, now_ms: int) -> None:
        """The streams were lost: what the proxies keep of them comes again first."""
        self._not_before_ms = now_ms + _RESENT_MS

    async def look(self, shard: int) -> list[Window]:
        """Read from the ledger how far everything is."""
        self.more = False
        found = await self.windows.windows(shard)
        self._progress = {one.experiment: one.progress for one in found if one.progress}
        return found

    def begins(
        self, experiment: str, before: Deployment, after: Deployment, *, now_ms: int
    ) -> Progress | None:
        """Where closing begins when a change makes windows close: with those that are open now."""
        attribution = after.configuration.attribution
        if before.configuration.attribution.closes or not attribution.closes:
            return None
        opened = Progress(now_ms - (attribution.window_ms or 0), _LAST_ID)
        return max(opened, self.of(experiment))

    def falls_back(self, decisions: Sequence[DecisionEvent]) -> dict[str, Progress]:
        """Progress of experiments whose decisions come to the log after they were to be closed."""
        behind: dict[str, Progress] = {}
        for event in decisions:
            now = behind.get(event.experiment) or self._progress.get(event.experiment)
            if now is not None and now.reached(event.decided_ms, event.decision_id):
                behind[event.experiment] = Progress(event.decided_ms - 1, _LAST_ID)
        return behind

    async def due(self, window: Window, *, read_until_ms: int) -> Closing | None:
        """What an experiment's closed windows come to; None when nothing is to be stored.

        Raises Unavailable. ``read_until_ms``: what was sent before that has been read.
        """
        try:
            live = await self.deployments.get(window.experiment)
        except Unavailable:
            raise
        except QbrixError as error:
            _log.error("cannot_close", experiment=window.experiment, error=str(error))
            return None
        if live is None:
            return None
        progress, epoch = window.progress or BEFORE_ALL, live.deployment.epoch
        window_ms = live.deployment.configuration.attribution.window_ms or 0
        until_ms = read_until_ms - self.grace_ms - window_ms
        if until_ms <= progress.decided_ms or read_until_ms < self._not_before_ms:
            return None
        decisions = await self.windows.closing(
            window.experiment, epoch=epoch, after=progress, until_ms=until_ms, limit=_PAGE
        )
        if not decisions and until_ms - progress.decided_ms < _STRIDE_MS:
            return None
        reached = Progress(until_ms, _LAST_ID)
        if len(decisions) == _PAGE:
            self.more = True
            reached = Progress(decisions[-1].decided_ms, decisions[-1].decision_id)
        ids = [decision.decision_id for decision in decisions]
        rows = by_decision(await self.windows.rows_of(window.experiment, ids)) if ids else {}
        learned = await asyncio.to_thread(_closed, live, decisions, rows)
        return Closing(live=live, learned=learned, progress=reached)


def closing_rows(
    deployment: Deployment,
    decisions: Sequence[DecisionEvent],
    rows: Mapping[str, Sequence[StoredRow]],
) -> tuple[list[FeedbackEvent], list[Disposition]]:
    """The row of every decision that teaches something now that its window is closed."""
    attribution = deployment.configuration.attribution
    events: list[FeedbackEvent] = []
    kinds: list[Disposition] = []
    for decision in decisions:
        story = rows.get(decision.decision_id, ())
        own = [row for row in story if row.event.epoch == decision.epoch]
        if any(row.disposition in (*CLOSINGS, Disposition.GATE) for row in own):
            continue
        left = conclusion(told_of(own), attribution)
        if left is not None:
            kind, reward = left
            at_ms = decision.decided_ms + (attribution.window_ms or 0)
            events.append(_row(decision, reward=reward, received_ms=at_ms))
            kinds.append(kind)
    return events, kinds


def _closed(
    live: Live, decisions: Sequence[DecisionEvent], rows: Mapping[str, Sequence[StoredRow]]
) -> Learned:
    events, kinds = closing_rows(live.deployment, decisions, rows)
    what = np.array(kinds, dtype=np.int64)
    return close(live.deployment, events, what, resolver=live.resolver)


def _row(decision: DecisionEvent, *, reward: float, received_ms: int) -> FeedbackEvent:
    return FeedbackEvent(
        experiment=decision.experiment,
        epoch=decision.epoch,
        decision_id=decision.decision_id,
        feedback_id=CLOSE,
        arm=decision.arm,
        reward=reward,
        u=decision.u,
        low=decision.low,
        propensity=decision.propensity,
        version=decision.version,
        gate=False,
        recorded=decision.recorded,
        context=decision.context,
        decided_ms=decision.decided_ms,
        received_ms=received_ms,
    )
