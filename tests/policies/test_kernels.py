"""Compiled loops: their random numbers have their laws, their rounds the propensities."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from qbrix.policies import Policy, get
from qbrix.policies._beta_best_arm import beta_best_arm
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.epsilon import EpsilonPolicy
from qbrix.policies.kernels import chance
from qbrix.policies.kernels._compiled import compiled
from qbrix.policies.kernels.choice import largest
from qbrix.policies.kernels.thompson import play_beta, play_small_beta
from qbrix.state import State, map_arrays
from qbrix.testing.learning_laws import check_play_is_rounds_in_turn
from qbrix.types import Array

ALARM = 1e-7

# Shapes (a, b) of arms: a clear leader with arms that sleep, one that just does, one that does not.
SEPARATED = ([300.0, 45.0, 6.0, 2.0, 90.0], [200.0, 60.0, 60.0, 30.0, 110.0])
CLOSE = ([60.0, 58.0, 55.0, 1.0], [60.0, 60.0, 70.0, 1.0])
FLAT = ([1.0, 1.0, 1.0], [1.0, 1.0, 9.0])
SMALL = ([0.5, 0.01, 3.0], [0.5, 0.02, 4.0])


def _shapes(arms: tuple[list[float], list[float]], replications: int) -> Array:
    return np.repeat(np.array(arms)[:, np.newaxis], replications, axis=1)


@compiled
def _many(kind: int, stream: chance.Stream, a: float, b: float, out: Array) -> None:
    for i in range(out.size):
        if kind == 0:
            out[i] = chance.uniform(stream)
        elif kind == 1:
            out[i] = chance.normal(stream)
        elif kind == 2:
            out[i] = chance.exponential(stream)
        elif kind == 3:
            odds = chance.odds(stream, a, b)
            out[i] = odds / (1.0 + odds)
        else:
            out[i] = chance.log_odds(stream, a, b)


@pytest.mark.parametrize(
    ("kind", "a", "b", "law"),
    [
        (0, 1.0, 1.0, stats.uniform().cdf),
        (1, 1.0, 1.0, stats.norm().cdf),
        (2, 1.0, 1.0, stats.expon().cdf),
        (3, 1.0, 1.0, stats.beta(1.0, 1.0).cdf),
        (3, 1.5, 40.0, stats.beta(1.5, 40.0).cdf),
        (3, 300.0, 200.0, stats.beta(300.0, 200.0).cdf),
        (4, 0.5, 0.5, lambda y: stats.beta(0.5, 0.5).cdf(1.0 / (1.0 + np.exp(-y)))),
        (4, 0.2, 3.0, lambda y: stats.beta(0.2, 3.0).cdf(1.0 / (1.0 + np.exp(-y)))),
    ],
)
def test_numbers_have_their_laws(
    kind: int, a: float, b: float, law: Callable[[Array], Array]
) -> None:
    """The empirical law of 200,000 numbers, by Massart's inequality; seed 5."""
    sample = np.empty(200_000)
    _many(kind, chance.streams(np.random.default_rng(5), 1)[0], a, b, sample)
    below = law(np.sort(sample))
    ranks = np.arange(sample.size + 1) / sample.size
    distance = max(np.abs(ranks[1:] - below).max(), np.abs(below - ranks[:-1]).max())
    assert distance <= np.sqrt(np.log(2.0 / ALARM) / (2.0 * sample.size))


def test_gammas_of_a_tiny_shape_do_not_vanish() -> None:
    """Of Beta(s, s) with s = 1e-4 the log odds are ln u₁ / s − ln u₂ / s: a Laplace law, 1/s wide.

    Massart's inequality; seed 6.
    """
    sample = np.empty(50_000)
    _many(4, chance.streams(np.random.default_rng(6), 1)[0], 1e-4, 1e-4, sample)
    assert np.isfinite(sample).all()
    below = stats.laplace(scale=1e4).cdf(np.sort(sample))
    ranks = np.arange(1, sample.size + 1) / sample.size
    assert np.abs(ranks - below).max() <= 1e-3 + np.sqrt(np.log(2.0 / ALARM) / 1e5)


def test_streams_do_not_depend_on_how_many_there_are() -> None:
    few, many = (chance.streams(np.random.default_rng(3), n) for n in (4, 9))
    np.testing.assert_array_equal(few, many[:4])


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.1, 0.7, 0.3], {1}),
        ([0.7, 0.7 - 0.9e-9, 0.7 - 1.1e-9], {0, 1}),
        ([-5e9, -5e9 - 4.0, -5e9 - 6.0], {0, 1}),
        ([0.0, 1.7e308, 1.7e308], {1, 2}),
        ([2.0], {0}),
    ],
)
def test_the_largest_scores_share_evenly(scores: list[float], best: set[int]) -> None:
    """10,000 choices; Hoeffding's inequality; seed 2."""
    stream = chance.streams(np.random.default_rng(2), 1)[0]
    row = np.array([scores])
    counts = np.bincount([largest(row, 0, stream) for _ in range(10_000)], minlength=len(scores))
    assert {int(k) for k in counts.nonzero()[0]} == best
    shares = counts[sorted(best)] / 10_000
    assert np.abs(shares - 1.0 / len(best)).max() <= np.sqrt(np.log(2.0 / ALARM) / 20_000)


@pytest.mark.parametrize("arms", [SEPARATED, CLOSE, FLAT])
def test_every_round_has_the_propensities_of_its_posterior(
    arms: tuple[list[float], list[float]],
) -> None:
    _expect_thompson(play_beta, arms, rounds=30)


def test_shapes_below_one_have_the_propensities_too() -> None:
    _expect_thompson(play_small_beta, SMALL, rounds=12)


def _expect_thompson(
    play: Callable[..., None], arms: tuple[list[float], list[float]], *, rounds: int
) -> None:
    """Freedman's inequality over the rounds of 400 replications; seed 7."""
    runs = 400
    shapes, rng = _shapes(arms, runs), np.random.default_rng(7)
    n_arms = shapes.shape[2]
    rewards = rng.integers(0, 2, (rounds, runs, n_arms)).astype(np.float64)
    after, chosen = shapes.copy(), np.empty((rounds, runs), dtype=np.int64)
    play(after, rewards, chance.streams(rng, rounds), chosen)
    surplus, variance = np.zeros(n_arms), np.zeros(n_arms)
    for row, paid in zip(chosen, rewards, strict=True):
        law = beta_best_arm(shapes[0], shapes[1])
        picked = row[:, np.newaxis] == np.arange(n_arms)
        surplus += picked.sum(0) - law.sum(0)
        variance += (law * (1.0 - law)).sum(0)
        shapes[0] += picked * paid
        shapes[1] += picked * (1.0 - paid)
    np.testing.assert_allclose(after, shapes, rtol=1e-12)
    rate = np.log(2.0 * n_arms / ALARM)
    assert (np.abs(surplus) <= rate / 3.0 + np.sqrt(rate**2 / 9.0 + 2.0 * rate * variance)).all()


@pytest.mark.parametrize("arms", [SEPARATED, CLOSE])
def test_one_round_of_many_replications_has_the_propensities(
    arms: tuple[list[float], list[float]],
) -> None:
    """100,000 draws; deviations beyond 5.5 standard errors: false alarm below 1e-6; seed 3."""
    runs = 100_000
    shapes = _shapes(arms, runs)
    law = beta_best_arm(shapes[0, 0], shapes[1, 0])
    chosen, rng = np.empty((1, runs), dtype=np.int64), np.random.default_rng(3)
    play_beta(shapes, np.zeros((1, runs, law.size)), chance.streams(rng, 1), chosen)
    frequency = np.bincount(chosen[0], minlength=law.size) / runs
    error = np.sqrt(law * (1.0 - law) / runs)
    assert (np.abs(frequency - law) <= 5.5 * error + 10.0 / runs).all()


@pytest.mark.parametrize(
    "policy",
    [EpsilonPolicy(eps=0.5, gamma=0.9), BetaTSPolicy(alpha_prior=0.5, beta_prior=0.2)],
)
def test_other_parameters_than_the_examples_play_as_they_say(policy: Policy[State, object]) -> None:
    check_play_is_rounds_in_turn(policy)


@pytest.mark.parametrize("name", ["ucb1", "klucb", "epsilon"])
def test_the_cut_into_blocks_changes_nothing(name: str) -> None:
    policy = get(name).example()
    rewards = np.random.default_rng(1).integers(0, 2, (90, 7, 4)).astype(np.float64)

    def arms(cuts: list[int]) -> Array:
        state = map_arrays(
            lambda value: np.repeat(value[np.newaxis], 7, axis=0), policy.init(n_arms=4)
        )
        prepared, rng, parts = policy.prepare(state), np.random.default_rng(4), []
        for part in np.split(rewards, cuts):
            chosen, prepared = policy.play(prepared, state, part, rng=rng)
            parts.append(chosen)
        return np.concatenate(parts)

    np.testing.assert_array_equal(arms([]), arms([1, 3, 40]))


def test_who_only_decides_and_learns_never_loads_the_compiler() -> None:
    code = (
        "import sys; import qbrix, qbrix.policies, qbrix.ledger, qbrix.bundle, qbrix.simulator\n"
        "list(qbrix.policies.policies)\n"
        "assert 'numba' not in sys.modules, 'numba'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_kernel_is_compiled_where_nothing_can_be_kept() -> None:
    """A function without a file has no place beside it; the law of the arithmetic stays."""
    room: dict[str, Callable[[float], float]] = {}
    exec(compile("def doubled(x):\n    return 2.0 * x\n", "<nowhere>", "exec"), room)
    assert compiled(room["doubled"])(1.5) == 3.0
