"""``python -m benchmarks.serving.starting``: from the start of a role's process until it is ready.

The roles are started with the command of a stack, one after the other, beside embedded Postgres and
Valkey and the roles before them. In every round the limit is measured too: a bare Python that
imports what any such role needs, and ends.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from benchmarks.results import markdown_table, write_section
from benchmarks.serving.processes import cpu_s
from serving.stack.folders import Folders
from serving.stack.roles import Plan, choose_ports, make_secrets, migrate, port_names
from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.stack.supervisor import Role

ROUNDS = 5
BAR_S = 2.0
DEADLINE_S = 60.0
POLL_S = 0.001
BARE = "import fastapi, grpc, numpy, asyncpg, redis"

Spent = tuple[float, float]


def main() -> int:
    """Measure, print, and write the table; 1 when a role takes longer than the bar."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as servers:
        folder = Path(directory)
        postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
        for server in (postgres, valkey):
            servers.enter_context(server)
        folders = Folders.make(folder)
        environment = dict(os.environ) | make_secrets(folders)
        environment |= {"QBRIX_POSTGRES_URL": postgres.url, "QBRIX_REDIS_URL": valkey.url}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling is not what is measured here
        migrate(folders, environment)
        plan = Plan(folders, environment, choose_ports(folders, dict.fromkeys(port_names(1))))
        found = _measured(dict(plan.roles(split=True, workers=1)), environment)
        (_, fused) = list(plan.roles(split=False, workers=1))[-1]
        found |= _measured({"proxy (fused)": fused}, environment)
    return _told(found)


def _measured(roles: Mapping[str, Role], environment: Mapping[str, str]) -> dict[str, list[Spent]]:
    """Wall and processor seconds of every round; the first round of each is not counted."""
    found: dict[str, list[Spent]] = {"bare": []}
    for _ in range(ROUNDS + 1):
        found["bare"].append(_imported(environment))
        with ExitStack() as running:
            for name, role in roles.items():
                running.callback(role.kill)
                found.setdefault(name, []).append(_started(name, role))
    return {name: spent[1:] for name, spent in found.items()}


def _imported(environment: Mapping[str, str]) -> Spent:
    begin_s, before = time.perf_counter(), os.times()
    subprocess.run([sys.executable, "-c", BARE], env=dict(environment), check=True)
    wall_s, after = time.perf_counter() - begin_s, os.times()
    used_s = after.children_user + after.children_system
    return wall_s, used_s - before.children_user - before.children_system


def _started(name: str, role: Role) -> Spent:
    begin_s = time.perf_counter()
    role.launch()
    assert role.child is not None
    while not role.is_ready:
        if not role.child.is_running or time.perf_counter() - begin_s > DEADLINE_S:
            raise RuntimeError(f"{name} did not become ready; {role.log} says why")
        time.sleep(POLL_S)
    return time.perf_counter() - begin_s, cpu_s(role.child.pid)


def _told(found: Mapping[str, list[Spent]]) -> int:
    middle = {
        name: [statistics.median(column) for column in zip(*spent, strict=True)]
        for name, spent in found.items()
    }
    (bare_s, bare_cpu_s) = middle["bare"]
    rows = [
        [
            f"`{BARE}`" if name == "bare" else name,
            f"{wall_s:.2f}",
            f"{max(wall for wall, _ in found[name]):.2f}",
            f"{wall_s / bare_s:.1f}",
            f"{used_s:.2f}",
            f"{used_s / bare_cpu_s:.1f}",
        ]
        for name, (wall_s, used_s) in middle.items()
    ]
    header = ["role", "start to ready, s", "longest", "× bare", "CPU s", "× bare"]
    table = markdown_table(header, rows)
    print(table)
    write_section(
        "starting",
        title="Starting: seconds from the start of a role's process until it is ready",
        command="python -m benchmarks.serving.starting",
        body=f"Medians of {ROUNDS} rounds; one after the other, beside those above. "
        f"Bar: {BAR_S:.0f} s.\n\n{table}",
    )
    return 0 if all(wall_s < BAR_S for wall_s, _ in middle.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
