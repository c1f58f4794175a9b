"""Laws of environments that chance decides, with the probability of a false alarm stated."""

from __future__ import annotations

import numpy as np

from qbrix.environments import Environment
from qbrix.support import includes
from qbrix.testing.contract import expect
from qbrix.testing.environment_laws import dealt
from qbrix.types import Array

__all__ = [
    "check_means_are_expectations",
    "check_replications_are_independent",
    "check_seeds_and_replications_differ",
]

_FALSE_ALARM = 1e-7
_REPLICATIONS = 1000
_HORIZON = 40


def check_means_are_expectations(environment: Environment) -> None:
    """Rewards average to the means.

    For rewards in [0, 1] by Hoeffding's inequality in its relative-entropy form: a faithful
    environment is accused with a probability of at most 1e-7 over all arms. For other rewards by
    Student's t over 1000 replications at the same level, which heavy tails make smaller still.
    """
    rounds = dealt(environment, horizon=_HORIZON, replications=_REPLICATIONS)
    level = np.log(2.0 * environment.n_arms / _FALSE_ALARM)
    if includes("bounded", environment.reward):
        found, declared = rounds.rewards.mean((0, 1)), rounds.means.mean((0, 1))
        size = rounds.rewards.shape[0] * rounds.rewards.shape[1]
        wrong = size * _relative_entropy(found, declared) > level
    else:
        excess = (rounds.rewards - rounds.means).mean(0)
        found, declared = rounds.rewards.mean((0, 1)), rounds.means.mean((0, 1))
        wrong = np.abs(excess.mean(0)) > _standard_errors(environment.n_arms) * _error(excess)
    expect(
        not wrong.any(),
        f"arms {np.flatnonzero(wrong).tolist()} pay {found[wrong]} on average, "
        f"their means are {declared[wrong]}",
    )


def check_replications_are_independent(environment: Environment) -> None:
    """What chance adds to a reward in one replication says nothing about another one.

    The products of neighbouring replications' residuals average to 0 within 5.7 standard errors
    over 500 pairs and all arms: a false alarm in about 1e-7 of the seeds.
    """
    rounds = dealt(environment, horizon=_HORIZON, replications=_REPLICATIONS)
    residual = rounds.rewards - rounds.means
    products = (residual[:, 0::2] * residual[:, 1::2]).mean(0)
    wrong = np.abs(products.mean(0)) > _standard_errors(environment.n_arms) * _error(products)
    expect(
        not wrong.any(),
        f"residuals of neighbouring replications agree on arms {np.flatnonzero(wrong).tolist()}",
    )


def check_seeds_and_replications_differ(environment: Environment) -> None:
    """Another seed deals other rounds, and so does another replication."""
    here, there = dealt(environment), dealt(environment, seed=4)
    expect(not np.array_equal(here.rewards, there.rewards), "two seeds deal the same rewards")
    expect(
        not np.array_equal(here.rewards[:, 0], here.rewards[:, 1]),
        "two replications have the same rewards",
    )
    if here.contexts is not None:
        expect(
            not np.array_equal(here.contexts[:, 0], here.contexts[:, 1]),
            "two replications have the same contexts",
        )


def _relative_entropy(p: Array, q: Array) -> Array:
    """kl(p, q) of two Bernoulli laws."""
    from scipy.special import rel_entr

    entropy: Array = rel_entr(p, q) + rel_entr(1.0 - p, 1.0 - q)
    return entropy


def _error(values: Array) -> Array:
    """Standard error of the mean over the first axis, and what rounding may add."""
    spread = values.std(0, ddof=1) / np.sqrt(len(values))
    error: Array = spread + 1e-12 * (1.0 + np.abs(values).max(0, initial=0.0))
    return error


def _standard_errors(comparisons: int) -> float:
    """How many standard errors keep the false alarm over so many comparisons at its level."""
    from scipy.special import stdtrit

    tail = _FALSE_ALARM / (2.0 * comparisons)
    return float(-stdtrit(_REPLICATIONS // 2 - 1, tail))
