"""What becomes of each reward, by what the ledger holds of its decision and by times in the row."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from qbrix.ledger import Deployment, Disposition
from qbrix.ledger.names import CLOSE, RESERVED, retraction_target
from qbrix.types import BoolArray, IntArray
from serving.storage.records import FeedbackEvent, Key
from serving.storage.records_windows import Progress

__all__ = ["kinds_of", "parted"]


def parted(
    events: Sequence[FeedbackEvent],
) -> tuple[Sequence[FeedbackEvent], list[FeedbackEvent], list[FeedbackEvent]]:
    """Rewards, retractions, and what only we may call so."""
    named = [event for event in events if event.feedback_id[:1] == RESERVED]
    if not named:
        return events, [], []
    rewards = [event for event in events if event.feedback_id[:1] != RESERVED]
    takes = [event for event in named if retraction_target(event.feedback_id) is not None]
    forged = [event for event in named if retraction_target(event.feedback_id) is None]
    return rewards, takes, forged


def kinds_of(
    events: Sequence[FeedbackEvent],
    deployment: Deployment,
    *,
    known: Collection[Key],
    retractions: Sequence[FeedbackEvent],
    closed: Progress,
) -> IntArray:
    """Dispositions of rewards, (n,)."""
    attribution = deployment.configuration.attribution
    waits = attribution.aggregation != "first"
    gates = np.array([event.gate for event in events], dtype=np.bool_)
    epochs = np.array([event.epoch for event in events], dtype=np.int64)
    kinds: IntArray = np.select(
        [gates, epochs < deployment.epoch, _late(events, attribution.window_ms)],
        [int(Disposition.GATE), int(Disposition.OLD_EPOCH), int(Disposition.LATE)],
        default=int(Disposition.HELD if waits else Disposition.FOLDED),
    ).astype(np.int64)
    own = [key for key in known if key[0] == deployment.experiment]
    recalled, shut = _marks(own, retractions)
    if not (recalled or shut or waits):
        return kinds
    for index in np.flatnonzero(np.isin(kinds, (Disposition.FOLDED, Disposition.HELD))).tolist():
        event = events[index]
        decision = (event.epoch, event.decision_id)
        if (*decision, event.feedback_id) in recalled:
            kinds[index] = Disposition.RETRACTED
        elif decision in shut or (waits and closed.reached(event.decided_ms, event.decision_id)):
            kinds[index] = Disposition.LATE
    return kinds


def _late(events: Sequence[FeedbackEvent], window_ms: int | None) -> BoolArray:
    if window_ms is None:
        return np.zeros(len(events), dtype=np.bool_)
    waited = [event.received_ms - event.decided_ms for event in events]
    return np.array([each > window_ms for each in waited], dtype=np.bool_)


def _marks(
    known: Collection[Key], retractions: Sequence[FeedbackEvent]
) -> tuple[set[tuple[int, str, str]], set[tuple[int, str]]]:
    """Rewards that were taken back, perhaps before they came, and decisions that are closed."""
    named = [key[1:] for key in known if key[3][:1] == RESERVED]
    named += [(event.epoch, event.decision_id, event.feedback_id) for event in retractions]
    recalled = {
        (epoch, decision_id, target)
        for epoch, decision_id, word in named
        if (target := retraction_target(word)) is not None
    }
    return recalled, {(epoch, one) for epoch, one, word in named if word.startswith(CLOSE)}
