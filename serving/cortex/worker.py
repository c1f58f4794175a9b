"""One shard: lease, controls, feedback, one transaction, publish, trim; and again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import structlog

from qbrix.errors import Conflict, QbrixError, Unavailable
from serving.cortex.control import plan_change
from serving.cortex.deployments import Deployments, Live
from serving.cortex.lease import Lease
from serving.cortex.publisher import Publisher
from serving.cortex.step import Place, commit_change, commit_feedback, commit_rejection
from serving.failpoints import failpoint
from serving.loading import PolicyLoader
from serving.storage import keys
from serving.storage.base import ControlRequest, Stores

__all__ = ["START", "ShardWorker"]

_log = structlog.get_logger("cortex")

START = "0"  # before the first entry of any stream
_BLOCK_MS = 200
_CONTROL_CHECK_S = 1.0
_BACKOFF_S = (0.05, 2.0)


class ShardWorker:
    """Learns everything that concerns one shard, while it holds the shard's lease."""

    def __init__(
        self, stores: Stores, loader: PolicyLoader, lease: Lease, *, shard: int, limit: int = 8192
    ) -> None:
        self._stores = stores
        self._loader = loader
        self._lease = lease
        self._shard = shard
        self._limit = limit
        self._deployments = Deployments(stores.ledger, loader)
        self._publisher = Publisher(stores.channel)
        self._places: tuple[Place, Place] | None = None  # of feedback and of decisions
        self._term: int | None = None
        self._busy = asyncio.Lock()
        self._wake = asyncio.Event()
        self._checked_s = -math.inf
        self._stopping = False

    @property
    def leads(self) -> bool:
        """Whether this process may write the shard now."""
        return self._lease.term is not None

    def wake(self) -> None:
        """A control change may be waiting."""
        self._checked_s = -math.inf
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`: lead, learn, publish; waits out stores that are away."""
        async with asyncio.TaskGroup() as group:
            helpers = [
                group.create_task(self._lease.keep()),
                group.create_task(self._publisher.run()),
            ]
            await self._lead()
            for helper in helpers:
                helper.cancel()
        with suppress(Unavailable):
            await self._publisher.flush()
            await self._lease.release()

    def stop(self) -> None:
        """Let `run` finish the step under way, publish, give the lease back and return."""
        self._stopping = True
        self._wake.set()

    async def drain(self) -> None:
        """Until streams and controls are empty and everything is published."""
        async with self._busy:
            while True:
                if self._lease.term is None and await self._lease.renew() is None:
                    await asyncio.sleep(0.02)
                elif not await self._pass(controls=True):
                    break
            await self._publisher.flush()

    async def _lead(self) -> None:
        pause_s = _BACKOFF_S[0]
        while not self._stopping:
            try:
                async with self._busy:
                    worked = await self._pass(controls=self._controls_due())
            except (Conflict, Unavailable) as error:
                _log.warning("step_refused", shard=self._shard, error=str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _BACKOFF_S[1])
                continue
            pause_s = _BACKOFF_S[0]
            if not worked:
                await self._idle()

    async def _pass(self, *, controls: bool) -> bool:
        """One round; True when there was something to do."""
        term = self._lease.term
        if term is None:
            self._forget()
            return False
        if term != self._term:
            await self._begin(term)
        worked = controls and await self._apply_controls(term)
        return await self._learn(term) or worked

    @contextmanager
    def _committing(self) -> Iterator[None]:
        """When a step fails, whether it was committed is known to the ledger only."""
        try:
            yield
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        self._term = None
        self._places = None
        self._deployments.forget_all()
        self._publisher.forget_all()

    async def _begin(self, term: int) -> None:
        """A new term: everything is read anew, and the copies are made good."""
        self._forget()
        await self._publish_all(term)
        self._places = (
            await self._place(keys.feedback_stream(self._shard)),
            await self._place(keys.decision_stream(self._shard)),
        )
        self._term = term

    async def _place(self, stream: str) -> Place:
        stored = await self._stores.ledger.position(stream)
        incarnation, position = stored or ("", START)
        return Place(stream=stream, incarnation=incarnation, position=position)

    async def _publish_all(self, term: int) -> None:
        for record in await self._stores.ledger.experiments(self._shard):
            live = await self._head(record.id)
            if live is not None:
                self._publisher.offer(live, term=term)

    async def _head(self, experiment: str) -> Live | None:
        try:
            return await self._deployments.get(experiment)
        except Unavailable:
            raise
        except QbrixError as error:
            _log.error("cannot_run", experiment=experiment, error=str(error))
            return None

    async def _learn(self, term: int) -> bool:
        feedback_place, decisions_place = await self._follow_incarnation(term)
        intake, shard, limit = self._stores.intake, self._shard, self._limit
        feedback = await intake.read_feedback(
            shard, after=feedback_place.position, limit=limit, block_ms=0
        )
        decisions = await intake.read_decisions(
            shard, after=decisions_place.position, limit=limit, block_ms=0
        )
        places = (
            replace(feedback_place, position=feedback.position),
            replace(decisions_place, position=decisions.position),
        )
        if places == self._places:
            return False
        with self._committing():
            moved = await commit_feedback(
                self._stores.ledger,
                self._deployments,
                shard=shard,
                term=term,
                feedback=feedback,
                decisions=decisions,
                places=places,
            )
        self._places = places
        for live in moved:
            self._publisher.offer(live, term=term)
        await intake.trim(
            shard,
            incarnation=feedback_place.incarnation,
            feedback=feedback.position,
            decisions=decisions.position,
        )
        failpoint("cortex.after_trim")
        return True

    async def _follow_incarnation(self, term: int) -> tuple[Place, Place]:
        """Streams that were made anew are read from their start; the copies are lost as well.

        What is read twice is counted once. A stream that is replaced between this look and the
        read is read behind the old position now, and from its start in the next round.
        """
        assert self._places is not None
        incarnation = await self._stores.intake.incarnation(self._shard)
        known = {place.incarnation for place in self._places}
        if known == {incarnation}:
            return self._places
        if known != {""}:
            _log.warning("streams_replaced", shard=self._shard, incarnation=incarnation)
            await self._publish_all(term)
        feedback, decisions = self._places
        self._places = (
            replace(feedback, incarnation=incarnation, position=START),
            replace(decisions, incarnation=incarnation, position=START),
        )
        return self._places

    def _controls_due(self) -> bool:
        now = asyncio.get_running_loop().time()
        due = now - self._checked_s >= _CONTROL_CHECK_S
        if due:
            self._checked_s = now
        return due

    async def _apply_controls(self, term: int) -> bool:
        requests = await self._stores.ledger.pending_controls(self._shard)
        for request in requests:
            await self._apply(request, term)
        return bool(requests)

    async def _apply(self, request: ControlRequest, term: int) -> None:
        ledger = self._stores.ledger
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
                    ledger, shard=self._shard, term=term, request=request, error=error, live=live
                )
            return
        with self._committing():
            applied = await commit_change(
                ledger, shard=self._shard, term=term, request=request, change=change
            )
        if applied:
            self._deployments.put(change.live)
            self._publisher.offer(change.live, term=term)

    async def _idle(self) -> None:
        """Until feedback or a call arrives, or a moment has passed."""
        self._wake.clear()
        if self._stopping:
            return
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._wake.wait())]
        if self._places is not None:
            waits.append(asyncio.create_task(self._wait_for_feedback(self._places[0].position)))
        timeout = _BLOCK_MS / 1000 if self._places is None else None
        try:
            await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _wait_for_feedback(self, after: str) -> None:
        with suppress(Unavailable):
            await self._stores.intake.read_feedback(
                self._shard, after=after, limit=1, block_ms=_BLOCK_MS
            )
