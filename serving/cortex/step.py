"""One transaction over one shard: what was read becomes ledger and states, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from qbrix.errors import QbrixError, Unavailable
from qbrix.ledger import Batch, Deployment
from serving.cortex.columns import Dead
from serving.cortex.control import Change, record_after
from serving.cortex.deployments import Deployments, Live
from serving.cortex.learn import Learned, learn
from serving.cortex.published import snapshot_of
from serving.cortex.snapshots import Snapshots
from serving.cortex.times import now_ms
from serving.cortex.told import Told
from serving.failpoints import failpoint
from serving.storage import codec
from serving.storage.base import (
    CommittedBatch,
    ControlRequest,
    DecisionEvent,
    FeedbackEvent,
    Key,
    Ledger,
    LedgerStep,
    Read,
)
from serving.storage.rows import are_ids, is_id
from serving.telemetry import CortexMetrics

__all__ = [
    "Place",
    "commit_change",
    "commit_feedback",
    "commit_rejection",
    "commit_snapshots",
]

_log = structlog.get_logger("cortex")

_NUL = "\x00"  # what no text column holds


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where reading of a stream goes on."""

    stream: str
    incarnation: str
    position: str


async def commit_feedback(
    ledger: Ledger,
    deployments: Deployments,
    snapshots: Snapshots,
    *,
    shard: int,
    term: int,
    feedback: Read[FeedbackEvent],
    decisions: Read[DecisionEvent],
    places: Sequence[Place],
    metrics: CortexMetrics,
) -> list[Live]:
    """Count what was read exactly once; the heads that it moved."""
    failpoint("cortex.before_step")
    told = Told()
    groups = _by_experiment(feedback.events)
    heads, dead = await _heads(deployments, groups)
    async with ledger.step(shard, term=term) as step:
        known = await step.known(_keys([event for name in heads for event in groups[name]]))
        failpoint("cortex.after_known")
        moved: list[Live] = []
        for name, live in heads.items():
            learned = await asyncio.to_thread(
                learn, live.deployment, groups[name], known=known, resolver=live.resolver
            )
            dead += learned.dead
            told.learned(name, learned)
            if learned.batches:
                moved.append(await _append(step, live, learned))
        failpoint("cortex.after_fold")
        due = [live for live in moved if snapshots.due(live)]
        await _put_snapshots(step, due, term=term)
        await _bury(step, dead, [*feedback.damaged, *decisions.damaged])
        await _archive(step, decisions.events)
        for place in places:
            await step.move(place.stream, incarnation=place.incarnation, position=place.position)
    failpoint("cortex.after_commit")
    told.tell(metrics, dead=len(dead), damaged=len(feedback.damaged) + len(decisions.damaged))
    metrics.archived.add_many(len(decisions.events))
    for live in moved:
        deployments.put(live)
        (snapshots.took if live in due else snapshots.owe)(live)
    return moved


async def commit_change(
    ledger: Ledger,
    snapshots: Snapshots,
    *,
    shard: int,
    term: int,
    request: ControlRequest,
    change: Change,
) -> bool:
    """Make a control change the next version; False when it was cancelled meanwhile."""
    live = change.live
    state = await asyncio.to_thread(snapshot_of, live, term=term)  # a step that writes is brisk
    async with ledger.step(shard, term=term) as step:
        if not await step.settle_control(request.id, status="applied", outcome=change.outcome):
            return False
        await step.append(live.record.id, _committed(change.batch, live.deployment))
        await step.put_snapshot(state)
        if change.certificate is not None:
            await step.put_promotion(
                live.record.id,
                version=change.batch.version,
                bundle=change.certificate.bundle,
                certificate=change.certificate.to_json(),
            )
        if request.reason == "promote":
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
        await _put_snapshots(step, owed, term=term)
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


async def _heads(
    deployments: Deployments, groups: Mapping[str, Sequence[FeedbackEvent]]
) -> tuple[dict[str, Live], list[Dead]]:
    """The heads of the experiments; events of one that cannot learn here are dead."""
    heads: dict[str, Live] = {}
    dead: list[Dead] = []
    for name, events in groups.items():
        reason = "there is no such experiment any more"
        live: Live | None = None
        try:
            live = await deployments.get(name) if is_id(name) else None
        except Unavailable:
            raise
        except QbrixError as error:
            reason = f"its policy cannot run here: {error}"
        if live is None:
            dead += [Dead(event, reason) for event in events]
        else:
            heads[name] = live
    return heads, dead


async def _append(step: LedgerStep, live: Live, learned: Learned) -> Live:
    for batch, deployment in learned.batches:
        await step.append(live.record.id, _committed(batch, deployment))
    return Live(record=live.record, deployment=learned.deployment, resolver=live.resolver)


def _committed(batch: Batch, deployment: Deployment) -> CommittedBatch:
    return CommittedBatch(
        batch=batch,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        committed_ms=now_ms(),
    )


async def _put_snapshots(step: LedgerStep, lives: Sequence[Live], *, term: int) -> None:
    for live in lives:
        await step.put_snapshot(await asyncio.to_thread(snapshot_of, live, term=term))


async def _bury(step: LedgerStep, dead: Sequence[Dead], damaged: Sequence[bytes]) -> None:
    if dead or damaged:
        reasons = sorted({letter.reason for letter in dead})
        _log.warning("dead_letters", events=len(dead), damaged=len(damaged), reasons=reasons[:5])
    for letter in dead:
        payload = codec.pack_feedback([letter.event])
        experiment = letter.event.experiment.replace(_NUL, "")
        await step.bury(experiment, reason=letter.reason.replace(_NUL, ""), payload=payload)
    for entry in damaged:
        await step.bury("", reason="no version of qbrix wrote this entry", payload=entry)


async def _archive(step: LedgerStep, decisions: Sequence[DecisionEvent]) -> None:
    sound = [event for event in decisions if _can_be_kept(event)]
    await step.put_decisions(sound)
    for event in decisions:
        if not _can_be_kept(event):
            payload = codec.pack_decisions([event])
            await step.bury(
                "", reason="the decision has an id or a text of no use", payload=payload
            )


def _can_be_kept(event: DecisionEvent) -> bool:
    texts = (event.proxy, event.experiment, event.context_id, event.source)
    return is_id(event.decision_id) and not any(_NUL in text for text in texts)


def _by_experiment(events: Sequence[FeedbackEvent]) -> dict[str, list[FeedbackEvent]]:
    groups: dict[str, list[FeedbackEvent]] = {}
    for event in events:
        groups.setdefault(event.experiment, []).append(event)
    return groups


def _keys(events: Sequence[FeedbackEvent]) -> list[Key]:
    """Keys that a ledger can hold; events with others are dead anyway."""
    if not are_ids([event.decision_id for event in events]):
        events = [event for event in events if is_id(event.decision_id)]
    return [
        (event.experiment, event.epoch, event.decision_id, event.feedback_id) for event in events
    ]
