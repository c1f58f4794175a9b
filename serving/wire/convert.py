"""What roles say to each other as protobuf messages ↔ our values."""

from __future__ import annotations

from collections.abc import Sequence

from qbrix.errors import InvalidParameter, NotFound, QbrixError, ShapeError, Unavailable
from serving.wire.gen import common_pb2, motor_pb2
from serving.wire.selection import Outcome, Query

__all__ = [
    "read_decided",
    "read_health",
    "read_queries",
    "write_decided",
    "write_health",
    "write_queries",
]


def write_queries(queries: Sequence[Query]) -> bytes:
    """A DecideRequest."""
    return motor_pb2.DecideRequest(
        queries=[
            motor_pb2.Query(
                tenant=query.tenant,
                experiment=query.experiment,
                decision_id=query.decision_id,
                context=query.context,
                request=query.request,
            )
            for query in queries
        ]
    ).SerializeToString()


def read_queries(data: bytes) -> list[Query]:
    """The queries of a DecideRequest."""
    request = motor_pb2.DecideRequest.FromString(data)
    return [
        Query(query.tenant, query.experiment, query.decision_id, query.context, query.request)
        for query in request.queries
    ]


def write_decided(decided: Sequence[Outcome | QbrixError]) -> bytes:
    """A DecideResponse."""
    return motor_pb2.DecideResponse(
        decided=[
            motor_pb2.Decided(refusal=_refusal(item))
            if isinstance(item, QbrixError)
            else motor_pb2.Decided(outcome=_outcome(item))
            for item in decided
        ]
    ).SerializeToString()


def read_decided(data: bytes) -> list[Outcome | QbrixError]:
    """The outcomes and errors of a DecideResponse."""
    response = motor_pb2.DecideResponse.FromString(data)
    return [
        _error(item.refusal) if item.HasField("refusal") else _read_outcome(item.outcome)
        for item in response.decided
    ]


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


def _outcome(made: Outcome) -> motor_pb2.Outcome:
    return motor_pb2.Outcome(
        arm=made.arm,
        u=made.u,
        low=made.low,
        propensity=made.propensity,
        recorded=made.recorded,
        epoch=made.epoch,
        version=made.version,
        age_ms=made.age_ms,
    )


def _read_outcome(made: motor_pb2.Outcome) -> Outcome:
    return Outcome(
        made.arm,
        made.u,
        made.low,
        made.propensity,
        tuple(made.recorded),
        made.epoch,
        made.version,
        made.age_ms,
    )


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
