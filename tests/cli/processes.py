"""Commands and roles as processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, until


def qbrix(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "serving.cli", *arguments],
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
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
    until(lambda: file.exists() or process.poll() is not None, evidence=log.read_text)
    assert process.poll() is None, log.read_text()
    said: dict[str, Any] = json.loads(file.read_text())
    assert said["pid"] == process.pid
    return said
