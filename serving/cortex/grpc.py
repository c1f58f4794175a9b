"""Cortex's gRPC service: how it does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from serving.cortex.service import Cortex
from serving.wire.cortex_health import write_cortex_health
from serving.wire.server import GrpcServer

__all__ = ["cortex_server"]


def cortex_server(cortex: Cortex, *, address: str) -> GrpcServer:
    """A server of ``qbrix.cortex.CortexService``."""

    async def health(_: bytes, __: Any) -> bytes:
        shards = [asdict(one) for one in cortex.vitals.shards]
        return write_cortex_health(serving=cortex.healthy, shards=shards)

    return GrpcServer(
        {"qbrix.cortex.CortexService": {"Health": health}},
        address=address,
        healthy=lambda: cortex.healthy,
    )
