"""Wait until what was acknowledged has been learned."""

from __future__ import annotations

import time

from qbrix import Client, LoggedData

__all__ = ["log_with"]


def log_with(
    client: Client, experiment: str, *, rows: int, patience_s: float = 120.0
) -> LoggedData:
    """The log once it holds so many rewards and decisions, or as it is after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while True:
        log = client.log(experiment)
        if min(len(log), len(log.decisions)) >= rows or time.monotonic() > deadline:
            return log
        time.sleep(0.2)
