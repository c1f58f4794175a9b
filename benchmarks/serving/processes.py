"""What a process has used so far, as the system tells it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["cpu_s", "memory_mb"]


def cpu_s(*pids: int) -> float:
    """Processor time of the threads of these processes; 0 where /proc does not tell.

    To the nanosecond, unlike ``/proc/<pid>/stat``, which counts in hundredths of a second.
    """
    used_ns = 0
    for pid in pids:
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that just ended
                used_ns += int(path.read_text().split()[0])
    return used_ns / 1e9


def memory_mb(pid: int) -> float:
    """Resident memory; 0 where /proc does not tell."""
    path = Path(f"/proc/{pid}/statm")
    if not path.exists():
        return 0.0
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
