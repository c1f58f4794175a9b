"""Bernoulli arms that change at given rounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qbrix.environments import PiecewiseStationary, environments
from qbrix.errors import InvalidParameter
from qbrix.policies.beta_ts import BetaTSPolicy
from qbrix.policies.ucb_alpha import UCBAlphaPolicy
from qbrix.rng import stream
from tests.policies.numbers import CHANGING, assert_regret

THREE = PiecewiseStationary([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]], changes=[3, 5])


def test_a_segment_begins_when_so_many_rounds_are_over() -> None:
    (rounds,) = THREE.play(stream(1), replications=2, horizon=7)
    np.testing.assert_array_equal(rounds.means[:, 0, 0], [0, 0, 0, 1, 1, 0.5, 0.5])
    np.testing.assert_array_equal(rounds.best[:, 1], [1, 1, 1, 1, 1, 0.5, 0.5])
    np.testing.assert_array_equal(rounds.rewards[:5, 0, 1], [1, 1, 1, 0, 0])


def test_each_segment_pays_with_its_probability() -> None:
    """50,000 draws a number, 5 standard deviations: false alarm below 4 × 6e-7 under a new seed."""
    environment = PiecewiseStationary([[0.2, 0.7], [0.6, 0.1]], changes=[50])
    (rounds,) = environment.play(stream(12), replications=1000, horizon=100)
    found = rounds.rewards.reshape(2, 50, 1000, 2).mean((1, 2))
    limit = 5.0 * np.sqrt(environment.means * (1.0 - environment.means) / 50_000)
    assert (np.abs(found - environment.means) <= limit).all()


def test_it_can_be_rebuilt_from_its_spec() -> None:
    again = environments.get(THREE.spec()["id"])(**THREE.parameters())
    assert again.spec() == THREE.spec()


def test_without_a_change_it_is_stationary() -> None:
    environment = PiecewiseStationary([[0.3, 0.4]], changes=[])
    (rounds,) = environment.play(stream(1), replications=1, horizon=9)
    assert (rounds.means == [0.3, 0.4]).all()


@pytest.mark.parametrize("means", [[], [0.5, 0.5], [[0.5, 1.1], [0.1, 0.2]], [[0.5], [0.1, 0.2]]])
def test_what_is_no_table_of_probabilities_is_refused(means: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"PiecewiseStationary\(means=.*one row per segment"):
        PiecewiseStationary(means, changes=[1])


@pytest.mark.parametrize("changes", [[], [0], [1, 2], [1.5], ["5"]])
def test_changes_that_do_not_fit_are_refused(changes: Any) -> None:
    with pytest.raises(InvalidParameter, match=r"changes=.*expected 1 increasing integers >= 1"):
        PiecewiseStationary([[0.5], [0.6]], changes=changes)


@pytest.mark.parametrize(
    ("policy", "mean", "error"),
    [(BetaTSPolicy(), 495.5, 5.2), (UCBAlphaPolicy(alpha=1.0), 275.8, 2.0)],
    ids=repr,
)
def test_regret_of_policies_that_do_not_forget(policy: Any, mean: float, error: float) -> None:
    """Three arms, four changes in 5000 rounds: measured in 1000 independent runs."""
    assert_regret(policy, environment=CHANGING, mean=mean, error=error, replications=200)
