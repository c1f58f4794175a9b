"""Commands and roles as processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


def qbrix(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "serving.cli", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def role(name: str, *flags: str, environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """A role that is ready; asked to go afterwards, and it must go well."""
    log = Path(environment["QBRIX_RUN_DIR"]) / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.cli", name, *flags],
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _ready(name, process, environment, log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def _ready(
    name: str, process: subprocess.Popen[bytes], environment: Mapping[str, str], log: Path
) -> dict[str, Any]:
    file = Path(environment["QBRIX_RUN_DIR"]) / f"{name}.ready"
    ends = time.monotonic() + PATIENCE_S
    while not file.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ends, log.read_text()
        time.sleep(0.02)
    said: dict[str, Any] = json.loads(file.read_text())
    assert said["pid"] == process.pid
    return said
