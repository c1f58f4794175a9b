"""A refusal as gRPC tells it."""

from __future__ import annotations

from typing import Any, NoReturn

import grpc

from serving.errors import Answer

__all__ = ["abort"]

_LONGEST = 1000  # characters of a detail; what a client sent may stand in it


async def abort(context: Any, answer: Answer, *, request_id: str | None = None) -> NoReturn:
    """End the call with the answer's status; the wire's word and when to retry trail behind."""
    trailing = [("qbrix-code", answer.code)]
    if request_id is not None:
        trailing.append(("x-request-id", request_id))
    trailing += [(name.lower(), value) for name, value in answer.headers().items()]
    await context.abort(grpc.StatusCode[answer.grpc], answer.detail[:_LONGEST], tuple(trailing))
    raise AssertionError("abort returns to nobody")
