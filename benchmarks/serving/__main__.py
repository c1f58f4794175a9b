"""``python -m benchmarks.serving``: select and feedback of a fused and a split stack.

Each is measured beside a bare ASGI application (JSON in, JSON out) under the same server, by the
same load generator, in rounds that alternate between the two; medians over the rounds are shown.
"""

from __future__ import annotations

import json
import tempfile
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.measuring import Figures, Target, bare, median, run
from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2

REQUESTS = 1000
ROUNDS = 3
CONNECTIONS = (1, 16)
ARMS = [f"arm-{index}" for index in range(10)]


def main() -> None:
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory() as directory, bare() as echo:
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
    select, feedback, limits, calls = [], [], [], []
    contexts = [
        json.dumps({"experiment_id": experiment, "context": {"id": f"user-{number}"}})
        for number in range(REQUESTS)
    ]
    for _ in range(ROUNDS):
        limits.append(run(echo, "/", contexts, connections=connections)[0])
        figures, measured = run(target, "/api/v1/agent/select", contexts, connections=connections)
        select.append(figures)
        rewards = [
            json.dumps({"request_id": json.loads(answer)["request_id"], "reward": number % 2})
            for number, answer in enumerate(measured.answers)
        ]
        feedback.append(run(target, "/api/v1/agent/feedback", rewards, connections=connections)[0])
        calls.append(_call(target, experiment, connections=connections))
    limit = median(limits)
    return [
        _row(f"bare ASGI, {connections}", limit, limit),
        _row(f"{target.name} select, {connections}", median(select), limit),
        _row(f"{target.name} feedback, {connections}", median(feedback), limit),
        _row(f"{target.name} select over gRPC, {connections}", median(calls), limit),
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
    return run(server, path, bodies, connections=connections, generator="grpc_load")[0]


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


if __name__ == "__main__":
    main()
