"""``python -m benchmarks.serving``: select and feedback of a fused and a split stack.

Each is measured beside a bare ASGI application (JSON in, JSON out) under the same server, by the
same load generator, in rounds that alternate between the two; medians over the rounds are shown.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import numpy as np

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.load import Load, Measured
from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2

REQUESTS = 1000
ROUNDS = 3
CONNECTIONS = (1, 16)
ARMS = [f"arm-{index}" for index in range(10)]
WAIT_S = 20.0


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


def main() -> None:
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as directory, _echo() as echo:
        for split in (False, True):
            name = "split" if split else "fused"
            with Stack(Path(directory) / name, split=split) as stack, stack.client() as client:
                pool = client.create_pool("arms", ARMS)
                experiment = client.create_experiment("bench", pool=pool.id, policy="BetaTSPolicy")
                roles = ("proxy", "motor") if split else ("proxy",)
                pids = tuple(pid for role in roles if (pid := stack.pid(role)) is not None)
                target = Target(
                    name=name,
                    url=stack.url,
                    headers={"X-API-Key": stack.api_key},
                    pids=pids,
                    grpc=f"http://{stack.grpc_address}",
                )
                for connections in CONNECTIONS:
                    rows += _compare(target, echo, experiment.id, connections=connections)
    header = [
        "what, connections",
        "requests/s",
        "of bare",
        "p50 ms",
        "p99 ms",
        "CPU µs/request",
        "× bare",
    ]
    table = markdown_table(header, rows)
    print(table)
    write_section(
        "serving",
        title="Serving: requests per second and latency",
        command="python -m benchmarks.serving",
        body=f"{_explained()}\n\n{table}",
    )


def _explained() -> str:
    return (
        f"BetaTS, K = 10, authenticated, tokens sealed, decision log written; feedback answers "
        f"when it is on disk. Medians of {ROUNDS} rounds of {REQUESTS} requests, alternating with "
        "a bare ASGI application under the same server and load generator; servers, generator, "
        "Postgres and Valkey share the machine, and over gRPC the generator costs as much as the "
        "server. CPU is that of the proxy (and motor when split)."
    )


def _compare(target: Target, echo: Target, experiment: str, *, connections: int) -> list[list[str]]:
    select, feedback, bare, calls = [], [], [], []
    contexts = [
        json.dumps({"experiment_id": experiment, "context": {"id": f"user-{number}"}})
        for number in range(REQUESTS)
    ]
    for _ in range(ROUNDS):
        bare.append(_run(echo, "/", contexts, connections=connections)[0])
        figures, measured = _run(target, "/api/v1/agent/select", contexts, connections=connections)
        select.append(figures)
        rewards = [
            json.dumps({"request_id": json.loads(answer)["request_id"], "reward": number % 2})
            for number, answer in enumerate(measured.answers)
        ]
        feedback.append(_run(target, "/api/v1/agent/feedback", rewards, connections=connections)[0])
        calls.append(_call(target, experiment, connections=connections))
    limit = _median(bare)
    return [
        _row(f"bare ASGI, {connections}", limit, limit),
        _row(f"{target.name} select, {connections}", _median(select), limit),
        _row(f"{target.name} feedback, {connections}", _median(feedback), limit),
        _row(f"{target.name} select over gRPC, {connections}", _median(calls), limit),
    ]


def _call(target: Target, experiment: str, *, connections: int) -> Figures:
    """Select over gRPC."""
    messages = [
        proxy_pb2.SelectRequest(
            experiment_id=experiment, context=common_pb2.Context(id=f"user-{number}")
        ).SerializeToString()
        for number in range(REQUESTS)
    ]
    bodies = [b64encode(message).decode() for message in messages]
    server = replace(target, url=target.grpc)
    path = "/qbrix.proxy.ProxyService/Select"
    return _run(server, path, bodies, connections=connections, generator="grpc_load")[0]


def _run(
    target: Target, path: str, bodies: list[str], *, connections: int, generator: str = "load"
) -> tuple[Figures, Measured]:
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
    )
    before = _cpu_s(target.pids)
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(
            [sys.executable, "-m", f"benchmarks.serving.{generator}", file.name],
            input=msgspec.json.encode(load),
            check=True,
        )
        cpu_s = _cpu_s(target.pids) - before
        measured = msgspec.json.decode(Path(file.name).read_bytes(), type=Measured)
    refused = [status for status in measured.statuses if status not in (200, 201)]
    if refused:
        raise RuntimeError(f"{len(refused)} requests to {path} were refused: {set(refused)}")
    p50, p99 = np.percentile(1000.0 * np.array(measured.latencies_s), [50, 99])
    figures = Figures(
        per_second=len(bodies) / measured.seconds,
        p50_ms=float(p50),
        p99_ms=float(p99),
        cpu_us=1e6 * cpu_s / len(bodies),
    )
    return figures, measured


def _median(figures: list[Figures]) -> Figures:
    return Figures(
        per_second=statistics.median(one.per_second for one in figures),
        p50_ms=statistics.median(one.p50_ms for one in figures),
        p99_ms=statistics.median(one.p99_ms for one in figures),
        cpu_us=statistics.median(one.cpu_us for one in figures),
    )


def _row(name: str, figures: Figures, limit: Figures) -> list[str]:
    return [
        name,
        f"{figures.per_second:,.0f}",
        f"{figures.per_second / limit.per_second:.0%}",
        f"{figures.p50_ms:.2f}",
        f"{figures.p99_ms:.2f}",
        f"{figures.cpu_us:.0f}",
        f"{figures.cpu_us / limit.cpu_us:.1f}" if limit.cpu_us else "",
    ]


def _cpu_s(pids: tuple[int, ...]) -> float:
    """User and system time of the processes so far; 0 where /proc does not tell."""
    total = 0.0
    for pid in pids:
        path = Path(f"/proc/{pid}/stat")
        if path.exists():
            fields = path.read_text().rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


@contextmanager
def _echo() -> Iterator[Target]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.serving.echo", str(port)])
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


if __name__ == "__main__":
    main()
