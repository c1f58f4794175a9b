"""The load generator over gRPC: calls of prepared messages on one channel.

Run as ``python -m benchmarks.serving.grpc_load FILE``; a `Load` comes in as JSON on standard
input, a `Measured` goes as JSON into the file. Bodies and answers are messages in base64;
``connections`` is how many calls are under way at a time.
"""

from __future__ import annotations

import asyncio
import sys
import time
from base64 import b64decode, b64encode
from collections import deque
from pathlib import Path
from typing import Any

import grpc
import msgspec
import uvloop

from benchmarks.serving.load import Load, Measured

__all__ = ["generate"]


async def generate(load: Load) -> Measured:
    """Send every message once and measure."""
    queue = deque(b64decode(body) for body in load.bodies)
    measured = Measured(seconds=0.0, latencies_s=[], statuses=[], answers=[])
    metadata = tuple((name.lower(), value) for name, value in load.headers.items())
    async with grpc.aio.insecure_channel(f"{load.host}:{load.port}") as channel:
        await channel.channel_ready()
        call: Any = channel.unary_unary(load.path)

        async def send() -> None:
            while queue:
                message = queue.popleft()
                sent_at = time.perf_counter()
                answer = await call(message, metadata=metadata, timeout=60)
                measured.latencies_s.append(time.perf_counter() - sent_at)
                measured.statuses.append(200)
                measured.answers.append(b64encode(answer).decode())

        started = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(load.connections)))
        measured.seconds = time.perf_counter() - started
    return measured


if __name__ == "__main__":
    read = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(uvloop.run(generate(read))))
