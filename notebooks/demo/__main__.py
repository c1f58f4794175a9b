"""``python -m notebooks.demo``: race, export, promote, serve, kill, learn on, replay.

Exits with 0 when every claim held, with 1 otherwise. Pictures, log and bundle stay in
``var/demo``; the servers' data is made anew each time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import qbrix
from notebooks.demo.claims import Claims, table
from notebooks.demo.race import policy_from_cell, predict, race_arms, race_digits
from notebooks.demo.traffic import Traffic, Users, send
from notebooks.demo.waiting import log_with
from qbrix.environments import Classification
from qbrix.evaluation import LoggedData
from qbrix.policies import Policy
from qbrix.simulator import SimulationResult
from serving.stack import Stack

DIRECTORY = Path(__file__).parent.parent.parent / "var" / "demo"
USERS = Users(concurrent=32, per_second=150.0, feedback_delay_s=0.15, duplicates=0.05, seed=3)


def main() -> int:
    """All acts in order."""
    started = time.perf_counter()
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    claims = Claims()
    own, predicted = _research(claims)
    with Stack(DIRECTORY / "stack") as stack, stack.client() as client:
        experiment = _promote(own, stack, client, claims)
        traffic = _serve(experiment, stack, claims)
        log = log_with(client, experiment, rows=traffic.accepted)
        _replay(log, traffic, client, experiment, claims)
    _report(traffic, predicted, log, claims)
    print(f"\nThe whole loop took {time.perf_counter() - started:.0f} s.")
    for sentence in claims.failed:
        print(f"FAILED: {sentence}", file=sys.stderr)
    return 1 if claims.failed else 0


def _research(claims: Claims) -> tuple[Policy[Any, Any], SimulationResult]:
    _title(1, "Research: a policy from a notebook cell races in simulation")
    own = policy_from_cell(DIRECTORY)()
    columns = ["regret", "regret_low", "regret_high", "mean_reward", "best_arm_rate"]
    for name, result in (
        ("arms", race_arms(progress=False)),
        ("digits", race_digits(own, progress=False)),
    ):
        print(f"\n{result.environment!r}, {result.horizon} rounds × {result.replications}")
        print(result.summary()[columns].round(3).to_string())
        figure = result.plot.regret().get_figure()
        assert figure is not None
        figure.savefig(DIRECTORY / f"regret_{name}.png", dpi=120)
    decisions_per_s = USERS.per_second
    predicted = predict(own, delay=round(USERS.feedback_delay_s * decisions_per_s), batch=15)
    prototype = result.summary().loc["Prototype"]
    greedy = result.summary().loc["ε-greedy"]
    print()
    claims.check(
        "the notebook's policy earns more than ε-greedy on digits (95 % intervals apart)",
        bool(prototype["mean_reward_low"] > greedy["mean_reward_high"]),
    )
    return own, predicted


def _promote(own: Policy[Any, Any], stack: Stack, client: qbrix.Client, claims: Claims) -> str:
    _title(2, "Promotion: the exported file is verified and served, unchanged")
    digits = Classification.digits()
    bundle = qbrix.export(
        own,
        path=DIRECTORY / "prototype.qbrix",
        arms=[str(digit) for digit in range(10)],
        environment=digits,
        key=stack.signing_key,
    )
    pool = client.create_pool("digits", [str(digit) for digit in range(10)])
    experiment = client.create_experiment(
        "digits", pool=pool.id, policy="LinUCBPolicy", parameters={"dim": digits.dim}
    )
    promotion = client.promote(bundle, experiment=experiment.id)
    print(f"  {stack.url} serves {bundle!r}")
    claims.check(
        f"the golden trace of {promotion.certificate.steps} steps was reproduced in the serving "
        f"process (states to the bit, propensities within "
        f"{promotion.certificate.max_propensity_error:.0e})",
        promotion.certificate.steps >= 200,
    )
    return experiment.id


def _serve(experiment: str, stack: Stack, claims: Claims) -> Traffic:
    _title(3, "Serving: many users, late feedback, duplicates, and cortex dies half-way")
    digits = Classification.digits()
    half = len(digits.target) // 2
    before = stack.pid("cortex")
    live = sys.stdout.isatty()

    def progress(traffic: Traffic) -> None:
        if traffic.decisions == half:
            stack.kill("cortex")
            print(f"\n  cortex (process {before}) was killed with SIGKILL")
        if traffic.decisions % (10 if live else 200) == 0:
            recent = float(np.mean(traffic.rewards[-200:]))
            line = (
                f"  {traffic.decisions:5d} decisions   mean reward {traffic.mean_reward:.3f}   "
                f"last 200 {recent:.3f}   state version {traffic.versions[-1]}"
            )
            print(line, end="\r" if live else "\n", flush=True)

    traffic = asyncio.run(
        send(
            stack.url,
            stack.api_key,
            experiment,
            contexts=digits.features,
            arms=digits.target,
            users=USERS,
            progress=progress,
        )
    )
    print()
    claims.check(
        "every decision was answered while cortex was dead, and it was started again",
        traffic.decisions == len(digits.target) and stack.pid("cortex") not in (None, before),
    )
    return traffic


def _replay(
    log: LoggedData, traffic: Traffic, client: qbrix.Client, experiment: str, claims: Claims
) -> None:
    _title(4, "Back to research: the log reproduces what was served")
    log.save(DIRECTORY / "digits.qlog")
    served = client.state(experiment)
    folded = log.fold(served.version)
    print(f"  served state, version {served.version}: {served.state_digest}")
    print(f"  folded here,  version {folded.version}: {folded.state_digest}")
    claims.check(
        "the state folded in this process has the digest of the served one",
        folded.state_digest == served.state_digest,
    )
    claims.check(
        "learning went on after the kill",
        served.version > max(traffic.versions[: traffic.decisions // 2]),
    )
    verification = log.verify()
    claims.check(
        f"all {verification.decisions} decisions follow from their logged draw "
        "(low ≤ u < low + propensity) and from recomputed propensities "
        f"(largest difference {verification.max_propensity_error:.0e})",
        verification.holds and verification.decisions == traffic.decisions,
    )
    claims.check(
        f"each of the {traffic.accepted} accepted rewards was counted exactly once "
        f"({traffic.duplicates_sent} duplicates were delivered)",
        len(log) == traffic.accepted and len(set(log.frame()["decision_id"])) == len(log),
    )
    claims.check(
        "the rewards in the log are those that the users sent",
        float(log.rewards.sum()) == sum(traffic.rewards),
    )


def _report(traffic: Traffic, predicted: SimulationResult, log: LoggedData, claims: Claims) -> None:
    _title(5, "Summary")
    runs = predicted.traces["Prototype"].reward[:, -1] / predicted.horizon
    spread = 4.0 * runs.std(ddof=1) * np.sqrt(1.0 + 1.0 / len(runs))
    in_ms = partial(np.percentile, 1000.0 * np.array(traffic.select_s))
    print(
        table(
            [
                ("requests", f"{traffic.requests / traffic.seconds:.0f}/s, as the users came"),
                ("select, p50 and p99", f"{in_ms(50):.1f} ms and {in_ms(99):.1f} ms"),
                ("mean reward, served", f"{traffic.mean_reward:.3f}"),
                ("mean reward, simulated", f"{runs.mean():.3f} ± {spread:.3f}"),
                ("duplicates refused", f"{traffic.requests - traffic.decisions - len(log)}"),
                ("state version", f"{log.batches[-1].batch.version}"),
                ("pictures, bundle and log", os.path.relpath(DIRECTORY)),
            ]
        )
    )
    claims.check(
        "the served mean reward is what the simulation with late feedback predicts (4 sd)",
        abs(traffic.mean_reward - float(runs.mean())) <= spread,
    )


def _title(number: int, words: str) -> None:
    print(f"\n── {number}. {words} " + "─" * max(0, 86 - len(words)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
