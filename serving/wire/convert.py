"""What roles say to each other as protobuf messages ↔ our values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from google.protobuf.message import DecodeError

from qbrix.errors import InvalidParameter, NotFound, QbrixError, ShapeError, Unavailable
from serving.wire.gen import common_pb2, motor_pb2
from serving.wire.selection import Outcome, Query

__all__ = [
    "Unreadable",
    "read_answers",
    "read_health",
    "read_link",
    "read_queries",
    "write_answers",
    "write_health",
    "write_link",
    "write_queries",
]

_packed = msgspec.msgpack.Encoder().encode
_queries = msgspec.msgpack.Decoder(list[Query]).decode
_outcomes = msgspec.msgpack.Decoder(list[Outcome | None]).decode


class Unreadable(QbrixError):
    """What came is none of our messages."""


def write_queries(number: int, queries: Sequence[Query]) -> bytes:
    """A QueryGroup."""
    return motor_pb2.QueryGroup(number=number, queries=_packed(queries)).SerializeToString()


def read_queries(data: bytes) -> tuple[int, list[Query]]:
    """The number and the queries of a QueryGroup; raises Unreadable."""
    try:
        group = motor_pb2.QueryGroup.FromString(data)
        return group.number, _queries(group.queries)
    except (DecodeError, msgspec.DecodeError) as error:
        raise Unreadable(f"this is no group of queries: {error}") from None


def write_answers(number: int, answers: Sequence[Outcome | QbrixError]) -> bytes:
    """An AnswerGroup."""
    refused = {
        place: answer for place, answer in enumerate(answers) if isinstance(answer, QbrixError)
    }
    outcomes = [None if place in refused else answer for place, answer in enumerate(answers)]
    return motor_pb2.AnswerGroup(
        number=number,
        outcomes=_packed(outcomes),
        refusals={place: _refusal(error) for place, error in refused.items()},
    ).SerializeToString()


def read_answers(data: bytes) -> tuple[int, list[Outcome | QbrixError]]:
    """The number of an AnswerGroup; its outcomes and errors. Raises Unreadable."""
    try:
        group = motor_pb2.AnswerGroup.FromString(data)
        outcomes = _outcomes(group.outcomes)
    except (DecodeError, msgspec.DecodeError) as error:
        raise Unreadable(f"this is no group of answers: {error}") from None
    return group.number, [
        _error(group.refusals[place]) if outcome is None else outcome
        for place, outcome in enumerate(outcomes)
    ]


def write_link(port: int) -> bytes:
    """A LinkPlace."""
    return motor_pb2.LinkPlace(port=port).SerializeToString()


def read_link(data: bytes) -> int:
    """The port of a LinkPlace."""
    return motor_pb2.LinkPlace.FromString(data).port


def write_health(*, serving: bool) -> bytes:
    """Our own HealthCheckResponse."""
    status = common_pb2.HealthCheckResponse.Status
    return common_pb2.HealthCheckResponse(
        status=status.SERVING if serving else status.NOT_SERVING
    ).SerializeToString()


def read_health(data: bytes) -> bool:
    """Whether our own HealthCheckResponse says SERVING."""
    response = common_pb2.HealthCheckResponse.FromString(data)
    return response.status == common_pb2.HealthCheckResponse.Status.SERVING


def _refusal(error: QbrixError) -> motor_pb2.Refusal:
    if isinstance(error, NotFound):
        return motor_pb2.Refusal(kind=error.kind, detail=error.identifier)
    if isinstance(error, ShapeError):
        return motor_pb2.Refusal(kind="shape", detail=str(error))
    if isinstance(error, InvalidParameter):
        return motor_pb2.Refusal(kind="invalid", detail=str(error))
    retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else 1.0
    return motor_pb2.Refusal(kind="unavailable", detail=str(error), retry_after_s=retry_after_s)


def _error(refusal: motor_pb2.Refusal) -> QbrixError:
    if refusal.kind == "shape":
        return ShapeError(refusal.detail)
    if refusal.kind == "invalid":
        return InvalidParameter(refusal.detail)
    if refusal.kind == "unavailable":
        return Unavailable(refusal.detail, retry_after_s=refusal.retry_after_s)
    return NotFound(refusal.kind, refusal.detail)
