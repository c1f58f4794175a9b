"""A served URL under load: requests a second, latencies, processor time."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np

from benchmarks.serving.load import Load, Measured
from benchmarks.serving.processes import cpu_s
from serving.stack.child import ANSWERS, launch_command

__all__ = ["Figures", "Target", "bare", "median", "run"]

WAIT_S = 20.0
GENERATES = -10  # niceness: its own waiting for a processor would be charged to the server


@dataclass(frozen=True, kw_only=True)
class Target:
    """A served URL with the processes whose CPU time counts."""

    name: str
    url: str
    headers: dict[str, str]
    pids: tuple[int, ...]
    grpc: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One load against one target."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def run(
    target: Target,
    path: str,
    bodies: list[str],
    *,
    connections: int,
    generator: str = "load",
    per_second: float | None = None,
) -> tuple[Figures, Measured]:
    """Send every body once; raises RuntimeError when one is refused."""
    address = urlsplit(target.url)
    assert address.hostname is not None
    assert address.port is not None
    load = Load(
        host=address.hostname,
        port=address.port,
        path=path,
        headers=target.headers,
        bodies=bodies,
        connections=connections,
        per_second=per_second,
    )
    before_s = cpu_s(*target.pids)
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-m", f"benchmarks.serving.{generator}", file.name]
        subprocess.run(
            launch_command(command, niceness=GENERATES),
            input=msgspec.json.encode(load),
            check=True,
            start_new_session=True,
        )
        used_s = cpu_s(*target.pids) - before_s
        measured = msgspec.json.decode(Path(file.name).read_bytes(), type=Measured)
    refused = [status for status in measured.statuses if status not in (200, 201)]
    if refused:
        raise RuntimeError(f"{len(refused)} requests to {path} were refused: {set(refused)}")
    p50, p99 = np.percentile(1000.0 * np.array(measured.latencies_s), [50, 99])
    figures = Figures(
        per_second=len(bodies) / measured.seconds,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_us=1e6 * used_s / len(bodies),
    )
    return figures, measured


def median(figures: list[Figures]) -> Figures:
    """Each figure's median."""
    return Figures(
        per_second=statistics.median(one.per_second for one in figures),
        p50_ms=statistics.median(one.p50_ms for one in figures),
        p99_ms=statistics.median(one.p99_ms for one in figures),
        cpu_us=statistics.median(one.cpu_us for one in figures),
    )


@contextmanager
def bare() -> Iterator[Target]:
    """The bare application, served by a process of its own, with a proxy's priority."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.serving.echo", str(port)]
    process = subprocess.Popen(launch_command(command, niceness=ANSWERS), start_new_session=True)
    try:
        _wait_for(port)
        yield Target(name="bare", url=f"http://127.0.0.1:{port}", headers={}, pids=(process.pid,))
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
