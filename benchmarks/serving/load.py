"""A load generator of its own process: keep-alive connections that send prepared requests.

Run as ``python -m benchmarks.serving.load FILE``; a `Load` comes in as JSON on standard input, a
`Measured` goes as JSON into the file. Every connection sends its next request when the
answer to the last one is complete, so the load is bounded in count and in concurrency. With a rate
the requests fall due at their times whatever became of the earlier ones, and a latency counts from
there: a server that stalls is charged for everybody who would have waited.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop

__all__ = ["Load", "Measured", "generate"]


class Load(msgspec.Struct, kw_only=True):
    """Which requests to send where. Times are seconds."""

    host: str
    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    connections: int
    per_second: float | None = None


class Measured(msgspec.Struct, kw_only=True):
    """What came back: one latency, status and body per request."""

    seconds: float
    latencies_s: list[float]
    statuses: list[int]
    answers: list[str]


class _Queue:
    """Requests, each with the time at which it falls due; all at once without a rate."""

    def __init__(self, requests: list[bytes], *, per_second: float | None) -> None:
        self._requests = deque(requests)
        self._pause_s = 0.0 if per_second is None else 1.0 / per_second
        self._open = per_second is not None
        self._next_s = time.perf_counter()

    def take(self) -> tuple[bytes, float] | None:
        """The next request and since when it is due (maybe not yet); None at the end."""
        if not self._requests:
            return None
        now_s = time.perf_counter()
        due_s = self._next_s if self._open else now_s
        self._next_s = due_s + self._pause_s
        return self._requests.popleft(), due_s


class _Connection(asyncio.Protocol):
    """One keep-alive connection that takes requests from a shared queue."""

    def __init__(self, queue: _Queue, measured: Measured) -> None:
        self._queue = queue
        self._measured = measured
        self._buffer = bytearray()
        self._due_s = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._measured.latencies_s.append(time.perf_counter() - self._due_s)
        self._measured.statuses.append(int(head.split(b" ", 2)[1]))
        self._measured.answers.append(self._buffer[end + 4 : end + 4 + length].decode())
        self._buffer.clear()
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError("the server closed a connection under load"))

    def _send(self) -> None:
        taken = self._queue.take()
        if taken is None:
            if not self.done.done():
                self.done.set_result(None)
            self._transport.close()
            return
        request, self._due_s = taken
        early_s = self._due_s - time.perf_counter()
        if early_s > 0.0:
            asyncio.get_running_loop().call_later(early_s, self._send_in_time, request)
        else:
            self._transport.write(request)

    def _send_in_time(self, request: bytes) -> None:
        self._due_s = time.perf_counter()  # a timer that fires late is not the server's fault
        self._transport.write(request)


async def generate(load: Load) -> Measured:
    """Send every body once and measure."""
    requests = [_request(load, body.encode()) for body in load.bodies]
    queue = _Queue(requests, per_second=load.per_second)
    measured = Measured(seconds=0.0, latencies_s=[], statuses=[], answers=[])
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Connection(queue, measured), load.host, load.port)
        for _ in range(min(load.connections, len(load.bodies)))
    ]
    async with asyncio.timeout(300):
        await asyncio.gather(*(connection.done for _, connection in opened))
    measured.seconds = time.perf_counter() - started
    return measured


def _request(load: Load, body: bytes) -> bytes:
    lines = [
        f"POST {load.path} HTTP/1.1",
        f"Host: {load.host}:{load.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in load.headers.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def main() -> None:
    gc.disable()  # a pause of ours would be charged to the server
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    Path(sys.argv[1]).write_bytes(msgspec.json.encode(uvloop.run(generate(load))))


if __name__ == "__main__":
    main()
