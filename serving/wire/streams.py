"""Methods that answer message by message, on streams that stay open until the server leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

__all__ = ["Method", "Streams"]

Method = Callable[[bytes, Any], Awaitable[bytes]]


class Streams:
    """The streams of a server; each message is answered as soon as it can be, in any order."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Task[None]] = set()

    def handler(self, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Of a method that answers one message."""

        async def stream(messages: AsyncIterator[bytes], context: Any) -> None:
            turn = asyncio.Lock()

            async def answer(message: bytes) -> None:
                answered = await method(message, context)
                async with turn:
                    await context.write(answered)

            async def read() -> None:
                async for message in messages:
                    tasks.create_task(answer(message))

            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(read())
                self._readers.add(reader)
                reader.add_done_callback(self._readers.discard)

        return grpc.stream_stream_rpc_method_handler(stream)

    def end(self) -> None:
        """Read no further; what was read is answered, then the streams end."""
        for reader in self._readers:
            reader.cancel()
