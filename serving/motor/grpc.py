"""What a motor offers to proxies elsewhere: gRPC, and a link that costs both sides less."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any

from qbrix.errors import NotFound, QbrixError, Unavailable
from serving.motor.deciding import Answer
from serving.motor.service import Motor
from serving.wire.convert import read_queries, write_answers, write_health, write_link
from serving.wire.link_server import LinkServer
from serving.wire.server import GrpcServer

__all__ = ["MotorServer"]


class MotorServer:
    """Serves ``qbrix.motor.MotorService``, and its groups on the link as well."""

    def __init__(self, motor: Motor, *, host: str, grpc_port: int, link_port: int = 0) -> None:
        self._motor = motor
        self._leaving = False
        self._link = LinkServer(self._answer, host=host, port=link_port)
        self._link_port = 0
        self._grpc = GrpcServer(
            {"qbrix.motor.MotorService": {"Link": self._where, "Health": self._health}},
            streams={"qbrix.motor.MotorService": {"DecideGroups": self._decide}},
            address=f"{host}:{grpc_port}",
            healthy=lambda: motor.follows,
        )

    async def start(self) -> dict[str, int]:
        """Begin to serve; the ports."""
        self._link_port = await self._link.start()
        return {"link": self._link_port, "grpc": await self._grpc.start()}

    async def stop(self, *, grace_s: float) -> None:
        """Answer whoever was let in, and go."""
        self._leaving = True
        await self._link.stop(grace_s=grace_s)
        await self._grpc.stop(grace_s=grace_s)

    def _answer(self, message: bytes) -> bytes | Coroutine[Any, Any, bytes]:
        """At once, if every state that is asked for is in memory."""
        began_s = time.perf_counter()
        number, queries = read_queries(message)
        answers = self._motor.decide_at_hand(queries)
        if answers is None:
            return self._later(number, queries, began_s=began_s)
        return self._written(number, answers, began_s=began_s)

    async def _decide(self, message: bytes, _: Any) -> bytes:
        answer = self._answer(message)
        return answer if isinstance(answer, bytes) else await answer

    async def _later(self, number: int, queries: list[Any], *, began_s: float) -> bytes:
        return self._written(number, await self._motor.decide(queries), began_s=began_s)

    def _written(self, number: int, answers: Sequence[Answer], *, began_s: float) -> bytes:
        metrics = self._motor.metrics
        written = write_answers(number, answers)
        for result, count in Counter(map(_result, answers)).items():
            metrics.answers.add_many(count, result)
        metrics.call_queries.observe(len(answers))
        metrics.call_s.observe(time.perf_counter() - began_s)
        return written

    async def _where(self, _: bytes, __: Any) -> bytes:
        return write_link(self._link_port)

    async def _health(self, _: bytes, __: Any) -> bytes:
        return write_health(serving=self._motor.follows and not self._leaving)


def _result(answer: Answer) -> str:
    if not isinstance(answer, QbrixError):
        return "decided"
    if isinstance(answer, NotFound):
        return "not_found"
    return "unavailable" if isinstance(answer, Unavailable) else "refused"
