"""Random bytes for nonces and ids, fetched from the system a few hundred at a time."""

from __future__ import annotations

import os

__all__ = ["Entropy"]

_FETCHED = 4096


class Entropy:
    """Every byte is given out once. Not to be shared with a forked child, which would repeat it."""

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def take(self, count: int) -> bytes:
        """``count`` bytes that nobody else gets; at most 4096."""
        start = self._used
        end = start + count
        if end > len(self._bytes):
            self._bytes, start, end = os.urandom(_FETCHED), 0, count
        self._used = end
        return self._bytes[start:end]
