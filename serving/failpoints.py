"""Named points at which a fault can be injected from outside: ``QBRIX_FAILPOINT=name:action[@n]``.

``action`` is ``kill`` (SIGKILL: nothing gets to say goodbye), ``pause`` (SIGSTOP, until somebody
sends SIGCONT) or ``raise``; it happens at the n-th passage (the first by default), once.
"""

from __future__ import annotations

import os
import signal
from itertools import count

__all__ = ["FailpointReached", "failpoint"]

_VARIABLE = "QBRIX_FAILPOINT"
_passages: dict[str, count[int]] = {}


class FailpointReached(Exception):
    """Raised on purpose by the action ``raise``."""


def failpoint(name: str) -> None:
    """Do nothing, unless the environment asks for a fault here."""
    wanted = os.environ.get(_VARIABLE, "")
    if not wanted.startswith(f"{name}:"):
        return
    action, _, nth = wanted.removeprefix(f"{name}:").partition("@")
    if next(_passages.setdefault(wanted, count(1))) != int(nth or 1):
        return
    if action == "raise":
        raise FailpointReached(name)
    os.kill(os.getpid(), {"kill": signal.SIGKILL, "pause": signal.SIGSTOP}[action])
