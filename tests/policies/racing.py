"""What several tests ask: batches by hand, races against a number, laws of learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments import Bernoulli, Environment, PiecewiseStationary
from qbrix.policies import Policy
from qbrix.simulator import simulate
from qbrix.state import State, arrays_of
from qbrix.types import Interactions

SEED = 20
CHANGING = PiecewiseStationary(
    [(0.3, 0.5, 0.9), (0.3, 0.2, 0.9), (0.3, 0.2, 0.1), (0.7, 0.2, 0.1), (0.7, 0.5, 0.1)],
    changes=[1000, 2000, 3000, 4000],
)


def interactions(
    arms: ArrayLike, rewards: ArrayLike, propensities: ArrayLike | None = None
) -> Interactions:
    """A batch of these rows; propensity 1 unless given."""
    chosen = np.asarray(arms)
    return Interactions(
        arms=chosen,
        rewards=np.asarray(rewards, dtype=np.float64),
        propensities=np.broadcast_to(
            np.asarray(1.0 if propensities is None else propensities), chosen.shape
        ),
        state_versions=np.zeros(chosen.shape, dtype=np.int64),
    )


def assert_regret(
    policy: Policy[Any, Any],
    *,
    mean: float,
    error: float,
    replications: int,
    environment: Environment | None = None,
) -> None:
    """Regret after 5000 rounds within 4 standard errors, theirs and ours combined.

    6e-5 under a new seed; the seed is fixed. Bernoulli (.9, .8) unless another environment is
    given: scenario 1 of Garivier and Cappé (2011).
    """
    result = simulate(
        {"it": policy},
        Bernoulli([0.9, 0.8]) if environment is None else environment,
        horizon=5000,
        replications=replications,
        seed=SEED,
        progress=False,
    )
    regret = result.traces["it"].regret[:, -1]
    own = regret.std(ddof=1) / np.sqrt(replications)
    assert abs(regret.mean() - mean) <= 4.0 * np.hypot(own, error), f"{regret.mean()} ± {own}"


def assert_cuts_and_padding_change_nothing(policy: Policy[Any, Any], *, n_arms: int = 3) -> None:
    """One batch, its pieces, and the same rows among padding and neighbours teach the same."""
    rng = np.random.default_rng(3)
    arms, rewards = rng.integers(n_arms, size=60), rng.integers(2, size=60).astype(np.float64)
    propensities = rng.uniform(0.1, 1.0, 60)
    start = policy.init(n_arms=n_arms)
    whole = policy.update(start, interactions(arms, rewards, propensities))
    pieces = start
    for cut in np.split(np.arange(60), [1, 2, 17, 40]):
        pieces = policy.update(pieces, interactions(arms[cut], rewards[cut], propensities[cut]))
    assert_close(pieces, whole)

    gaps = np.full((2, 90), -1)
    at = np.sort(rng.permutation(90)[:60])
    gaps[1, at] = arms
    gaps[0, :50] = rng.integers(n_arms, size=50)
    paid, logged = np.zeros((2, 90)), np.ones((2, 90))
    paid[1, at], logged[1, at] = rewards, propensities
    double = type(start)(**{name: np.stack([a, a]) for name, a in arrays_of(start)})
    among = policy.update(double, interactions(gaps, paid, logged))
    assert_close(type(start)(**{name: a[1] for name, a in arrays_of(among)}), whole)


def assert_close(a: State, b: State) -> None:
    """Equal to 1e-12 relative."""
    for (name, left), (_, right) in zip(arrays_of(a), arrays_of(b), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-300, err_msg=name)
