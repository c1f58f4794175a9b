"""``python -m benchmarks.speed``: decisions a second of `simulate`, beside compiled loops.

Both sides play the same workload on one core and take turns of about the same length, so that what
else the machine does disturbs them alike; medians of processor time count.
Their mean regrets must agree, or the loop would not do the same thing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.results import machine, markdown_table, write_section
from benchmarks.speed import decisions, linear_loops, loops, plain, standing
from qbrix.environments import Bernoulli, Environment, LinearContextual
from qbrix.policies import (
    BetaTSPolicy,
    EpsilonPolicy,
    EXP3Policy,
    KLUCBPolicy,
    LinTSPolicy,
    LinUCBPolicy,
    Policy,
    UCB1Policy,
)
from qbrix.simulator import simulate
from qbrix.types import Array

HORIZON = 10_000
MEANS: Array = 0.05 * np.arange(1.0, 11.0)
LINEAR = LinearContextual.random(n_arms=10, dim=20, seed=1)
SEED = 1
AGREEMENT = 5.0

Loop = Callable[[int, int, np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A policy, its environment, and the loop that does the same."""

    workload: str
    policy: Policy[Any, Any]
    environment: Environment
    replications: int
    loop: Loop
    kind: str = "tuned"
    bar: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Speed and regret of both sides; regrets with their standard errors."""

    workload: str
    policy: str
    kind: str
    decisions_per_s: float
    loop_decisions_per_s: float
    times_slower: float
    bar: float | None
    regret: float
    regret_error: float
    loop_regret: float
    loop_regret_error: float

    @property
    def agrees(self) -> bool:
        """Whether the regrets differ by less than 5 standard errors: false alarm below 1e-6."""
        error = np.hypot(self.regret_error, self.loop_regret_error)
        return bool(abs(self.regret - self.loop_regret) <= AGREEMENT * error)

    @property
    def holds(self) -> bool:
        """Whether the bar is met, where there is one."""
        return self.bar is None or self.times_slower <= self.bar


def arms(
    policy: Policy[Any, Any],
    loop: Callable[..., np.ndarray],
    *rest: float,
    kind: str = "tuned",
    bar: float | None = None,
    replications: int = 100,
) -> Case:
    """W1: ten Bernoulli arms."""
    return Case(
        workload=f"W1, R = {replications}",
        policy=policy,
        environment=Bernoulli(MEANS),
        replications=replications,
        loop=lambda horizon, runs, state: loop(MEANS, horizon, runs, state, *rest),
        kind=kind,
        bar=bar,
    )


def linear(policy: Policy[Any, Any], *, width: float, thompson: bool) -> Case:
    """W2: ten arms, twenty features."""
    weights, noise = LINEAR.weights.copy(), LINEAR.noise
    return Case(
        workload="W2",
        policy=policy,
        environment=LINEAR,
        replications=20,
        loop=lambda horizon, runs, state: linear_loops.linear(
            weights, horizon, runs, state, noise, width, thompson
        ),
        bar=4.0,
    )


EPSILON = EpsilonPolicy(eps=0.1, gamma=1.0)
EXP3 = EXP3Policy(gamma=0.1)

CASES = (
    arms(BetaTSPolicy(), plain.beta_ts, kind="plain"),
    arms(EPSILON, plain.epsilon_greedy, 0.1, kind="plain"),
    arms(BetaTSPolicy(), loops.beta_ts, bar=1.6),
    arms(UCB1Policy(), loops.ucb1, bar=4.5),
    arms(KLUCBPolicy(), loops.kl_ucb, bar=5.5),
    arms(EPSILON, loops.epsilon_greedy, 0.1, bar=10.0),
    arms(EXP3, loops.exp3, 0.1, bar=12.0),
    arms(BetaTSPolicy(), loops.beta_ts, bar=3.0, replications=1000),
    arms(UCB1Policy(), loops.ucb1, bar=3.0, replications=1000),
    arms(KLUCBPolicy(), loops.kl_ucb, bar=3.0, replications=1000),
    arms(EPSILON, loops.epsilon_greedy, 0.1, bar=3.0, replications=1000),
    arms(EXP3, loops.exp3, 0.1, bar=3.0, replications=1000),
    linear(LinUCBPolicy(alpha=1.0), width=1.0, thompson=False),
    linear(LinTSPolicy(v=0.3), width=0.3, thompson=True),
)


def measure(case: Case, *, turns: int) -> Measurement:
    """Let both sides take turns of about the same length; medians of the times count."""
    state = loops.seeded(SEED)
    case.loop(10, 1, state)  # compiled
    _simulated(case, horizon=10, seed=SEED)
    ours: list[float] = []
    theirs: list[float] = []
    regret, loop_regret = np.empty(0), np.empty(0)
    for turn in range(turns):
        begin = process_time()
        played = _simulated(case, horizon=HORIZON, seed=SEED + turn)
        ours.append(process_time() - begin)
        regret = np.append(regret, played)
        begin, runs = process_time(), 0
        while process_time() - begin < ours[-1]:
            loop_regret = np.append(loop_regret, case.loop(HORIZON, case.replications, state))
            runs += 1
        theirs.append((process_time() - begin) / runs)
    decisions = HORIZON * case.replications
    return Measurement(
        workload=case.workload,
        policy=type(case.policy).__name__,
        kind=case.kind,
        decisions_per_s=decisions / median(ours),
        loop_decisions_per_s=decisions / median(theirs),
        times_slower=median(a / b for a, b in zip(ours, theirs, strict=True)),
        bar=case.bar,
        regret=float(regret.mean()),
        regret_error=_error(regret),
        loop_regret=float(loop_regret.mean()),
        loop_regret_error=_error(loop_regret),
    )


def _simulated(case: Case, *, horizon: int, seed: int) -> np.ndarray:
    """The regret of every replication."""
    result = simulate(
        {"it": case.policy},
        case.environment,
        horizon=horizon,
        replications=case.replications,
        seed=seed,
        progress=False,
    )
    return result.traces["it"].regret[:, -1]


def _error(sample: np.ndarray) -> float:
    return float(sample.std(ddof=1) / np.sqrt(len(sample)))


def _row(item: Measurement) -> list[str]:
    return [
        f"{item.workload} {item.policy}, {item.kind} loop",
        f"{item.decisions_per_s / 1e6:.2f}",
        f"{item.loop_decisions_per_s / 1e6:.2f}",
        f"{item.times_slower:.2f}",
        "" if item.bar is None else f"≤ {item.bar:g}",
        f"{item.regret:.1f} ± {item.regret_error:.1f}",
        f"{item.loop_regret:.1f} ± {item.loop_regret_error:.1f}",
    ]


def _report(measured: list[Measurement]) -> str:
    header = ["", "M decisions/s", "loop", "times slower", "bar", "regret", "regret of the loop"]
    return (
        f"{markdown_table(header, [_row(item) for item in measured])}\n\n"
        f"W1: K = 10, means .05, .10, …, .5. W2: K = 10, d = 20, R = 20. T = {HORIZON:,}. "
        "One core; the whole of `simulate` against a numba loop of the same law, in turns of the "
        "same length; medians, in processor time; ± are standard errors. *Plain* is the loop as "
        "the textbook has it, with numba's own draws; *tuned* is the limit: a generator of its "
        "own, nothing computed twice."
    )


def main() -> int:
    """Measure, print, and write the results."""
    options = _options()
    measured = _measured(options.policies, turns=options.turns)
    decided = (
        []
        if options.policies
        else [decisions.measure(pair, turns=options.turns) for pair in decisions.pairs()]
    )
    report = _report(measured)
    beside = []
    if decided:
        peers = standing.ask(options.peers or Path(sys.executable))
        tuned = [item for item in measured if item.kind == "tuned"]
        beside = standing.standing(
            peers, [(item.workload, item.policy, item.decisions_per_s) for item in tuned]
        )
        report = "\n\n".join([report, decisions.report(decided), standing.report(peers, beside)])
    print(f"\n{report}")
    if options.json:
        content = {
            "machine": machine(),
            "measured": [asdict(item) for item in measured],
            "decided": decided,
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if not options.dry and not options.policies:
        write_section(
            "speed", title="Simulation speed", command="python -m benchmarks.speed", body=report
        )
    wrong = [item.policy for item in measured if not item.agrees]
    slow = [f"{item.workload} {item.policy}" for item in measured if not item.holds]
    slow += [item["what"] for item in decided if not item["holds"]]
    slow += [f"{item['what']} beside {item['fastest']}" for item in beside if not item["holds"]]
    if wrong:
        print(f"the regret of the loop is another one: {', '.join(wrong)}", file=sys.stderr)
    if slow:
        print(f"slower than its bar: {', '.join(slow)}", file=sys.stderr)
    return 1 if wrong or (slow and options.check) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--turns", type=int, default=5, help="turns of each side")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--dry", action="store_true", help="leave RESULTS.md as it is")
    parser.add_argument("--check", action="store_true", help="fail where a bar is missed")
    parser.add_argument(
        "--peers", type=Path, help="interpreter that has other libraries; this one by default"
    )
    parser.add_argument("policies", nargs="*", help="only policies whose name holds one of these")
    return parser.parse_args()


def _measured(words: list[str], *, turns: int) -> list[Measurement]:
    """Every case whose policy's name holds one of the words, or every one; printed as it comes."""
    measured = []
    for case in CASES:
        name = type(case.policy).__name__.lower()
        if words and not any(word.lower() in name for word in words):
            continue
        measured.append(measure(case, turns=turns))
        print("  ".join(_row(measured[-1])), flush=True)
    return measured


if __name__ == "__main__":
    sys.exit(main())
