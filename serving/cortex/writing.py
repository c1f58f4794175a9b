"""What a step writes, piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from qbrix.ledger import Batch, Deployment
from qbrix.ledger.course import retracts
from qbrix.ledger.replay import learned_since
from serving.cortex.columns import Dead
from serving.cortex.deployments import Live
from serving.cortex.learn import Learned
from serving.cortex.published import snapshot_of
from serving.cortex.snapshots import Snapshots
from serving.cortex.times import now_ms
from serving.storage import codec
from serving.storage.base import CommittedBatch, DecisionEvent, LedgerStep
from serving.storage.rows import is_id

__all__ = ["append", "archive", "bury", "committed", "must_be_kept", "put_snapshots"]

_log = structlog.get_logger("cortex")

_TOLD = 5  # of many in one line of the log
_NUL = "\x00"  # what no text column holds


async def append(step: LedgerStep, live: Live, learned: Learned) -> Live:
    """The batches of an experiment; its head after them."""
    for batch, deployment in learned.batches:
        await step.append(live.record.id, committed(batch, deployment))
        if retracts(batch):
            await step.drop_checkpoints(live.record.id, after=learned_since(batch))
    return Live(record=live.record, deployment=learned.deployment, resolver=live.resolver)


def must_be_kept(learned: Learned) -> bool:
    """Whether the head has to be stored with its batches: later ones cannot be folded alone."""
    return any(retracts(batch) for batch, _ in learned.batches)


def committed(batch: Batch, deployment: Deployment) -> CommittedBatch:
    """A batch with the digests after it."""
    return CommittedBatch(
        batch=batch,
        ledger_digest=deployment.ledger_digest,
        state_digest=deployment.state_digest,
        committed_ms=now_ms(),
    )


async def put_snapshots(
    step: LedgerStep, lives: Sequence[Live], snapshots: Snapshots, *, term: int
) -> None:
    """Heads, some of them to be gone back to."""
    for live in lives:
        state = await asyncio.to_thread(snapshot_of, live, term=term)
        await step.put_snapshot(state)
        if snapshots.is_checkpoint(live):
            await step.put_checkpoint(state)


async def bury(step: LedgerStep, dead: Sequence[Dead], damaged: Sequence[bytes]) -> None:
    """What cannot be learned, with the reason."""
    if dead or damaged:
        reasons = sorted({letter.reason for letter in dead})
        requests = sorted({letter.event.request for letter in dead if letter.event.request})
        _log.warning(
            "dead_letters",
            events=len(dead),
            damaged=len(damaged),
            reasons=reasons[:_TOLD],
            requests=requests[:_TOLD],
        )
    for letter in dead:
        payload = codec.pack_feedback([letter.event])
        experiment = letter.event.experiment.replace(_NUL, "")
        await step.bury(experiment, reason=letter.reason.replace(_NUL, ""), payload=payload)
    for entry in damaged:
        await step.bury("", reason="no version of qbrix wrote this entry", payload=entry)


async def archive(step: LedgerStep, decisions: Sequence[DecisionEvent]) -> None:
    """The decision log; what it cannot hold is buried."""
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
