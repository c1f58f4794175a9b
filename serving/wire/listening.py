"""Ports that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qbrix.errors import Unavailable

__all__ = ["having_port"]


@contextmanager
def having_port(what: str, *, host: str, port: int, setting: str = "") -> Iterator[None]:
    """Listen inside; raises Unavailable, which says for what, where, and what to change."""
    try:
        yield
    except OSError as error:
        change = f" ({setting})" if setting else ""
        raise Unavailable(
            f"cannot {what} on {host}:{port}: {error.strerror}; "
            f"free the port or choose another{change}"
        ) from None
