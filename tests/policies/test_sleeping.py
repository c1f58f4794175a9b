"""Thompson sampling with sleeping arms has the law of Thompson sampling."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies._sleeping import play_beta, watch

# Shapes (a, b) of arms: a clear leader with arms that sleep, one that just does, one that does not.
SEPARATED = ([300.0, 45.0, 6.0, 2.0, 90.0], [200.0, 60.0, 60.0, 30.0, 110.0])
CLOSE = ([60.0, 58.0, 55.0, 1.0], [60.0, 60.0, 70.0, 1.0])
FLAT = ([1.0, 1.0, 1.0], [1.0, 1.0, 9.0])


def _shapes(arms: tuple[list[float], list[float]], replications: int) -> np.ndarray:
    return np.repeat(np.array(arms)[:, np.newaxis], replications, axis=1)


def test_arms_that_hardly_ever_win_sleep_and_the_leader_does_not() -> None:
    a, b = _shapes(SEPARATED, 200)
    seen = watch(a, b, rng=np.random.default_rng(1))
    first = seen.since.reshape(200, 5)
    assert (first[:, 0] == 0).all()
    assert (first[:, 2] > 0).all()
    assert seen.awake[0] <= 3 * 200


@pytest.mark.parametrize("arms", [SEPARATED, CLOSE, FLAT])
def test_every_round_of_a_block_has_the_propensities_of_its_posterior(
    arms: tuple[list[float], list[float]],
) -> None:
    """Freedman's inequality over 30 rounds of 400 replications; false alarm below 1e-6; seed 7."""
    runs, rounds = 400, 30
    shapes, rng = _shapes(arms, runs), np.random.default_rng(7)
    n_arms = shapes.shape[2]
    rewards = rng.integers(0, 2, (rounds, runs, n_arms)).astype(np.float64)
    after, chosen = shapes.copy(), np.empty((rounds, runs), dtype=np.int64)
    play_beta(after, rewards, chosen=chosen, rng=rng)
    surplus, variance = np.zeros(n_arms), np.zeros(n_arms)
    for row, paid in zip(chosen, rewards, strict=True):
        law = beta_best_arm(shapes[0], shapes[1])
        picked = row[:, np.newaxis] == np.arange(n_arms)
        surplus += picked.sum(0) - law.sum(0)
        variance += (law * (1.0 - law)).sum(0)
        shapes[0] += picked * paid
        shapes[1] += picked * (1.0 - paid)
    np.testing.assert_allclose(after, shapes, rtol=1e-12)
    rate = np.log(2.0 * n_arms / 1e-7)
    assert (np.abs(surplus) <= rate / 3.0 + np.sqrt(rate**2 / 9.0 + 2.0 * rate * variance)).all()


def test_one_round_of_many_replications_has_the_propensities() -> None:
    """100,000 draws; deviations beyond 5.5 standard errors: false alarm below 1e-6; seed 3."""
    runs = 100_000
    shapes = _shapes(SEPARATED, runs)
    law = beta_best_arm(shapes[0, 0], shapes[1, 0])
    chosen = np.empty((1, runs), dtype=np.int64)
    play_beta(shapes, np.zeros((1, runs, 5)), chosen=chosen, rng=np.random.default_rng(3))
    frequency = np.bincount(chosen[0], minlength=5) / runs
    error = np.sqrt(law * (1.0 - law) / runs)
    assert (np.abs(frequency - law) <= 5.5 * error + 10.0 / runs).all()
