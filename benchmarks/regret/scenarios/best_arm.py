"""The search for the best arm, by confidence or by budget."""

from __future__ import annotations

from benchmarks.regret.scenario import Scenario, Size
from benchmarks.regret.worlds import policies_of
from qbrix.environments import Bernoulli

__all__ = ["BEST_ARM"]

BEST_ARM = [
    Scenario(
        id="best-arm-confidence-1",
        title="Bernoulli (.5, .3, .2, .1), sure to 90 %: rounds until the policy stops",
        environment=Bernoulli([0.5, 0.3, 0.2, 0.1]),
        policies=policies_of(
            "uniform_sampling track_and_stop top_two_ts lucb(confidence=0.9) "
            "kllucb(confidence=0.9) successive_elimination(confidence=0.9)"
        ),
        full=Size(horizon=20_000, replications=200),
        quick=Size(horizon=3000, replications=10),
        measure="rounds",
        confidence=0.9,
    ),
    Scenario(
        id="best-arm-budget-1",
        title="Eight Bernoulli arms, a budget of 400 rounds: share of wrong recommendations",
        environment=Bernoulli([0.6, *[0.4] * 7]),
        policies=policies_of(
            "uniform_sampling successive_rejects(horizon=400) sequential_halving(horizon=400)"
        ),
        full=Size(horizon=400, replications=1000),
        quick=Size(horizon=400, replications=100),
        measure="errors",
    ),
]
