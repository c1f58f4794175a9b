"""The one table from the wire's answers to the library's errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from qbrix.errors import (
    BundleError,
    Conflict,
    Forbidden,
    InvalidParameter,
    InvalidRequest,
    NotFound,
    QbrixError,
    RateLimited,
    ServingError,
    ShapeError,
    SupportError,
    TokenRejected,
    Unauthorised,
    Unavailable,
)

__all__ = ["error_of", "retry_after_s"]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """An error answer, taken apart."""

    code: str
    detail: str
    reason: str
    identifier: str
    retry_after_s: float


def _not_found(refusal: _Refusal) -> NotFound:
    kind = refusal.code.removesuffix("_NOT_FOUND").lower()
    error = NotFound(kind, refusal.identifier)
    error.args = (refusal.detail,)  # the server's sentence names it, also when the path does not
    return error


_Make: TypeAlias = Callable[[_Refusal], QbrixError]

_BY_CODE: dict[str, _Make] = {
    "BUNDLE_REJECTED": lambda r: BundleError(r.reason or "trace", r.detail),
    "FEEDBACK_FAILED": lambda r: TokenRejected(r.reason or "forged", r.detail),
    "INVALID_CONTEXT_VECTOR": lambda r: ShapeError(r.detail),
    "INVALID_POLICY_PARAMS": lambda r: InvalidParameter(r.detail),
    "INVALID_REWARD": lambda r: SupportError(r.detail),
}
_BY_STATUS: dict[int, _Make] = {
    400: lambda r: InvalidRequest(r.detail, code=r.code),
    401: lambda r: Unauthorised(r.detail),
    403: lambda r: Forbidden(r.detail, code=r.code),
    404: _not_found,
    405: lambda r: InvalidRequest(r.detail, code=r.code),
    409: lambda r: Conflict(r.detail, code=r.code),
    413: lambda r: InvalidRequest(r.detail, code=r.code),
    422: lambda r: InvalidRequest(r.detail, code=r.code),
    429: lambda r: RateLimited(r.detail, retry_after_s=r.retry_after_s),
    502: lambda r: Unavailable(r.detail, retry_after_s=r.retry_after_s),
    503: lambda r: Unavailable(r.detail, retry_after_s=r.retry_after_s),
    504: lambda r: Unavailable(r.detail, retry_after_s=r.retry_after_s),
}


def error_of(status: int, body: bytes, headers: Mapping[str, str], *, path: str) -> QbrixError:
    """The error that an answer of 300 or more stands for.

    Parameters
    ----------
    status : int
    body : bytes
        JSON of the wire, or whatever something on the way answered instead.
    headers : Mapping[str, str]
        With lower-case names.
    path : str
        Of the request; its last part names what was not found.
    """
    read = _object(body)
    context = read.get("context")
    refusal = _Refusal(
        code=str(read.get("code", f"HTTP_{status}")),
        detail=_sentence(read.get("detail")) or _excerpt(body, status=status),
        reason=str(context.get("reason", "")) if isinstance(context, dict) else "",
        identifier=path.rstrip("/").rpartition("/")[2],
        retry_after_s=retry_after_s(headers),
    )
    make = _BY_CODE.get(refusal.code) or _BY_STATUS.get(status)
    if make is None:
        return ServingError(f"HTTP {status}, {refusal.code}: {refusal.detail}")
    return make(refusal)


def retry_after_s(headers: Mapping[str, str], *, default: float = 1.0) -> float:
    """The header ``Retry-After`` in seconds; ``default`` without one, or with a date."""
    text = headers.get("retry-after", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        return default


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _sentence(detail: Any) -> str:
    """A sentence, also from the list form of validation errors."""
    if isinstance(detail, list):
        parts = [
            f"{'.'.join(str(at) for at in item.get('loc', ()))}: {item.get('msg', '')}"
            for item in detail
            if isinstance(item, dict)
        ]
        return "; ".join(parts)
    return detail if isinstance(detail, str) else ""


def _excerpt(body: bytes, *, status: int) -> str:
    text = body[:200].decode(errors="replace").strip()
    return text or f"the server answered {status} without a body"
