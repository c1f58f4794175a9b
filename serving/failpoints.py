"""Named points at which a fault can be injected from outside: ``QBRIX_FAILPOINT=name:action[@n]``.

``action`` is ``kill`` (SIGKILL: nothing gets to say goodbye), ``pause`` (SIGSTOP, until somebody
sends SIGCONT) or ``raise``; it happens at the n-th passage (the first by default), once. The
environment is read when a process starts: without a wish, a point is an empty look-up.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qbrix.errors import InvalidParameter

__all__ = ["FailpointReached", "armed", "failpoint"]

_VARIABLE = "QBRIX_FAILPOINT"


class FailpointReached(Exception):
    """Raised on purpose by the action ``raise``."""


def failpoint(name: str) -> None:
    """Do nothing, unless a fault was asked for here."""
    if name in _armed:
        _armed[name]()


@contextmanager
def armed(wish: str) -> Iterator[None]:
    """A wish of a test, in its own process."""
    name, fault = _read(wish)
    _armed[name] = fault
    try:
        yield
    finally:
        del _armed[name]


def _read(wish: str) -> tuple[str, Callable[[], None]]:
    name, _, what = wish.partition(":")
    action, _, nth = what.partition("@")
    if action not in _ACTIONS or not (nth or "1").isdecimal():
        raise InvalidParameter(
            f"{_VARIABLE}={wish!r} is no failpoint; "
            f"expected name:action or name:action@n with an action of {', '.join(_ACTIONS)}"
        )
    left = int(nth or 1)

    def pass_by() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _ACTIONS[action](name)

    return name, pass_by


def _raise(name: str) -> None:
    raise FailpointReached(name)


_ACTIONS: dict[str, Callable[[str], None]] = {
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "pause": lambda _: os.kill(os.getpid(), signal.SIGSTOP),
    "raise": _raise,
}
_armed = dict([_read(os.environ[_VARIABLE])] if os.environ.get(_VARIABLE) else [])
