"""Dead letters as the API shows them."""

from __future__ import annotations

import math
from base64 import b64encode

from serving.proxy.documents.downloads import DeadEvent, DeadLetterAnswer
from serving.redriving import held_in
from serving.storage.base import DeadLetter, FeedbackEvent

__all__ = ["dead_letter"]


def dead_letter(letter: DeadLetter) -> DeadLetterAnswer:
    """One letter; its events as far as they can be read."""
    return {
        "id": letter.id,
        "reason": letter.reason,
        "buried_ms": letter.buried_ms,
        "redriven_ms": letter.redriven_ms,
        "events": [_event(event) for event in held_in(letter).feedback],
        "payload": b64encode(letter.payload).decode(),
    }


def _event(event: FeedbackEvent) -> DeadEvent:
    return {
        "decision_id": event.decision_id,
        "feedback_id": event.feedback_id,
        "reward": event.reward if math.isfinite(event.reward) else None,
        "received_ms": event.received_ms,
    }
