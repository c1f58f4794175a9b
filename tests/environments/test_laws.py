"""What holds for every environment of the catalogue."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from qbrix.environments import (
    Bernoulli,
    Classification,
    Environment,
    LinearContextual,
    PiecewiseStationary,
    Rounds,
    environments,
)
from qbrix.errors import InvalidParameter
from qbrix.rng import stream

INSTANCES: list[Environment] = [
    Bernoulli([0.1, 0.9, 0.9]),
    Bernoulli([0.5]),
    Classification.digits(),
    Classification([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]] * 20, ["a", "b", "a"] * 20),
    LinearContextual.random(n_arms=4, dim=3, seed=5),
    LinearContextual.random(n_arms=2, dim=5, seed=5, contexts="sphere", noise=0.5),
    PiecewiseStationary([[0.1, 0.9], [0.5, 0.2], [0.4, 0.4]], changes=[5, 20]),
    *(item.example() for item in environments if item.example().comparator == "round"),
]

each = pytest.mark.parametrize("environment", INSTANCES, ids=repr)


def dealt(
    environment: Environment, *, horizon: int = 30, block: int = 128, seed: int = 3
) -> Rounds:
    """All rounds of one play, joined."""
    rng = stream(seed, "environment")
    blocks = list(environment.play(rng, replications=4, horizon=horizon, block=block))
    joined: dict[str, Any] = {}
    for item in fields(Rounds):
        parts = [getattr(rounds, item.name) for rounds in blocks]
        joined[item.name] = None if parts[0] is None else np.concatenate(parts)
    return Rounds(**joined)


@each
def test_blocks_have_the_declared_shapes(environment: Environment) -> None:
    rounds = dealt(environment)
    shape = (30, 4, environment.n_arms)
    assert rounds.rewards.shape == rounds.means.shape == shape
    assert rounds.best.shape == shape[:2]
    if environment.dim:
        assert rounds.contexts is not None
        assert rounds.contexts.shape == (30, 4, environment.dim)
    else:
        assert rounds.contexts is None


@each
@pytest.mark.parametrize("block", [1, 7, 30])
def test_the_cut_into_blocks_changes_no_number(environment: Environment, block: int) -> None:
    whole, cut = dealt(environment), dealt(environment, block=block)
    for item in fields(Rounds):
        assert np.array_equal(getattr(whole, item.name), getattr(cut, item.name)), item.name


@each
def test_a_shorter_play_is_the_beginning_of_a_longer_one(environment: Environment) -> None:
    assert np.array_equal(dealt(environment, horizon=9).rewards, dealt(environment).rewards[:9])


@each
def test_seeds_and_replications_deal_different_rounds(environment: Environment) -> None:
    here, there = dealt(environment), dealt(environment, seed=4)
    assert not np.array_equal(here.rewards, there.rewards)
    assert not np.array_equal(here.rewards[:, 0], here.rewards[:, 1])


@each
def test_best_is_the_largest_available_mean_to_the_bit(
    environment: Environment,
) -> None:
    rounds = dealt(environment)
    there = True if rounds.available is None else rounds.available
    assert np.array_equal(rounds.best, np.where(there, rounds.means, -np.inf).max(-1))


@each
def test_rewards_lie_in_the_declared_support(environment: Environment) -> None:
    rewards = dealt(environment).rewards
    assert np.isfinite(rewards).all()
    if environment.reward == "binary":
        assert set(np.unique(rewards)) <= {0.0, 1.0}


@each
def test_the_spec_is_json_with_a_versioned_id(environment: Environment) -> None:
    spec = json.loads(json.dumps(environment.spec()))
    assert spec["id"] == f"{type(environment).__name__}@{environment.version}"
    assert spec["parameters"] == environment.parameters()


@each
@pytest.mark.parametrize("argument", ["replications", "horizon", "block"])
def test_sizes_below_one_are_refused_by_name(environment: Environment, argument: str) -> None:
    sizes = {"replications": 2, "horizon": 3, "block": 1, argument: 0}
    with pytest.raises(InvalidParameter, match=f"{argument} = 0"):
        environment.play(stream(1), **sizes)
