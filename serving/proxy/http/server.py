"""An HTTP server inside our event loop that goes without resetting anybody."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from serving.proxy.http.connections import Connection, Part
from serving.proxy.http.door import close_to_newcomers
from serving.proxy.http.patience import Patience
from serving.settings import ProxySettings
from serving.wire.listening import having_port

__all__ = ["HttpServer"]

_KEEP_ALIVE_S = 75
_LAST_IN_S = 0.05
_LOOK_S = 1.0
_POLL_S = 0.01
_FAREWELL_TURNS = 50  # half a second; counted, since a busy machine passes time without any turn


class _Server(uvicorn.Server):
    """Leaves signals to whoever owns the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an application on one port."""

    def __init__(self, app: ASGIApp, settings: ProxySettings) -> None:
        self._settings = settings
        self._server = _Server(
            uvicorn.Config(
                app,
                interface="asgi3",
                loop="none",
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=round(settings.drain_s),
            )
        )
        self._listener: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Begin to serve; the port, chosen by the system when 0 was asked for."""
        listener = self._listener = _listen(self._settings)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(_POLL_S)
        self._watching = asyncio.create_task(self._watch())
        port: int = listener.getsockname()[1]
        return port

    async def stop(self) -> None:
        """Let clients leave (answers tell them to by now), then finish what is under way.

        Nobody new is let in meanwhile: who connects all the time would be cut off in the end.
        """
        if self._serving is None:
            return
        await self._close_door()
        for _ in range(_FAREWELL_TURNS):
            if not self._server.server_state.connections:
                break
            await asyncio.sleep(_POLL_S)
        self._server.should_exit = True
        await self._serving
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        limits_s: dict[Part, float] = {
            "greeting": _KEEP_ALIVE_S,
            "head": self._settings.head_deadline_s,
            "body": self._settings.body_deadline_s,
            "next": _KEEP_ALIVE_S,
        }
        patience = Patience(limits_s=limits_s)
        while True:
            await asyncio.sleep(min(_LOOK_S, *(limit_s / 4 for limit_s in limits_s.values())))
            patience.look(self._server.server_state.connections)

    async def _close_door(self) -> None:
        """Take in who stands before it first; closing resets whoever is not accepted yet."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        close_to_newcomers(listener)
        await asyncio.sleep(_LAST_IN_S)
        for listening in self._server.servers:
            listening.close()


def _listen(settings: ProxySettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named, or asyncio would not switch off Nagle's algorithm: answers then wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if settings.reuse_port:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = settings.host, settings.http_port
    with contextlib.ExitStack() as failing:
        failing.callback(listener.close)
        with having_port("serve", host=host, port=port, setting="PROXY_HTTP_PORT"):
            listener.bind((host, port))
        failing.pop_all()
    listener.setblocking(False)
    return listener
