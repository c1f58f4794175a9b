"""Files of results: what was played, what came out, and where it came from."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import qbrix
from benchmarks.regret.scenario import Measured, Scenario, Size, play
from benchmarks.regret.scenarios import SCENARIOS
from benchmarks.results import machine
from qbrix.errors import InvalidParameter

__all__ = ["Job", "SizeName", "chosen", "load", "measured_of", "play_job", "save", "size_of"]

SizeName = Literal["quick", "full"]
Job = tuple[str, Size, int, list[str] | None]
"""Id, size, seed, and the labels that play if not all do."""

_FORMAT = 1


def size_of(
    scenario: Scenario,
    size: SizeName,
    *,
    horizon: int | None = None,
    replications: int | None = None,
) -> Size:
    """The scenario's own size, unless something else is asked for."""
    own = scenario.quick if size == "quick" else scenario.full
    rounds = own.horizon if horizon is None else min(horizon, own.horizon)
    return Size(horizon=rounds, replications=replications or own.replications)


def play_job(job: Job) -> dict[str, Any]:
    """One scenario's part of the file; a worker finds the scenario by its id."""
    name, size, seed, only = job
    scenario = SCENARIOS[name]
    started = time.perf_counter()
    found = play(scenario, size, seed=seed, only=only)
    policies = scenario.labelled
    return {
        "environment": scenario.environment.spec(),
        "measure": scenario.measure,
        "confidence": scenario.confidence,
        "schedule": None if scenario.schedule is None else scenario.schedule.parameters(),
        "horizon": size.horizon,
        "replications": size.replications,
        "seconds": round(time.perf_counter() - started, 2),
        "policies": {
            label: {
                "id": policies[label].identifier(),
                "parameters": policies[label].parameters(),
                "mean": measured.mean,
                "standard_error": measured.error,
            }
            for label, measured in found.items()
        },
    }


def save(path: Path, parts: Mapping[str, Any], *, seed: int) -> None:
    """Write a result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": _FORMAT,
        "seed": seed,
        "provenance": {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": _commit(),
            "qbrix": qbrix.__version__,
            "machine": machine(),
        },
        "scenarios": dict(parts),
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def load(path: Path) -> dict[str, Any]:
    """Read a result file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InvalidParameter(f"{path} cannot be read as a file of results: {error}") from error
    if content.get("format") != _FORMAT:
        raise InvalidParameter(
            f"{path} has format {content.get('format')!r}, expected {_FORMAT}; "
            "write it again with `python -m benchmarks.regret run`"
        )
    return content


def measured_of(part: Mapping[str, Any]) -> dict[str, Measured]:
    """Label → mean and standard error of one scenario's part."""
    return {
        label: Measured(mean=row["mean"], error=row["standard_error"])
        for label, row in part["policies"].items()
    }


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The scenarios of these ids, all of them for none."""
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise InvalidParameter(f"no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
    return [SCENARIOS[name] for name in names] if names else list(SCENARIOS.values())


def _commit() -> str | None:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None
