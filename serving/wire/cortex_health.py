"""Cortex's health as a protobuf message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from serving.wire.gen import common_pb2, cortex_pb2

__all__ = ["write_cortex_health"]


def write_cortex_health(*, serving: bool, shards: Iterable[Mapping[str, Any]]) -> bytes:
    """A CortexHealth; each shard has the fields of a ShardHealth, None where nothing is known."""
    status = common_pb2.HealthCheckResponse.Status
    return cortex_pb2.CortexHealth(
        status=status.SERVING if serving else status.NOT_SERVING,
        shards=[
            cortex_pb2.ShardHealth(
                **{name: value for name, value in shard.items() if value is not None}
            )
            for shard in shards
        ],
    ).SerializeToString()
