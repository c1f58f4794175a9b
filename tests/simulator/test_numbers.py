"""Regret and reward against published and independently simulated numbers.

Differences are held to 4 standard errors, theirs and ours combined: 6e-5 per row under a new seed;
the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qbrix.environments import Bernoulli, Classification
from qbrix.policies import Policy
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.klucb import KLUCBPolicy
from qbrix.policies.lin_epsilon_greedy import LinEpsilonGreedyPolicy
from qbrix.policies.lin_ts import LinTSPolicy
from qbrix.policies.lin_ucb import LinUCBPolicy
from qbrix.policies.random import RandomPolicy
from qbrix.simulator import simulate

SEED = 20


def assert_within(found: pd.Series, *, mean: float, error: float) -> None:
    """4 standard errors of ``mean ± error`` and of the replications together."""
    own = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - mean) <= 4.0 * np.hypot(own, error), f"{found.mean()} ± {own}"


@pytest.fixture(scope="module")
def digits() -> Mapping[str, pd.Series]:
    """Mean reward per replication of one pass over the digits, 20 permutations."""
    policies: dict[str, Policy[Any, Any]] = {
        "random": RandomPolicy(),
        "Lin-ε .1": LinEpsilonGreedyPolicy(eps=0.1),
        "LinUCB 1": LinUCBPolicy(alpha=1.0),
        "LinUCB .3": LinUCBPolicy(alpha=0.3),
        "LinTS .3": LinTSPolicy(v=0.3),
    }
    result = simulate(policies, Classification.digits(), replications=20, seed=SEED, progress=False)
    final = result.to_frame().query(f"round == {result.horizon}")
    return {str(label): part["reward"] / 1797.0 for label, part in final.groupby("policy")}


@pytest.mark.parametrize(
    ("label", "mean", "error"),
    [
        ("random", 0.1, 0.0),  # any fixed guess hits 1 of 10 classes in expectation
        ("Lin-ε .1", 0.6593, 0.0095),
        ("LinUCB 1", 0.7897, 0.0015),
        ("LinUCB .3", 0.8592, 0.0019),
        ("LinTS .3", 0.7297, 0.0020),
    ],
)
def test_mean_reward_on_digits(
    digits: Mapping[str, pd.Series], label: str, mean: float, error: float
) -> None:
    """Disjoint ridge with λ = 1, pixels/16 and a bias column; 20 independent permutations."""
    assert_within(digits[label], mean=mean, error=error)


@pytest.mark.parametrize(
    ("policy", "replications", "mean", "error"),
    [
        (BetaTSPolicy(), 2000, 8.825, 0.072),
        (BetaTSPolicy(alpha_prior=0.5, beta_prior=0.5), 2000, 9.588, 0.075),
        (KLUCBPolicy(c=0.0), 1000, 12.932, 0.052),
        (KLUCBPolicy(c=3.0), 1000, 20.050, 0.059),
        (EpsilonPolicy(eps=0.1, gamma=1.0), 2000, 30.799, 0.103),
    ],
)
def test_regret_on_two_arms(
    policy: Policy[Any, Any], replications: int, mean: float, error: float
) -> None:
    """Bernoulli (.9, .8), 5000 rounds: scenario 1 of Garivier and Cappé (2011), 20,000 runs."""
    regret = _regret(policy, [0.9, 0.8], horizon=5000, replications=replications)
    assert_within(regret, mean=mean, error=error)


@pytest.mark.parametrize(
    ("policy", "mean", "error"),
    [
        (BetaTSPolicy(), 91.486, 0.628),
        (KLUCBPolicy(c=0.0), 131.353, 0.59),
        (EpsilonPolicy(eps=0.1, gamma=1.0), 205.5, 4.2),
    ],
)
def test_regret_on_ten_arms(policy: Policy[Any, Any], mean: float, error: float) -> None:
    """Bernoulli (.1, .05 ×3, .02 ×3, .01 ×3), 20,000 rounds; 1000 independent runs."""
    means = [0.1, *[0.05] * 3, *[0.02] * 3, *[0.01] * 3]
    regret = _regret(policy, means, horizon=20_000, replications=200)
    assert_within(regret, mean=mean, error=error)


def _regret(
    policy: Policy[Any, Any], means: list[float], *, horizon: int, replications: int
) -> pd.Series:
    """Pseudo-regret at the horizon, one per replication."""
    result = simulate(
        {"it": policy},
        Bernoulli(means),
        horizon=horizon,
        replications=replications,
        seed=SEED,
        progress=False,
    )
    return pd.Series(result.traces["it"].regret[:, -1])
