"""Bernoulli arms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.environments import Bernoulli, environments
from qbrix.errors import InvalidParameter
from qbrix.rng import stream


def test_each_arm_pays_with_its_probability() -> None:
    """100,000 draws an arm, 5 standard deviations: false alarm below 4 × 6e-7 under a new seed."""
    means = np.array([0.0, 0.05, 0.5, 0.9, 1.0])
    (rounds,) = Bernoulli(means).play(stream(11), replications=1000, horizon=100)
    found = rounds.rewards.mean((0, 1))
    assert (np.abs(found - means) <= 5.0 * np.sqrt(means * (1.0 - means) / 100_000)).all()


def test_a_worse_arm_never_pays_where_a_better_one_does_not() -> None:
    (rounds,) = Bernoulli([0.3, 0.6]).play(stream(2), replications=50, horizon=100)
    assert (rounds.rewards[..., 0] <= rounds.rewards[..., 1]).all()


def test_it_knows_its_optimum_and_can_be_rebuilt_from_its_spec() -> None:
    environment = Bernoulli([0.2, 0.7])
    again = environments.get(environment.spec()["id"])(**environment.parameters())
    assert isinstance(again, Bernoulli)
    assert again.optimum == 0.7
    assert again.spec() == environment.spec()


@pytest.mark.parametrize("means", [[], [[0.5]], [0.5, 1.1], [-0.1], [float("nan")], "ab", {}])
def test_what_is_no_probability_is_refused(means: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"Bernoulli.means = .*number in \[0, 1\] per arm"):
        Bernoulli(means)


def test_changing_the_given_array_changes_nothing() -> None:
    means = np.array([0.2, 0.7])
    environment = Bernoulli(means)
    means[:] = 0.0
    assert environment.optimum == 0.7
