"""A key that comes twice in a body of the hot routes: the decoder alone would take the last one.

Every key of a JSON object ends with a quote and a colon. Where a body has no more of these than
keys were found in it, none came twice; only a body with more (a null, an object in an object) is
read again, key by key. Counting costs half a microsecond, reading again twenty times that.
"""

from __future__ import annotations

from serving.proxy.agent.messages import (
    BatchFeedback,
    BatchSelect,
    FeedbackRequest,
    RetractRequest,
    SelectContext,
    SelectRequest,
)
from serving.proxy.documents.plain import check_once

__all__ = [
    "check_keys",
    "keys_of_feedback",
    "keys_of_feedbacks",
    "keys_of_retraction",
    "keys_of_select",
    "keys_of_selects",
]

_KEY_ENDS = (b'":', b" :", b"\t:", b"\n:", b"\r:")


def check_keys(body: bytes, *, found: int) -> None:
    """Raise InvalidRequest where a key comes twice in a body in which ``found`` keys were found."""
    if body.count(b":") > found and sum(map(body.count, _KEY_ENDS)) > found:
        check_once(body)


def keys_of_select(request: SelectRequest) -> int:
    """How many keys the body of the request has at least."""
    return 2 + (request.decision_id is not None) + _of_context(request.context)


def keys_of_selects(request: BatchSelect) -> int:
    """Of a batch."""
    return 2 + sum(map(_of_context, request.contexts))


def keys_of_feedback(request: FeedbackRequest) -> int:
    """Of a reward."""
    return 2 + (request.feedback_id != "")


def keys_of_retraction(request: RetractRequest) -> int:
    """Of a retraction."""
    return 1 + (request.feedback_id != "")


def keys_of_feedbacks(request: BatchFeedback) -> int:
    """Of a batch."""
    return 1 + sum(map(keys_of_feedback, request.items))


def _of_context(context: SelectContext) -> int:
    count = 1
    if context.properties is not None:
        count += 1 + len(context.properties)
    if context.metadata is not None:
        count += 1 + len(context.metadata)
    return count if context.vector is None else count + 1
