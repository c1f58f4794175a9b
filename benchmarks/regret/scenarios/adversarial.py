"""Rewards that somebody chose in advance."""

from __future__ import annotations

from benchmarks.regret.scenario import Scenario, Size
from benchmarks.regret.worlds import advice, policies_of, turns
from qbrix.environments import LowerBound, PiecewiseStationary

__all__ = ["ADVERSARIAL"]

ADVERSARIAL = [
    Scenario(
        id="constrained-adversary-1",
        title="A gap of .1 under leaping levels: Zimmert and Seldin (2021)",
        environment=PiecewiseStationary.constrained_adversary(gap=0.1, horizon=10_000),
        policies=policies_of(
            "beta_ts exp3(gamma=0.05) exp3_anytime exp3_ix(gamma=0.01,eta=0.02) "
            "exp3_p(gamma=0.05,alpha=1.0,horizon=5000) exp3_plus_plus exp3_s tsallis_inf "
            "tsallis_infrv fpl(eta=20.0) hedge(eta=0.05)"
        ),
        full=Size(horizon=5000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="turns-1",
        title="A table whose arms take turns, against the best single arm",
        environment=turns(4000),
        policies=policies_of("exp3(gamma=0.05) exp3_anytime tsallis_inf tsallis_infrv exp3_s"),
        full=Size(horizon=4000, replications=200),
        quick=Size(horizon=500, replications=50),
    ),
    Scenario(
        id="lower-bound-1",
        title="Auer's hardest instance for two arms and 2000 rounds",
        environment=LowerBound(n_arms=2, horizon=2000),
        policies=policies_of("random exp3_anytime tsallis_inf moss(horizon=2000) beta_ts"),
        full=Size(horizon=2000, replications=1000),
        quick=Size(horizon=500, replications=100),
    ),
    Scenario(
        id="expert-advice-1",
        title="Three experts advise on four classes",
        environment=advice(),
        policies=policies_of("random exp4(gamma=0.1) exp3(gamma=0.1)"),
        full=Size(horizon=4000, replications=100),
        quick=Size(horizon=500, replications=50),
        measure="mean_reward",
    ),
]
