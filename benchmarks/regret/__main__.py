"""``python -m benchmarks.regret run | compare A B | audit``.

``run`` plays the scenarios and writes a file of results; with ``--references`` it plays what has a
number from elsewhere, as often as that was, and holds it against it. ``compare`` says what moved
between two files. ``audit`` says which policy is in no scenario. Each exits with 1 when something
is wrong. Without a command 200 replications are held against the numbers from elsewhere, and the
table goes to RESULTS.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.regret.audit import complaints
from benchmarks.regret.compare import Comparison, compared
from benchmarks.regret.files import Job, chosen, load, measured_of, play_job, save, size_of
from benchmarks.regret.references import held, table
from benchmarks.regret.scenario import Scenario
from benchmarks.regret.scenarios import SCENARIOS
from benchmarks.results import write_section
from qbrix.errors import QbrixError

ROOT = Path(__file__).parent.parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "compare":
            return _compare(load(options.first), load(options.second), level=options.level)
        if options.command == "audit":
            return _audit()
        return _run(options)
    except QbrixError as error:
        print(error, file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    scenarios = chosen(options.scenario)
    if options.references:
        scenarios = [item for item in scenarios if item.references]
    jobs = [_job(scenario, options) for scenario in scenarios]
    parts: dict[str, Any] = {}
    for scenario, part in zip(scenarios, _parts(jobs, workers=options.jobs), strict=True):
        parts[scenario.id] = part
        _show(scenario, part)
    kind = "references" if options.references else options.size
    path = options.output or ROOT / "var" / "regret" / f"{kind}-seed{options.seed}.json"
    save(path, parts, seed=options.seed)
    print(f"{path}")
    return hold_references(parts, report=options.report) if options.references else 0


def _job(scenario: Scenario, options: argparse.Namespace) -> Job:
    """What a worker is told."""
    replications = options.replications
    if options.references:
        most = scenario.reference_replications
        size = size_of(scenario, "full", replications=min(replications or most, most))
        return scenario.id, size, options.seed, list(scenario.references)
    size = size_of(scenario, options.size, horizon=options.horizon, replications=replications)
    return scenario.id, size, options.seed, None


def _parts(jobs: list[Job], *, workers: int) -> Iterator[dict[str, Any]]:
    if workers <= 1:
        yield from map(play_job, jobs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play_job, jobs)


def _show(scenario: Scenario, part: dict[str, Any]) -> None:
    print(f"\n{scenario.id}: {scenario.title}")
    print(
        f"  {scenario.meaning}, {part['horizon']} rounds × {part['replications']} replications, "
        f"{part['seconds']:.1f} s"
    )
    for label, found in measured_of(part).items():
        print(f"  {label:<44} {found.mean:>12.4f} ± {found.error:.4f}", flush=True)


def hold_references(parts: dict[str, Any], *, report: bool = False) -> int:
    """Print them; the exit code."""
    found = held(parts)
    print(f"\n{'reference':<62} {'ours':>12} {'theirs':>12}  errors apart")
    for item in found:
        print(item)
    wrong = sum(not item.good for item in found)
    print(f"{wrong} of them are wrong" if wrong else "all of them hold")
    if report:
        write_section(
            "regret",
            title="Regret beside numbers from elsewhere",
            command=" ".join(["python -m benchmarks.regret", *sys.argv[1:]]),
            body=table(found, parts),
        )
    return 1 if wrong else 0


def _compare(first: dict[str, Any], second: dict[str, Any], *, level: float) -> int:
    found = compared(first, second, level=level)
    _list(found)
    for line in found.incomparable:
        print(f"not compared: {line}")
    if found.alone:
        print(f"in one of the files only: {', '.join(found.alone)}")
    moved = len(found.significant)
    print(
        f"{len(found.differences)} numbers compared, {moved} significantly different "
        f"(Holm, {level:g} over all of them)"
    )
    broken = [line for line in found.incomparable if " became " not in line]
    if broken:
        print("a scenario changed under its id, or the runs are of different size; use a new id")
    return 1 if moved or broken else 0


def _list(found: Comparison) -> None:
    shown = found.significant or found.differences[:5]
    if not found.significant and shown:
        print("nothing moved; the largest differences are")
    for item in shown:
        print(
            f"{item.scenario} · {item.label}: {item.first.mean:.4f} → {item.second.mean:.4f}, "
            f"{item.units:+.2f} combined standard errors, p = {item.p_value:.2g}"
            f"{'  MOVED' if item.significant else ''}"
        )


def _audit() -> int:
    found = complaints()
    for line in found:
        print(line)
    if not found:
        print(f"every policy is in one of {len(SCENARIOS)} scenarios, or excluded with a reason")
    return 1 if found else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regret", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    run = commands.add_parser("run", help="play the scenarios")
    parser.set_defaults(**_DEFAULTS)
    run.add_argument("--size", choices=("quick", "full"), default="quick")
    run.add_argument("--scenario", nargs="*", default=[], metavar="ID")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--horizon", type=int, help="at most so many rounds")
    run.add_argument("--replications", type=int)
    run.add_argument("--jobs", type=int, default=1, help="scenarios at a time")
    run.add_argument("--output", type=Path)
    run.add_argument("--references", action="store_true", help="hold against known numbers")
    run.add_argument("--report", action="store_true", help="write references to RESULTS.md")
    compare = commands.add_parser("compare", help="what moved between two files")
    compare.add_argument("first", type=Path)
    compare.add_argument("second", type=Path)
    compare.add_argument("--level", type=float, default=1e-3, help="false alarms over all numbers")
    commands.add_parser("audit", help="which policy is in no scenario")
    return parser


_DEFAULTS: dict[str, Any] = {
    "size": "quick",
    "scenario": [],
    "seed": 1,
    "horizon": None,
    "replications": 200,
    "jobs": 1,
    "output": None,
    "references": True,
    "report": True,
}

if __name__ == "__main__":
    sys.exit(main())
