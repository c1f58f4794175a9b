"""How the tests of policies meet published and exactly computed numbers.

Simulated means are held to 4 standard errors, theirs and ours combined: 6e-5 per number under a new
seed; the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qbrix.environments import Bernoulli
from qbrix.policies import Policy
from qbrix.policies._counts import Rewards
from qbrix.policies._index import Squares
from qbrix.simulator import simulate
from qbrix.state import State
from qbrix.testing.enumeration import exact_regret
from qbrix.types import Array, Interactions

SEED = 20
TWO_ARMS = (0.9, 0.8)
TEN_ARMS = (0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01)


def seen(pulls: list[float], total_reward: list[float]) -> Rewards:
    """A state of counts and sums."""
    return Rewards(
        pulls=np.array(pulls, dtype=np.float64),
        total_reward=np.array(total_reward, dtype=np.float64),
    )


def seen_binary(pulls: list[float], successes: list[float]) -> Squares:
    """A state with sums of squares, from rewards of 0 and 1."""
    total = np.array(successes, dtype=np.float64)
    return Squares(pulls=np.array(pulls, dtype=np.float64), total_reward=total, total_square=total)


def rows(
    arms: list[int], rewards: list[float], propensities: list[float] | None = None
) -> Interactions:
    """A batch for a state without leading axes."""
    n = len(arms)
    return Interactions(
        arms=np.array(arms, dtype=np.int64),
        rewards=np.array(rewards, dtype=np.float64),
        propensities=np.ones(n) if propensities is None else np.array(propensities),
        state_versions=np.zeros(n, dtype=np.int64),
    )


def law(policy: Policy[Any, Any], state: State) -> list[float]:
    """Propensities, rounded so that they can be compared with what is worked by hand."""
    propensities: list[float] = policy.propensities(policy.prepare(state)).round(9).tolist()
    return propensities


def assert_exact(policy: Policy[Any, Any], regret: Mapping[int, float]) -> None:
    """Expected regret on Bernoulli (.9, .8) after T rounds, all states enumerated, to 1e-6."""
    found = exact_regret(policy, TWO_ARMS, horizon=max(regret))
    for horizon, expected in regret.items():
        assert abs(found[horizon - 1] - expected) < 1e-6, (horizon, found[horizon - 1])


def assert_regret(
    policy: Policy[Any, Any],
    means: tuple[float, ...],
    *,
    horizon: int,
    replications: int,
    mean: float,
    error: float,
) -> None:
    """Simulated regret on Bernoulli arms agrees with ``mean ± error``."""
    result = simulate(
        {"it": policy},
        Bernoulli(means),
        horizon=horizon,
        replications=replications,
        seed=SEED,
        progress=False,
    )
    found = result.traces["it"].regret[:, -1]
    own = found.std(ddof=1) / np.sqrt(replications)
    assert abs(found.mean() - mean) <= 4.0 * np.hypot(own, error), f"{found.mean()} ± {own}"


def best_in_testbed(policy: Policy[Any, Any], *, replications: int, horizon: int) -> Array:
    """Whether the best arm is chosen in the last round of Sutton and Barto's ten-armed testbed.

    Section 2.3 of the book: true values and noise are standard normal. The share of ones is known
    with a standard error of at most ``0.5 / sqrt(replications)``.
    """
    rng = np.random.default_rng(SEED)
    values = rng.standard_normal((replications, 10))
    row = np.arange(replications)
    state = policy.init(n_arms=10)
    state = type(state)(
        **{
            name: np.repeat(getattr(state, name)[None], replications, axis=0)
            for name in type(state).__slots__
        }
    )
    version = np.zeros((replications, 1), dtype=np.int64)
    arms = row
    for _ in range(horizon):
        propensities = policy.propensities(policy.prepare(state))
        upper = propensities.cumsum(-1)
        arms = (rng.random((replications, 1)) * upper[:, -1:] >= upper).sum(-1)
        rewards = values[row, arms] + rng.standard_normal(replications)
        batch = Interactions(
            arms=arms[:, None],
            rewards=rewards[:, None],
            propensities=propensities[row, arms][:, None],
            state_versions=version,
        )
        policy.update_in_place(state, batch)
    best: Array = (arms == values.argmax(-1)).astype(np.float64)
    return best
