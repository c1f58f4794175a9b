"""What a process has used so far, as the system tells it."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpu_s", "memory_mb"]


def cpu_s(*pids: int) -> float:
    """User and system time of the processes; 0 where /proc does not tell."""
    total = 0.0
    for pid in pids:
        path = Path(f"/proc/{pid}/stat")
        if path.exists():
            fields = path.read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory_mb(pid: int) -> float:
    """Resident memory; 0 where /proc does not tell."""
    path = Path(f"/proc/{pid}/statm")
    if not path.exists():
        return 0.0
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
