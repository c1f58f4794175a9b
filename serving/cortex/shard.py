"""What one round of learning does for a shard: controls, feedback, one transaction, trim."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import structlog

from qbrix.errors import Conflict, QbrixError, Unavailable
from serving.cortex.asking import Asking
from serving.cortex.closings import Closings
from serving.cortex.control import plan_change
from serving.cortex.deployments import Deployments, Live
from serving.cortex.foresight import Foresight
from serving.cortex.groups import grouped
from serving.cortex.pace import Pace
from serving.cortex.publisher import Publisher
from serving.cortex.reading import Place, Places, Portion, Reading
from serving.cortex.snapshots import Snapshots
from serving.cortex.step import (
    commit_change,
    commit_closing,
    commit_feedback,
    commit_rejection,
    commit_snapshots,
)
from serving.cortex.times import Timing
from serving.cortex.told import tell_control
from serving.failpoints import failpoint
from serving.loading import PolicyLoader
from serving.storage import keys
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from serving.telemetry import CortexMetrics

__all__ = ["Shard"]

_log = structlog.get_logger("cortex")

_START = "0"  # before the first entry of any stream
_FEW = 16  # copies that are made good in one round


class Shard:
    """One shard's place in its streams and the heads of its experiments, in one term."""

    def __init__(
        self,
        stores: Stores,
        loader: PolicyLoader,
        publisher: Publisher,
        *,
        number: int,
        metrics: CortexMetrics,
        timing: Timing,
    ) -> None:
        self._stores = stores
        self._loader = loader
        self._publisher = publisher
        self._number = number
        self._metrics = metrics
        self._clock = timing.clock
        self._read_until_ms = 0
        self._deployments = Deployments(stores.ledger, loader)
        self._closings = Closings(
            stores.windows, self._deployments, grace_ms=round(timing.window_grace_s * 1000)
        )
        self._snapshots = Snapshots()
        self._places: Places | None = None
        self._trimmed: Places | None = None
        self._term = 0
        self.hurries = False  # the next round is to begin at once: more waits than one can take
        self._doubted: deque[ExperimentRecord] = deque()
        self._pace = Pace(metrics)
        reading = Reading(stores.intake, number, pace=self._pace, clock=timing.clock)
        self._asking = Asking()
        self._foresight = Foresight(
            stores.ledger, reading, self._asking, self._deployments, self._closings
        )

    @property
    def position(self) -> str | None:
        """Where reading of feedback goes on; None while nobody leads."""
        return None if self._places is None else self._places[0].position

    def forget(self) -> None:
        """Nothing that is in memory can be relied on."""
        self._term = 0
        self._places = self._trimmed = None
        self._doubted.clear()
        self._foresight.forget()
        self._deployments.forget_all()
        self._closings.forget()
        self._snapshots.forget_all()
        self._publisher.forget_all()

    async def round(self, term: int, *, controls: bool) -> bool:
        """Do what there is to do; False when there was nothing."""
        if term != self._term:
            await self._begin(term)
        worked = controls and await self._apply_controls()
        learned = await self._learn()
        worked = ((controls or self._closings.more) and await self._close_windows()) or worked
        worked = await self._make_copies_good() or worked
        await self._trim()
        self.hurries = worked or (learned is not None and learned.full)
        return worked or learned is not None or await self._write_owed()

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """When a step fails, whether it was committed is known to the ledger only."""
        with ExitStack() as failing:
            failing.callback(self.forget)
            yield
            failing.pop_all()

    async def _begin(self, term: int) -> None:
        """A new term: everything is read anew."""
        self.forget()
        await self._closings.look(self._number)
        await self._doubt_copies()
        self._places = (
            await self._place(keys.feedback_stream(self._number)),
            await self._place(keys.decision_stream(self._number)),
        )
        self._term = term

    async def _place(self, stream: str) -> Place:
        stored = await self._stores.ledger.position(stream)
        incarnation, position = stored or ("", _START)
        return Place(stream=stream, incarnation=incarnation, position=position)

    async def _doubt_copies(self) -> None:
        """Any copy may be missing or old."""
        self._doubted = deque(await self._stores.ledger.experiments(self._number))

    async def _make_copies_good(self) -> bool:
        """Publish a few of the doubted anew; there may be thousands, and others wait to learn."""
        for _ in range(min(len(self._doubted), _FEW)):
            record = self._doubted[0]
            try:
                live = await self._deployments.get(record.id)
            except Unavailable:
                raise
            except QbrixError as error:
                _log.error("cannot_run", experiment=record.id, error=str(error))
                live = None
            self._doubted.popleft()
            if live is not None:
                self._publisher.offer(live, term=self._term)
                if live.deployment.version > live.snapshot_version:
                    self._snapshots.owe(live)
        return bool(self._doubted)

    async def _learn(self) -> Portion | None:
        ledger = self._stores.ledger
        portion, guesses = await self._foresight.read(await self._follow_incarnation())
        self._read_until_ms = portion.until_ms
        if portion.places == portion.after:
            return None
        with self._committing(), self._pace.timed():
            async with self._foresight.ahead(portion) as tell_moved:
                groups = await grouped(ledger, self._deployments, self._closings, portion, guesses)
                moved = await commit_feedback(
                    ledger,
                    self._deployments,
                    self._snapshots,
                    groups,
                    shard=self._number,
                    term=self._term,
                    portion=portion,
                    asking=self._asking,
                    tell_moved=tell_moved,
                    metrics=self._metrics,
                )
                for live in moved:  # what is learned ahead may take longer than the step
                    self._publisher.offer(live, term=self._term)
        self._metrics.step_events.observe(
            len(portion.feedback.events) + len(portion.decisions.events)
        )
        self._places = portion.places
        return portion

    async def _close_windows(self) -> bool:
        """What is due by the time up to which everything has been read."""
        worked = False
        for window in await self._closings.look(self._number):
            closing = await self._closings.due(window, read_until_ms=self._read_until_ms)
            if closing is None:
                continue
            with self._committing():
                live = await commit_closing(
                    self._stores.ledger,
                    self._snapshots,
                    closing,
                    shard=self._number,
                    term=self._term,
                    metrics=self._metrics,
                )
            self._closings.stored(live.record.id, closing.progress)
            if closing.learned.batches:
                self._deployments.put(live)
                self._publisher.offer(live, term=self._term)
            worked = True
        return worked

    async def _trim(self) -> None:
        """Tell the streams what the ledger has; also for a predecessor who did not live to."""
        places = self._places
        if places is None or places == self._trimmed:
            return
        feedback, decisions = places
        await self._stores.intake.trim(
            self._number,
            incarnation=feedback.incarnation,
            feedback=feedback.position,
            decisions=decisions.position,
        )
        self._trimmed = places
        failpoint("cortex.after_trim")

    async def _follow_incarnation(self) -> Places:
        """Streams that were made anew are read from their start; the copies are lost as well.

        What is read twice is counted once. A stream that is replaced between this look and the
        read is read behind the old position now, and from its start in the next round.
        """
        assert self._places is not None
        incarnation = await self._stores.intake.incarnation(self._number)
        known = {place.incarnation for place in self._places}
        if known == {incarnation}:
            return self._places
        if known != {""}:
            _log.warning("streams_replaced", shard=self._number, incarnation=incarnation)
            await self._doubt_copies()
            self._closings.wait(self._clock())
        feedback, decisions = self._places
        self._places = (
            replace(feedback, incarnation=incarnation, position=_START),
            replace(decisions, incarnation=incarnation, position=_START),
        )
        return self._places

    async def _write_owed(self) -> bool:
        owed = self._snapshots.owed()
        if not owed:
            return False
        with self._committing():
            await commit_snapshots(
                self._stores.ledger, self._snapshots, owed, shard=self._number, term=self._term
            )
        return True

    async def _apply_controls(self) -> bool:
        requests = await self._stores.ledger.pending_controls(self._number)
        for request in requests:
            await self._apply(request)
        return bool(requests)

    async def _apply(self, request: ControlRequest) -> None:
        ledger, shard, term = self._stores.ledger, self._number, self._term
        live: Live | None = None
        try:
            live = await self._deployments.get(request.experiment)
            if live is None:
                raise Conflict(f"experiment {request.experiment} was deleted")
            change = await plan_change(request, live, loader=self._loader)
        except Unavailable:
            raise
        except QbrixError as error:
            with self._committing():
                await commit_rejection(
                    ledger, shard=shard, term=term, request=request, error=error, live=live
                )
            tell_control(self._metrics, request, status="rejected", why=str(error))
            return
        with self._committing():
            opens = self._closings.begins(
                request.experiment, live.deployment, change.live.deployment, now_ms=self._clock()
            )
            applied = await commit_change(
                ledger,
                self._snapshots,
                shard=shard,
                term=term,
                request=request,
                change=change,
                opens=opens,
            )
            if applied and opens is not None:
                self._closings.stored(request.experiment, opens)
        tell_control(self._metrics, request, status="applied" if applied else "cancelled")
        if applied:
            self._deployments.put(change.live)
            self._publisher.offer(change.live, term=term)
