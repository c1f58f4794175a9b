"""Motor's gRPC service, for proxies elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from qbrix.errors import NotFound, QbrixError, Unavailable
from serving.motor.deciding import Answer
from serving.motor.service import Motor
from serving.wire.convert import read_queries, write_answers, write_health
from serving.wire.server import GrpcServer

__all__ = ["motor_server"]


def motor_server(motor: Motor, *, address: str) -> GrpcServer:
    """A server of ``qbrix.motor.MotorService``."""
    metrics = motor.metrics

    async def decide(request: bytes, _: Any) -> bytes:
        began_s = time.perf_counter()
        number, queries = read_queries(request)
        answers = await motor.decide(queries)
        written = write_answers(number, answers)
        for result, count in Counter(map(_result, answers)).items():
            metrics.answers.add_many(count, result)
        metrics.call_queries.observe(len(answers))
        metrics.call_s.observe(time.perf_counter() - began_s)
        return written

    async def health(_: bytes, __: Any) -> bytes:
        return write_health(serving=motor.follows)

    return GrpcServer(
        {"qbrix.motor.MotorService": {"Health": health}},
        streams={"qbrix.motor.MotorService": {"DecideGroups": decide}},
        address=address,
        healthy=lambda: motor.follows,
    )


def _result(answer: Answer) -> str:
    if not isinstance(answer, QbrixError):
        return "decided"
    if isinstance(answer, NotFound):
        return "not_found"
    return "unavailable" if isinstance(answer, Unavailable) else "refused"
