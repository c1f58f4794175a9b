"""One transaction over one shard: what was read becomes ledger and states, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial

import structlog

from qbrix.errors import QbrixError
from qbrix.ledger import REPLACING
from serving.cortex.asking import Asking
from serving.cortex.closings import Closing
from serving.cortex.control import Change, record_after
from serving.cortex.deployments import Deployments, Live
from serving.cortex.foresight import Moved
from serving.cortex.groups import Groups
from serving.cortex.published import snapshot_of
from serving.cortex.reading import Portion
from serving.cortex.snapshots import Snapshots
from serving.cortex.told import Told
from serving.cortex.writing import (
    append,
    archive,
    bury,
    committed,
    must_be_kept,
    put_snapshots,
)
from serving.failpoints import failpoint
from serving.storage.base import AlreadyCounted, ControlRequest, Ledger, LedgerStep
from serving.storage.records_windows import Progress
from serving.telemetry import CortexMetrics

__all__ = [
    "commit_change",
    "commit_closing",
    "commit_feedback",
    "commit_rejection",
    "commit_snapshots",
]

_log = structlog.get_logger("cortex")


async def commit_feedback(
    ledger: Ledger,
    deployments: Deployments,
    snapshots: Snapshots,
    groups: Groups,
    *,
    shard: int,
    term: int,
    portion: Portion,
    asking: Asking,
    tell_moved: Moved,
    metrics: CortexMetrics,
) -> list[Live]:
    """Count what was read exactly once; the heads that it moved, told while they are written."""
    failpoint("cortex.before_step")
    writing = _Writing(ledger, snapshots, portion, tell_moved, shard=shard, term=term)
    try:
        written = await writing.write(groups, asks=asking.due(portion))
        asking.wrote(again=written.told.events["duplicate"] > 0)
    except AlreadyCounted as error:
        _log.info("asked_again", shard=shard, why=str(error))
        written = await writing.write(replace(groups, guesses={}), asks=True)
        asking.wrote(again=True)
    failpoint("cortex.after_commit")
    written.told.tell(metrics, dead=written.dead, damaged=len(portion.damaged))
    metrics.archived.add_many(len(portion.decisions.events))
    for name, progress in groups.behind.items():
        groups.closings.stored(name, progress)
    for live in written.moved:
        deployments.put(live)
        (snapshots.took if live in written.due else snapshots.owe)(live)
    return written.moved


@dataclass(frozen=True, slots=True)
class _Written:
    """Heads behind a portion, those with a snapshot, and what became of the events."""

    moved: list[Live]
    due: list[Live]
    dead: int
    told: Told


@dataclass(frozen=True, slots=True)
class _Writing:
    """A portion on its way into the ledger."""

    ledger: Ledger
    snapshots: Snapshots
    portion: Portion
    tell_moved: Moved
    _: KW_ONLY
    shard: int
    term: int

    async def write(self, groups: Groups, *, asks: bool) -> _Written:
        """One transaction; AlreadyCounted when it counts what the ledger was not asked about."""
        learned = await groups.learned(self.ledger, asks=asks)
        failpoint("cortex.after_known")
        portion, dead, told = self.portion, [*groups.dead], Told()
        async with self.ledger.step(self.shard, term=self.term) as step:
            moved, kept = [], set()
            for name, live in groups.heads.items():
                made = learned[name]
                dead += made.dead
                told.learned(name, made)
                if made.batches:
                    moved.append(await append(step, live, made))
                    kept |= {name} if must_be_kept(made) else set()
            step.meanwhile(partial(self.tell_moved, moved))
            failpoint("cortex.after_fold")
            due = [live for live in moved if self.snapshots.due(live) or live.record.id in kept]
            await put_snapshots(step, due, self.snapshots, term=self.term)
            await bury(step, dead, portion.damaged)
            await archive(step, portion.decisions.events)
            for name, progress in groups.behind.items():
                await step.put_window(name, progress)
            for place in portion.places:
                await step.move(
                    place.stream, incarnation=place.incarnation, position=place.position
                )
        return _Written(moved, due, len(dead), told)


async def commit_closing(
    ledger: Ledger,
    snapshots: Snapshots,
    closing: Closing,
    *,
    shard: int,
    term: int,
    metrics: CortexMetrics,
) -> Live:
    """Store what closed windows came to, and up to where they are closed; the head after it."""
    name, learned = closing.live.record.id, closing.learned
    told = Told()
    told.learned(name, learned)
    async with ledger.step(shard, term=term) as step:
        live = await append(step, closing.live, learned)
        if learned.batches:
            await put_snapshots(step, [live], snapshots, term=term)
        await bury(step, learned.dead, [])
        failpoint("cortex.closing_before_progress")
        await step.put_window(name, closing.progress)
    failpoint("cortex.closing_after_commit")
    told.tell(metrics, dead=len(learned.dead), damaged=0)
    if learned.batches:
        snapshots.took(live)
    return live


async def commit_change(
    ledger: Ledger,
    snapshots: Snapshots,
    *,
    shard: int,
    term: int,
    request: ControlRequest,
    change: Change,
    opens: Progress | None = None,
) -> bool:
    """Make a control change the next version; False when it was cancelled meanwhile.

    ``opens`` is where closing begins when windows close from now on.
    """
    live = change.live
    state = await asyncio.to_thread(snapshot_of, live, term=term)  # a step that writes is brisk
    async with ledger.step(shard, term=term) as step:
        if not await step.settle_control(request.id, status="applied", outcome=change.outcome):
            return False
        await step.append(live.record.id, committed(change.batch, live.deployment))
        if opens is not None:
            await step.put_window(live.record.id, opens)
        await step.put_snapshot(state)
        if snapshots.is_checkpoint(live):
            await step.put_checkpoint(state)
        if change.certificate is not None:
            await step.put_promotion(
                live.record.id,
                version=change.batch.version,
                bundle=change.certificate.bundle,
                certificate=change.certificate.to_json(),
            )
        if request.reason in REPLACING:
            await _tell_record(step, live)
        failpoint("cortex.control_before_commit")
    failpoint("cortex.control_after_commit")
    snapshots.took(live)
    return True


async def commit_snapshots(
    ledger: Ledger, snapshots: Snapshots, owed: Sequence[Live], *, shard: int, term: int
) -> None:
    """Write heads that were left out."""
    async with ledger.step(shard, term=term) as step:
        await put_snapshots(step, owed, snapshots, term=term)
    for live in owed:
        snapshots.took(live)


async def commit_rejection(
    ledger: Ledger,
    *,
    shard: int,
    term: int,
    request: ControlRequest,
    error: QbrixError,
    live: Live | None,
) -> None:
    """Settle a control change that cannot be; the record goes on telling what decides."""
    outcome = {"reason": getattr(error, "reason", type(error).__name__), "message": str(error)}
    async with ledger.step(shard, term=term) as step:
        await step.settle_control(request.id, status="rejected", outcome=outcome)
        if live is not None:
            await _tell_record(step, live)


async def _tell_record(step: LedgerStep, live: Live) -> None:
    await step.put_policy(record_after(live.record, live.deployment))
