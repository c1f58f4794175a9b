"""A listening socket that lets nobody in any more, and resets nobody who is in already."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["close_to_newcomers"]

_SO_ATTACH_FILTER = 26  # of Linux; the module socket has no name for it
_SYN = 0x02
_NO_NEWCOMERS = struct.pack(
    "HBBI" * 4,
    *(0x30, 0, 0, 13),  # load the flags of the TCP header
    *(0x45, 0, 1, _SYN),  # somebody new?
    *(0x06, 0, 0, 0),  # drop it: the system on the other side asks again, after we have gone
    *(0x06, 0, 0, 0xFFFFFFFF),  # everybody else: take all of it
)


def close_to_newcomers(listener: socket.socket) -> None:
    """Who knocks from now on is not heard; who stands in the queue can still be taken in.

    Elsewhere than on Linux the queue is only made as short as it can be: one may slip in.
    """
    if sys.platform == "linux":
        program = ctypes.create_string_buffer(_NO_NEWCOMERS, len(_NO_NEWCOMERS))
        points_at_it = struct.pack("HP", len(_NO_NEWCOMERS) // 8, ctypes.addressof(program))
        with suppress(OSError):  # a system that does not allow filters
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, points_at_it)
            return
    listener.listen(0)
