"""The messages of the hot routes, decoded strictly: no NaN, no number in quotes, no unknown key."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

__all__ = [
    "BatchFeedback",
    "BatchResults",
    "BatchSelect",
    "BatchSelection",
    "FeedbackRequest",
    "FeedbackResult",
    "RetractRequest",
    "SelectContext",
    "SelectRequest",
    "Selection",
]

_HEX32 = r"\A[0-9a-f]{32}\Z"
_PRINTABLE = r"\A[^\x00-\x1f]*\Z"

DecisionId = Annotated[str, msgspec.Meta(pattern=_HEX32, description="32 lowercase hex characters")]
FeedbackId = Annotated[
    str,
    msgspec.Meta(pattern=_PRINTABLE, max_length=128, description="names one of several rewards"),
]
ContextId = Annotated[
    str, msgspec.Meta(pattern=r"\A[^\x00]*\Z", description="the unit: a user or a session")
]


class SelectContext(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Who is to be served and what is known about them."""

    id: ContextId
    properties: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    vector: list[float] | None = None


class SelectRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Body of ``POST /agent/select``."""

    experiment_id: str
    context: SelectContext
    decision_id: DecisionId | None = None


class Selection(msgspec.Struct, omit_defaults=False, gc=False):
    """Answer of a select; ``arm`` is ``{id, name, index}``."""

    arm: msgspec.Raw
    request_id: str | None
    is_default: bool
    propensity: float | None = None
    state_version: int | None = None
    state_age_ms: int | None = None


class FeedbackRequest(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Body of ``POST /agent/feedback``."""

    request_id: str
    reward: float
    feedback_id: FeedbackId = ""


class RetractRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /agent/feedback/retract``."""

    request_id: str
    feedback_id: FeedbackId = ""


class FeedbackResult(msgspec.Struct, omit_defaults=True, gc=False):
    """Answer of a feedback or of a retraction."""

    accepted: bool
    duplicate: bool
    error: str | None = None


class BatchSelect(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /agent/select/batch``."""

    experiment_id: str
    contexts: Annotated[list[SelectContext], msgspec.Meta(max_length=10_000)]


class BatchFeedback(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /agent/feedback/batch``."""

    items: Annotated[list[FeedbackRequest], msgspec.Meta(max_length=10_000)]


class BatchSelection(msgspec.Struct):
    """Answer of a batch of selects."""

    decisions: list[Selection]


class BatchResults(msgspec.Struct):
    """Answer of a batch of feedback."""

    results: list[FeedbackResult]
