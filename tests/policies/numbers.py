"""What tests of policies share: states and batches by hand, published numbers, laws of learning.

Simulated means are held to 4 standard errors, theirs and ours combined: 6e-5 per number under a new
seed; the seed is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments import Bernoulli, Environment, PiecewiseStationary
from qbrix.policies import Policy
from qbrix.policies._counts import Rewards
from qbrix.policies._index import Squares
from qbrix.simulator import simulate
from qbrix.state import State, arrays_of
from qbrix.testing.enumeration import exact_regret
from qbrix.types import Array, Interactions

SEED = 20
TWO_ARMS = (0.9, 0.8)
TEN_ARMS = (0.1, 0.05, 0.05, 0.05, 0.02, 0.02, 0.02, 0.01, 0.01, 0.01)
CHANGING = PiecewiseStationary(
    [(0.3, 0.5, 0.9), (0.3, 0.2, 0.9), (0.3, 0.2, 0.1), (0.7, 0.2, 0.1), (0.7, 0.5, 0.1)],
    changes=[1000, 2000, 3000, 4000],
)


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
    arms: ArrayLike,
    rewards: ArrayLike,
    propensities: ArrayLike | None = None,
    *,
    contexts: ArrayLike | None = None,
) -> Interactions:
    """A batch of these rows, with leading axes where the arms have them; propensity 1 if none."""
    chosen = np.asarray(arms)
    logged = np.asarray(1.0 if propensities is None else propensities)
    return Interactions(
        arms=chosen,
        rewards=np.asarray(rewards, dtype=np.float64),
        propensities=np.broadcast_to(logged, chosen.shape),
        state_versions=np.zeros(chosen.shape, dtype=np.int64),
        contexts=None if contexts is None else np.asarray(contexts, dtype=np.float64),
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
    environment: Environment | tuple[float, ...] = TWO_ARMS,
    *,
    horizon: int = 5000,
    replications: int,
    mean: float,
    error: float,
) -> None:
    """Simulated regret, on Bernoulli arms or elsewhere, agrees with ``mean ± error``.

    By default scenario 1 of Garivier and Cappé (2011): Bernoulli (.9, .8), 5000 rounds.
    """
    result = simulate(
        {"it": policy},
        Bernoulli(environment) if isinstance(environment, tuple) else environment,
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


def assert_cuts_and_padding_change_nothing(policy: Policy[Any, Any], *, n_arms: int = 3) -> None:
    """One batch, its pieces, and the same rows among padding and neighbours teach the same."""
    rng = np.random.default_rng(3)
    arms, rewards = rng.integers(n_arms, size=60), rng.integers(2, size=60).astype(np.float64)
    propensities = rng.uniform(0.1, 1.0, 60)
    start = policy.init(n_arms=n_arms)
    whole = policy.update(start, rows(arms, rewards, propensities))
    pieces = start
    for cut in np.split(np.arange(60), [1, 2, 17, 40]):
        pieces = policy.update(pieces, rows(arms[cut], rewards[cut], propensities[cut]))
    assert_close(pieces, whole)

    gaps = np.full((2, 90), -1)
    at = np.sort(rng.permutation(90)[:60])
    gaps[1, at] = arms
    gaps[0, :50] = rng.integers(n_arms, size=50)
    paid, logged = np.zeros((2, 90)), np.ones((2, 90))
    paid[1, at], logged[1, at] = rewards, propensities
    double = type(start)(**{name: np.stack([a, a]) for name, a in arrays_of(start)})
    among = policy.update(double, rows(gaps, paid, logged))
    assert_close(type(start)(**{name: a[1] for name, a in arrays_of(among)}), whole)


def assert_close(a: State, b: State) -> None:
    """Equal to 1e-12 relative."""
    for (name, left), (_, right) in zip(arrays_of(a), arrays_of(b), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-300, err_msg=name)
