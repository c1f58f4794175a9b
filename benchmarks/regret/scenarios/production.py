"""Late, lost and repeated feedback; arms that come and go."""

from __future__ import annotations

from benchmarks.regret.scenario import Scenario, Size
from benchmarks.regret.worlds import TEN_ARMS, policies_of
from qbrix.environments import ArmsComeAndGo, Bernoulli, Delayed, Duplicated, MissingFeedback
from qbrix.simulator import Schedule

__all__ = ["PRODUCTION"]

PRODUCTION = [
    Scenario(
        id="delayed-ten-arms-1",
        title="Ten arms, feedback after 100 rounds",
        environment=Delayed(Bernoulli(TEN_ARMS), delay=100),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="production-ten-arms-1",
        title="Ten arms: late, lost and repeated feedback, batches, stale states, two replicas",
        environment=Duplicated(
            MissingFeedback(Delayed(Bernoulli(TEN_ARMS), delay=50.0, law="exponential"), rate=0.2),
            rate=0.1,
        ),
        schedule=Schedule(batch=50, staleness=20, replicas=2, refresh=100),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime epsilon(eps=0.1,gamma=1.0)"),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="arms-come-and-go-1",
        title="Four arms; the best one arrives after 300 rounds and leaves after 1200",
        environment=ArmsComeAndGo(
            Bernoulli([0.3, 0.4, 0.5, 0.6]), arrive={3: 300}, retire={3: 1200}
        ),
        policies=policies_of("random beta_ts ucb1 klucb exp3_anytime imed"),
        full=Size(horizon=2000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
]
