"""Every environment of the catalogue keeps every law of the contract."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.environments import (
    Adversarial,
    Bernoulli,
    Binomial,
    Classification,
    Environment,
    HeavyTailed,
    LinearContextual,
    Logistic,
    LowerBound,
    PiecewiseStationary,
    Wheel,
    environments,
)
from qbrix.testing import Check, environment_checks

OTHERS: list[Environment] = [
    Adversarial(np.zeros((5000, 3)), comparator="round"),
    Bernoulli([0.5]),
    Binomial([0.2, 0.4], trials=3, pays="count"),
    Classification.digits(),
    HeavyTailed([0.0, 1.0], df=1.5, scale=2.0),
    LinearContextual.random(n_arms=2, dim=5, seed=5, contexts="sphere", noise=0.5),
    Logistic.random(n_arms=3, dim=4, seed=2),
    LowerBound(n_arms=2, horizon=10_000),
    PiecewiseStationary.constrained_adversary(horizon=200),
    Wheel(delta=0.5, sd=1.0),
]

SKIPPED = {
    "Adversarial-seeds_and_replications_differ": "its table is fixed: nothing is left to chance"
}
FOREIGN = {
    f"GymnasiumBandit-{law}": "80,000 resets of a foreign environment take a minute"
    for law in ("means_are_expectations", "replications_are_independent")
}


@pytest.mark.parametrize("check", environment_checks(environments, skip={**SKIPPED, **FOREIGN}))
def test_catalogue(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", environment_checks(OTHERS, skip=SKIPPED))
def test_other_settings_of_the_catalogue(check: Check) -> None:
    check()
