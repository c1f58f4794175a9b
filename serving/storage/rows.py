"""Between the columns of a batch and single rows: what every backend of the ledger needs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qbrix.ledger import Batch, Disposition, Rows
from serving.storage.records import DecisionEvent, FeedbackEvent, Key

__all__ = ["are_ids", "batch_keys", "decision_of", "is_id", "row_decision", "row_event"]

_ID = re.compile(r"[0-9a-f]{32}")
_HEX = re.compile(r"[0-9a-f]*")


def is_id(word: str) -> bool:
    """Whether this is 32 lowercase hex characters."""
    return _ID.fullmatch(word) is not None


def are_ids(words: Sequence[str]) -> bool:
    """Whether each of them is one; much faster than to ask for each."""
    return set(map(len, words)) <= {32} and _HEX.fullmatch("".join(words)) is not None


def batch_keys(experiment: str, batch: Batch) -> list[Key]:
    """What makes each row the same reward when it comes again, in order."""
    rows = batch.rows
    if rows is None:
        return []
    epochs = rows.epochs.tolist()
    return [
        (experiment, epoch, decision, feedback)
        for epoch, decision, feedback in zip(
            epochs, rows.decision_ids, rows.feedback_ids, strict=True
        )
    ]


def decision_of(experiment: str, batch: Batch, *, decision_id: str) -> DecisionEvent | None:
    """The decision that a row of feedback belongs to, as far as the row knows it."""
    if batch.rows is None or decision_id not in batch.rows.decision_ids:
        return None
    return row_decision(experiment, batch.rows, batch.rows.decision_ids.index(decision_id))


def row_decision(experiment: str, rows: Rows, index: int) -> DecisionEvent:
    """A decision as its feedback tells it: proxy, number and context id are not in the ledger."""
    gate = int(rows.dispositions[index]) == Disposition.GATE
    return DecisionEvent(
        proxy="",
        number=0,
        experiment=experiment,
        context_id="",
        epoch=int(rows.epochs[index]),
        decision_id=rows.decision_ids[index],
        arm=int(rows.arms[index]),
        u=float(rows.u[index]),
        low=float(rows.low[index]),
        propensity=float(rows.propensities[index]),
        version=int(rows.state_versions[index]),
        source="gate" if gate else "policy",
        context=b"" if rows.contexts is None else rows.contexts[index].tobytes(),
        decided_ms=int(rows.decided_ms[index]),
        recorded=_recorded(rows, index),
    )


def row_event(experiment: str, rows: Rows, index: int) -> FeedbackEvent:
    """A reward as its row tells it."""
    return FeedbackEvent(
        experiment=experiment,
        epoch=int(rows.epochs[index]),
        decision_id=rows.decision_ids[index],
        feedback_id=rows.feedback_ids[index],
        arm=int(rows.arms[index]),
        reward=float(rows.rewards[index]),
        u=float(rows.u[index]),
        low=float(rows.low[index]),
        propensity=float(rows.propensities[index]),
        version=int(rows.state_versions[index]),
        gate=int(rows.dispositions[index]) == Disposition.GATE,
        recorded=_recorded(rows, index),
        context=b"" if rows.contexts is None else rows.contexts[index].tobytes(),
        decided_ms=int(rows.decided_ms[index]),
        received_ms=int(rows.received_ms[index]),
    )


def _recorded(rows: Rows, index: int) -> tuple[float, ...]:
    return () if rows.recorded is None else tuple(rows.recorded[index].tolist())
