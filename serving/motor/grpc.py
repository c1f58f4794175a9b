"""Motor's gRPC service, for proxies elsewhere."""

from __future__ import annotations

from typing import Any

from serving.motor.service import Motor
from serving.wire.convert import read_queries, write_decided, write_health
from serving.wire.server import GrpcServer

__all__ = ["motor_server"]


def motor_server(motor: Motor, *, address: str) -> GrpcServer:
    """A server of ``qbrix.motor.MotorService``."""

    async def decide(request: bytes, _: Any) -> bytes:
        return write_decided(await motor.decide(read_queries(request)))

    async def health(_: bytes, __: Any) -> bytes:
        return write_health(serving=motor.follows)

    return GrpcServer(
        {"qbrix.motor.MotorService": {"Decide": decide, "Health": health}},
        address=address,
        healthy=lambda: motor.follows,
    )
