"""How many times faster than other libraries, which live in an interpreter of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.results import markdown_table
from benchmarks.speed.peers import PEERS

AT_LEAST = {"W1, R = 100": 8.0, "W1, R = 1000": 30.0, "W2": 8.0}


def ask(python: Path) -> dict[str, Any]:
    """What `peers` measures in the interpreter ``python``; empty where it can import none."""
    script = Path(__file__).with_name("peers.py")
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # -P: else the script's folder would come first, whose modules are ours.
    done = subprocess.run(
        [str(python), "-P", str(script)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **one_core},
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def standing(peers: dict[str, Any], ours: list[tuple[str, str, float]]) -> list[dict[str, Any]]:
    """For each (workload, policy, decisions a second) of ours the fastest peer that has it."""
    rows = []
    for workload, policy, speed in ours:
        theirs = {
            name: peer["decisions_per_s"][policy]
            for name, peer in peers.items()
            if policy in peer["decisions_per_s"]
        }
        if theirs:
            fastest = max(theirs, key=lambda name: theirs[name])
            times, bar = speed / theirs[fastest], AT_LEAST[workload]
            rows.append(
                {
                    "what": f"{workload} {policy}",
                    "decisions_per_s": speed,
                    "fastest": fastest,
                    "peers": theirs,
                    "times_faster": times,
                    "bar": bar,
                    "holds": times >= bar,
                }
            )
    return rows


def report(peers: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """The table; a peer that is not there is named."""
    header = ["thousand decisions/s", "qbrix", *PEERS, "times faster", "bar"]
    table = [
        [
            row["what"],
            f"{row['decisions_per_s'] / 1e3:,.0f}",
            *(f"{row['peers'][name] / 1e3:,.1f}" if name in row["peers"] else "" for name in PEERS),
            f"{row['times_faster']:.1f}",
            f"≥ {row['bar']:g}",
        ]
        for row in rows
    ]
    missing = [name for name in PEERS if name not in peers]
    versions = ", ".join(f"{name} {peer['version']}" for name, peer in peers.items())
    told = f"Peers: {versions or 'none'}."
    if missing:
        told += f" Not installed: {', '.join(missing)}."
    return (
        f"{markdown_table(header, table) if table else ''}\n\n{told} pymab is compiled and plays "
        "20 replications at once (one on W2, with a context per arm); the others are asked round "
        "by round, as their interface wants it. Best of three, in processor time."
    ).strip()
