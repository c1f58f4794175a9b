"""``python -m tests.faults.clock ROLE``: a role whose wall clock steps when a file says so.

What is shifted is `time.time` and `time.time_ns` of this process, which is where every role reads
the time of day; the clocks of the servers and the monotonic clock stay right. The file holds JSON:
seconds ahead by the name of the process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

__all__ = ["FILE", "NAME", "shift"]

FILE, NAME = "QBRIX_TEST_CLOCK_FILE", "QBRIX_TEST_CLOCK_NAME"
_LOOK_S = 0.05


def shift() -> None:
    """Put a clock that can be stepped in the place of the system's."""
    path, name = Path(os.environ[FILE]), os.environ[NAME]
    right = time.time_ns
    looked_s, ahead_ns = 0.0, 0

    def time_ns() -> int:
        nonlocal looked_s, ahead_ns
        if time.monotonic() - looked_s > _LOOK_S:
            looked_s = time.monotonic()
            said = json.loads(path.read_text("ascii")) if path.exists() else {}
            ahead_ns = round(said.get(name, 0.0) * 1e9)
        return right() + ahead_ns

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


if __name__ == "__main__":
    shift()
    from serving.cli import main

    sys.exit(main())
