"""HTTP for those who watch a role that has no HTTP of its own: /livez, /readyz and /metrics.

One request a connection, no body, a bounded head: nothing here can be kept busy for long.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from serving.readiness import Readiness
from serving.wire.listening import having_port

__all__ = ["ProbeServer"]

_HEAD_LIMIT_BYTES = 16 << 10
_PATIENCE_S = 5.0
_JSON, _TEXT = "application/json", "text/plain; version=0.0.4; charset=utf-8"


class ProbeServer:
    """Answers until it is stopped; from `leave` on it says that no traffic should come."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        readiness: Callable[[], Readiness],
        expose: Callable[[], bytes],
    ) -> None:
        self._host, self._port = host, port
        self._readiness = readiness
        self._expose = expose
        self._leaving = False
        self._server: asyncio.Server | None = None
        self._served: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Begin to answer; the port, chosen by the system when 0 was asked for."""
        with having_port("answer probes", host=self._host, port=self._port):
            self._server = await asyncio.start_server(
                self._begin, self._host, self._port, limit=_HEAD_LIMIT_BYTES
            )
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def leave(self) -> None:
        """Not ready from now on."""
        self._leaving = True

    async def stop(self) -> None:
        """Finish the answers under way and go."""
        if self._server is not None:
            self._server.close()
        if self._served:
            await asyncio.wait(self._served, timeout=_PATIENCE_S)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
        if method not in (b"GET", b"HEAD"):
            return _response(
                405, _error("METHOD_NOT_ALLOWED", "ask with GET"), more="allow: GET, HEAD\r\n"
            )
        status, body, kind = self._found(path)
        whole = _response(status, body, kind=kind)
        return whole if method == b"GET" else whole[: len(whole) - len(body)]

    def _found(self, path: str) -> tuple[int, bytes, str]:
        if path == "/livez":
            return 200, _encoded({"status": "alive"}), _JSON
        if path == "/readyz":
            readiness = self._readiness()
            ready = readiness.ready and not self._leaving
            body = readiness.body() | ({"status": "draining"} if self._leaving else {})
            return 200 if ready else 503, _encoded(body), _JSON
        if path == "/metrics":
            return 200, self._expose(), _TEXT
        known = "this port answers /livez, /readyz and /metrics"
        return 404, _error("NOT_FOUND", known), _JSON


def _response(status: int, body: bytes, *, kind: str = _JSON, more: str = "") -> bytes:
    again = "retry-after: 1\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n{more}{again}connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def _error(code: str, detail: str) -> bytes:
    return _encoded({"code": code, "detail": detail})


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()
