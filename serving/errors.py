"""The one table from errors to what a transport answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from qbrix.errors import (
    BundleError,
    Conflict,
    Forbidden,
    InvalidParameter,
    InvalidRequest,
    MissingExtra,
    NotFound,
    QbrixError,
    RateLimited,
    ShapeError,
    SupportError,
    TokenRejected,
    Unauthorised,
    Unavailable,
    UnknownName,
)

__all__ = ["INTERNAL", "Answer", "translate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An error as the wire shows it; ``grpc`` is the name of a gRPC status code."""

    status: int
    code: str
    detail: str
    grpc: str
    context: dict[str, Any] = field(default_factory=dict)
    retry_after_s: float | None = None

    def body(self) -> dict[str, Any]:
        """The JSON body; an empty context is left out."""
        shown: dict[str, Any] = {"code": self.code, "detail": self.detail}
        if self.context:
            shown["context"] = self.context
        return shown

    def headers(self) -> dict[str, str]:
        """``Retry-After`` in whole seconds, on every 429 and 503."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, ceil(self.retry_after_s)))}


INTERNAL = Answer(
    status=500,
    code="INTERNAL",
    detail="the server failed; its log has the cause",
    grpc="INTERNAL",
)

# Error type → HTTP status, code on the wire (None: the error brings its own), gRPC status.
_TABLE: dict[type[QbrixError], tuple[int, str | None, str]] = {
    InvalidParameter: (400, "INVALID_POLICY_PARAMS", "INVALID_ARGUMENT"),
    UnknownName: (400, "INVALID_POLICY_PARAMS", "INVALID_ARGUMENT"),
    MissingExtra: (400, "INVALID_POLICY_PARAMS", "INVALID_ARGUMENT"),
    ShapeError: (400, "INVALID_CONTEXT_VECTOR", "INVALID_ARGUMENT"),
    SupportError: (422, "INVALID_REWARD", "INVALID_ARGUMENT"),
    InvalidRequest: (400, None, "INVALID_ARGUMENT"),
    BundleError: (400, "BUNDLE_REJECTED", "INVALID_ARGUMENT"),
    TokenRejected: (400, "FEEDBACK_FAILED", "INVALID_ARGUMENT"),
    Unauthorised: (401, None, "UNAUTHENTICATED"),
    Forbidden: (403, None, "PERMISSION_DENIED"),
    NotFound: (404, None, "NOT_FOUND"),
    Conflict: (409, None, "FAILED_PRECONDITION"),
    RateLimited: (429, "RATE_LIMITED", "RESOURCE_EXHAUSTED"),
    Unavailable: (503, "SERVICE_UNAVAILABLE", "UNAVAILABLE"),
}

# Codes whose status differs from their error type's.
_STATUS_OF_CODE = {"VALIDATION_ERROR": 422, "PAYLOAD_TOO_LARGE": 413, "METHOD_NOT_ALLOWED": 405}
_GRPC_OF_CODE = {"CONFLICT": "ALREADY_EXISTS", "GATE_ALREADY_EXISTS": "ALREADY_EXISTS"}


def translate(error: QbrixError) -> Answer:
    """What a transport answers to ``error``; an unlisted one is internal and says nothing."""
    row = next((_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE), None)
    if row is None:
        return INTERNAL
    status, code, grpc = row
    code = code or _own_code(error)
    if isinstance(error, TokenRejected) and error.reason == "expired":
        grpc = "DEADLINE_EXCEEDED"
    reason = getattr(error, "reason", None)
    return Answer(
        status=_STATUS_OF_CODE.get(code, status),
        code=code,
        detail=str(error),
        grpc=_GRPC_OF_CODE.get(code, grpc),
        context={} if reason is None else {"reason": reason},
        retry_after_s=getattr(error, "retry_after_s", None),
    )


def _own_code(error: QbrixError) -> str:
    if isinstance(error, NotFound):
        return f"{error.kind.upper()}_NOT_FOUND"
    own: str = getattr(error, "code", "VALIDATION_ERROR")
    return own
