"""Taking rewards back: which rows that makes, and what they leave of their decision's window."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from qbrix.ledger import Batch, Deployment, Disposition
from qbrix.ledger.attribution import Told, conclusion
from qbrix.ledger.names import correction_id, retraction_target
from serving.cortex.past import Past
from serving.storage.records import FeedbackEvent
from serving.storage.records_windows import Progress, StoredRow
from serving.storage.rows import row_event

__all__ = ["CLOSINGS", "retraction_rows", "told_of"]

CLOSINGS = (Disposition.CLOSED, Disposition.DEFAULT)

Kinds = list[Disposition]
Decision = tuple[int, str]


def retraction_rows(
    deployment: Deployment,
    retractions: Sequence[FeedbackEvent],
    *,
    past: Past,
    since: Sequence[Batch],
    closed: Progress,
) -> tuple[list[FeedbackEvent], Kinds]:
    """Rows that take back, and rows that stand for what a window comes to without them.

    ``since`` are batches that are not in ``past`` yet. The rows of one decision stand together.
    """
    decisions: dict[Decision, list[FeedbackEvent]] = {}
    for event in retractions:
        decisions.setdefault((event.epoch, event.decision_id), []).append(event)
    events: list[FeedbackEvent] = []
    kinds: Kinds = []
    for decision, takes in decisions.items():
        story = _story(deployment.experiment, decision, past, since)
        for event, kind in _of_one(deployment, takes, story=story, closed=closed):
            events.append(event)
            kinds.append(kind)
    return events, kinds


def told_of(story: Sequence[StoredRow]) -> list[Told]:
    """Rows as the rules of attribution want them."""
    return [
        Told(row.event.feedback_id, row.disposition, row.event.reward, row.event.received_ms)
        for row in story
    ]


def _of_one(
    deployment: Deployment,
    takes: Sequence[FeedbackEvent],
    *,
    story: Sequence[StoredRow],
    closed: Progress,
) -> list[tuple[FeedbackEvent, Disposition]]:
    ended = any(row.disposition in CLOSINGS for row in story)
    made: list[tuple[FeedbackEvent, Disposition]] = []
    folded: StoredRow | None = None
    for take in takes:
        target = retraction_target(take.feedback_id)
        found = next((row for row in story if row.event.feedback_id == target), None)
        kind = Disposition.WITHDRAWAL
        if found is not None and _was_folded(found, deployment, ended=ended):
            kind, folded = Disposition.RETRACTION, found
        reward = 0.0 if found is None else found.event.reward
        made.append((msgspec.structs.replace(take, reward=reward), kind))
    if folded is None:
        return made
    first = folded.event
    if ended or closed.reached(first.decided_ms, first.decision_id):
        rest = told_of(story)
        rest += [Told(one.feedback_id, kind, 0.0, one.received_ms) for one, kind in made]
        left = conclusion(rest, deployment.configuration.attribution)
        if left is not None:
            kind, reward = left
            name = correction_id(retraction_target(takes[-1].feedback_id) or "")
            at_ms = takes[-1].received_ms
            made.append(
                (
                    msgspec.structs.replace(
                        first, feedback_id=name, reward=reward, received_ms=at_ms
                    ),
                    kind,
                )
            )
    return made


def _was_folded(row: StoredRow, deployment: Deployment, *, ended: bool) -> bool:
    if row.event.epoch != deployment.epoch:
        return False
    return row.disposition == Disposition.FOLDED or (ended and row.disposition == Disposition.HELD)


def _story(
    experiment: str, decision: Decision, past: Past, since: Sequence[Batch]
) -> list[StoredRow]:
    epoch, decision_id = decision
    story = [row for row in past.rows.get(decision_id, ()) if row.event.epoch == epoch]
    for batch in since:
        rows = batch.rows
        if rows is None:
            continue
        for index, one in enumerate(rows.decision_ids):
            if one == decision_id and rows.epochs[index] == epoch:
                event = row_event(experiment, rows, index)
                story.append(StoredRow(event, int(rows.dispositions[index]), batch.version))
    return story
