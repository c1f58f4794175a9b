"""Decisions from a prepared state: one at a time (W3), and for 100,000 contexts at once (W4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

import numpy as np

from benchmarks.results import markdown_table
from benchmarks.speed import linear_loops, loops
from qbrix.ledger.decide import Decider
from qbrix.policies import BetaTSPolicy, LinUCBPolicy, Policy
from qbrix.types import Interactions

N_ARMS, DIM, MANY = 10, 20, 100_000


@dataclass(frozen=True, kw_only=True)
class Pair:
    """What we do and what the compiled limit does, once per call."""

    name: str
    ours: Callable[[], object]
    limit: Callable[[], object]
    bar: float
    unit_s: float = 1e-6
    calls: int = 2000


def measure(pair: Pair, *, turns: int) -> dict[str, Any]:
    """Medians of alternating turns, in processor time."""
    sides: dict[str, list[float]] = {"ours": [], "limit": []}
    for _ in range(turns + 1):
        for side, call in (("ours", pair.ours), ("limit", pair.limit)):
            begin = process_time()
            for _ in range(pair.calls):
                call()
            sides[side].append((process_time() - begin) / pair.calls)
    ours, limit = sides["ours"][1:], sides["limit"][1:]
    times = median(a / b for a, b in zip(ours, limit, strict=True))
    return {
        "what": pair.name,
        "ours_s": median(ours),
        "limit_s": median(limit),
        "times_slower": times,
        "bar": pair.bar,
        "holds": times <= pair.bar,
        "unit_s": pair.unit_s,
    }


def pairs() -> list[Pair]:
    """The workloads, from states that have learned a thousand rounds."""
    rng = np.random.default_rng(1)
    beta, linear = BetaTSPolicy(), LinUCBPolicy(alpha=1.0)
    outcomes, moments = _learned(beta, rng=rng, dim=0), _learned(linear, rng=rng, dim=DIM)
    ridge = linear.prepare(moments)
    decide_beta, decide_linear = Decider(beta, outcomes), Decider(linear, ridge)
    d = np.stack([outcomes.successes, outcomes.failures]) + 2.0 / 3.0
    c, state = 1.0 / np.sqrt(9.0 * d), loops.seeded(1)
    x, many = rng.standard_normal(DIM), rng.standard_normal((MANY, DIM))
    theta, packed = ridge.coefficients, ridge.inverse
    return [
        Pair(
            name="W3 one decision, BetaTS",
            ours=lambda: decide_beta.decide(0.37),
            limit=lambda: loops.beta_ts_once(d, c, state),
            bar=2.5,
        ),
        Pair(
            name="W3 one decision, LinUCB",
            ours=lambda: decide_linear.decide(0.37, x),
            limit=lambda: linear_loops.lin_ucb_once(theta, packed, x, 1.0),
            bar=7.5,
        ),
        Pair(
            name="W4 100,000 contexts, LinUCB sampled",
            ours=lambda: linear.sample(ridge, many, rng=rng),
            limit=lambda: linear_loops.lin_ucb_many(theta, packed, many, 1.0),
            bar=2.0,
            unit_s=1e-3,
            calls=1,
        ),
        Pair(
            name="W4 100,000 contexts, LinUCB propensities",
            ours=lambda: linear.propensities(ridge, many),
            limit=lambda: linear_loops.lin_ucb_many(theta, packed, many, 1.0),
            bar=2.0,
            unit_s=1e-3,
            calls=1,
        ),
    ]


def report(measured: list[dict[str, Any]]) -> str:
    """The table and what it means."""
    rows = [
        [
            item["what"],
            _time(item["ours_s"], item["unit_s"]),
            _time(item["limit_s"], item["unit_s"]),
            f"{item['times_slower']:.2f}",
            f"≤ {item['bar']:g}",
        ]
        for item in measured
    ]
    header = ["", "time", "loop", "times slower", "bar"]
    return (
        f"{markdown_table(header, rows)}\n\n"
        f"W3: `Decider.decide` of a prepared state, K = {N_ARMS}, d = {DIM}: propensities, and the "
        "arm that a given uniform number draws from them. BetaTS computed its propensities when it "
        "was prepared; the loop draws from the posterior. W4: one call of the policy."
    )


def _time(seconds: float, unit_s: float) -> str:
    return f"{seconds / unit_s:.2f} {'µs' if unit_s == 1e-6 else 'ms'}"


def _learned(policy: Policy[Any, Any], *, rng: np.random.Generator, dim: int) -> Any:
    rows = 1000
    arms = rng.integers(0, N_ARMS, rows)
    batch = Interactions(
        arms=arms,
        rewards=(rng.random(rows) < 0.05 * (arms + 1)).astype(np.float64),
        propensities=np.full(rows, 1.0 / N_ARMS),
        state_versions=np.zeros(rows, dtype=np.int64),
        contexts=rng.standard_normal((rows, dim)) if dim else None,
    )
    return policy.update(policy.init(n_arms=N_ARMS, dim=dim), batch)
