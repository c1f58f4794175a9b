"""``python -m benchmarks.serving.endurance``: memory over two million decisions; restarts.

Memory is resident memory. The slope is fitted to the second million: during the first one buffers
grow to the size of the largest backlog that they meet, and the allocator keeps what it once had.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.measuring import Target, run
from benchmarks.serving.processes import memory_mb
from qbrix.client import Client
from qbrix.errors import QbrixError
from serving.stack import Stack

ARMS = [f"arm-{index}" for index in range(10)]
DECISIONS, TOGETHER, LOOKS = 2_000_000, 1000, 40
EXPERIMENTS = 1000
ROLES = ("proxy", "cortex")
DEADLINE_S = 60.0


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory)) as stack,
        stack.client() as client,
    ):
        pool = client.create_pool("arms", ARMS).id
        asked = [_experiment(client, pool, 0)]
        looks = _looks(stack, asked[0])
        asked += [_experiment(client, pool, index) for index in range(1, EXPERIMENTS)]
        _select_each(stack, asked)
        many = {role: _memory(stack, role) for role in ROLES}
        starts = {role: _restarted_s(stack, client, role) for role in ROLES}
    rows = []
    for role in ROLES:
        memory = np.array(looks[role])
        settled = memory[len(memory) // 2 :]
        slope = np.polyfit(np.arange(len(settled)), settled, 1)[0] * LOOKS * 1e6 / DECISIONS
        rows.append(
            [
                role,
                f"{memory[0]:.0f}",
                f"{settled[0]:.0f}",
                f"{memory[-1]:.0f}",
                f"{slope:+.1f}",
                f"{many[role]:.0f}",
                f"{starts[role]:.1f}",
            ]
        )
    header = [
        "role",
        "MB at the start",
        f"after {DECISIONS // 2:,} decisions",
        f"after {DECISIONS:,}",
        "slope of the second half, MB per million",
        f"with {EXPERIMENTS:,} experiments",
        "killed → serving, s",
    ]
    table = markdown_table(header, rows)
    print(table)
    write_section(
        "endurance",
        title="Memory and starts of the roles",
        command="python -m benchmarks.serving.endurance",
        body="Fused; every decision is logged and archived. The restart is the supervisor's, after "
        f"kill -9, until a select is answered (proxy) or a reward is learned (cortex).\n\n{table}",
    )


def _experiment(client: Client, pool: str, index: int) -> str:
    return client.create_experiment(f"e{index}", pool=pool, policy="BetaTSPolicy").id


def _target(stack: Stack) -> Target:
    return Target(name="proxy", url=stack.url, headers={"X-API-Key": stack.api_key}, pids=())


def _looks(stack: Stack, experiment: str) -> dict[str, list[float]]:
    """Memory of each role, again and again while decisions are made."""
    contexts = [{"id": f"user-{index}"} for index in range(TOGETHER)]
    body = json.dumps({"experiment_id": experiment, "contexts": contexts})
    looks: dict[str, list[float]] = {role: [] for role in ROLES}
    for _ in range(LOOKS):
        bodies = [body] * (DECISIONS // TOGETHER // LOOKS)
        run(_target(stack), "/api/v1/agent/select/batch", bodies, connections=2)
        for role in ROLES:
            looks[role].append(_memory(stack, role))
    return looks


def _select_each(stack: Stack, experiments: list[str]) -> None:
    bodies = [json.dumps({"experiment_id": one, "context": {"id": "u"}}) for one in experiments]
    run(_target(stack), "/api/v1/agent/select", bodies, connections=4)


def _memory(stack: Stack, role: str) -> float:
    pid = stack.pid(role)
    assert pid is not None
    return memory_mb(pid)


def _restarted_s(stack: Stack, client: Client, role: str) -> float:
    experiment = client.experiments()[0].id
    made = client.select(experiment)
    stack.kill(role)
    started_s = time.perf_counter()
    if role == "cortex":
        client.feedback(made.request_id, 1.0)
    while time.perf_counter() - started_s < DEADLINE_S:
        try:
            answer = client.select(experiment)
        except QbrixError:
            answer = None
        if answer and (role == "proxy" or answer.state_version != made.state_version):
            return time.perf_counter() - started_s
        time.sleep(0.005)
    raise TimeoutError(f"{role} does not serve {DEADLINE_S} s after kill -9")


if __name__ == "__main__":
    main()
