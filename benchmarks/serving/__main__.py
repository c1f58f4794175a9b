"""``python -m benchmarks.serving``: select and feedback of a fused and a split stack.

Each is measured beside a bare ASGI application (JSON in, JSON out) under the same server, by the
same load generator, in rounds that alternate between the two. Medians over the rounds are shown;
a ratio is the median of the rounds' own, so that a host that changes its speed does not bend it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.measuring import Figures, Target, bare, median, run
from serving.stack import Stack
from serving.wire.gen import common_pb2, proxy_pb2

REQUESTS = {1: 1000, 16: 4000}  # in a round, by connections
CALLS = 1000  # over gRPC
ROUNDS = 5
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
                for connections in REQUESTS:
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
        f"when it is on disk. Medians of {ROUNDS} rounds of {REQUESTS[1]} requests at one "
        f"connection and {REQUESTS[16]} at 16 ({CALLS} over gRPC), alternating with a bare ASGI "
        "application under the same server and load generator; ratios are medians of the rounds' "
        "own. Servers, generator, Postgres and Valkey share the machine, and over gRPC the "
        "generator costs as much as the server. CPU is that of the proxy (and motor when split)."
    )


def _compare(target: Target, echo: Target, experiment: str, *, connections: int) -> list[list[str]]:
    limits: list[Figures] = []
    taken: dict[str, list[Figures]] = {"select": [], "feedback": [], "select over gRPC": []}
    contexts = [
        json.dumps({"experiment_id": experiment, "context": {"id": f"user-{number}"}})
        for number in range(REQUESTS[connections])
    ]
    for _ in range(ROUNDS):
        limits.append(run(echo, "/", contexts, connections=connections)[0])
        figures, measured = run(target, "/api/v1/agent/select", contexts, connections=connections)
        taken["select"].append(figures)
        rewards = [
            json.dumps({"request_id": json.loads(answer)["request_id"], "reward": number % 2})
            for number, answer in enumerate(measured.answers)
        ]
        figures, _ = run(target, "/api/v1/agent/feedback", rewards, connections=connections)
        taken["feedback"].append(figures)
        taken["select over gRPC"].append(_call(target, experiment, connections=connections))
    rows = [_row(f"bare ASGI, {connections}", limits, limits)]
    for name, figures_of_rounds in taken.items():
        rows.append(_row(f"{target.name} {name}, {connections}", figures_of_rounds, limits))
    return rows


def _call(target: Target, experiment: str, *, connections: int) -> Figures:
    """Select over gRPC."""
    messages = [
        proxy_pb2.SelectRequest(
            experiment_id=experiment, context=common_pb2.Context(id=f"user-{number}")
        ).SerializeToString()
        for number in range(CALLS)
    ]
    bodies = [b64encode(message).decode() for message in messages]
    server = replace(target, url=target.grpc)
    path = "/qbrix.proxy.ProxyService/Select"
    return run(server, path, bodies, connections=connections, generator="grpc_load")[0]


def _row(name: str, figures: list[Figures], limits: list[Figures]) -> list[str]:
    typical = median(figures)
    paired = list(zip(figures, limits, strict=True))
    rate = statistics.median(one.per_second / limit.per_second for one, limit in paired)
    cost = statistics.median(one.cpu_us / limit.cpu_us for one, limit in paired)
    return [
        name,
        f"{typical.per_second:,.0f}",
        f"{rate:.0%}",
        f"{typical.p50_ms:.2f}",
        f"{typical.p99_ms:.2f}",
        f"{typical.cpu_us:.0f}",
        f"{cost:.1f}",
    ]


if __name__ == "__main__":
    main()
