"""Processes whose supervisor was killed before it could end them.

On Linux the system ends them by itself (see launcher); this sees to the last moments there, and
to the whole of it elsewhere.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import time
from pathlib import Path
from typing import Literal

__all__ = ["Outcome", "end_orphan"]

POLL_S = 0.02

Outcome = Literal["gone", "stranger"]


def end_orphan(pid: int, *, mark: str, steps: tuple[tuple[signal.Signals, float], ...]) -> Outcome:
    """End the process if ``mark`` stands in its command line; a recycled number is a stranger's."""
    for number, patience_s in (*steps, (signal.SIGKILL, 10.0)):
        if not _is_alive(pid):
            return "gone"
        if mark not in _command_line(pid):
            return "stranger"
        os.kill(pid, number)
        deadline = time.monotonic() + patience_s
        while _is_alive(pid) and time.monotonic() < deadline:
            time.sleep(POLL_S)
    return "gone"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _command_line(pid: int) -> str:
    """Its words with spaces between; empty for what has ended and only waits to be counted."""
    if platform.system() == "Linux":
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return ""
        return words.replace(b"\0", b" ").decode("utf-8", "replace")
    listing = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout
