"""Answers leave in one piece: a head and a body that were written apart would be two packets."""

from __future__ import annotations

import asyncio

__all__ = ["InOnePiece"]


class InOnePiece:
    """A transport that writes once per turn of the event loop: head and body leave together."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._pieces: list[bytes] = []
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes) -> None:
        """Send before the loop goes on to what it finds next."""
        if not self._pieces:
            self._call_soon(self._flush)
        self._pieces.append(data)

    def write_whole(self, data: bytes) -> None:
        """Send what nothing follows."""
        self._flush()
        self._transport.write(data)

    def write_eof(self) -> None:
        """Nothing more comes from here; what the other side still sends is read."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """When everything was sent."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():  # the client may have gone meanwhile
            self._transport.write(b"".join(pieces))
