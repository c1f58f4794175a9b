"""Hedge on estimated losses."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.policies._weighted import Losses
from qbrix.policies.hedge import HedgePolicy
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def test_the_law_by_hand() -> None:
    """Total losses ln 4, ln 2 and 0 at η = 1: weights 1 : 2 : 4."""
    policy = HedgePolicy(eta=1.0)
    state = Losses(pulls=np.ones(3), weighted_loss=np.log([4.0, 2.0, 1.0]))
    assert policy.propensities(state) == pytest.approx([1 / 7, 2 / 7, 4 / 7])


def test_estimates_are_unbiased() -> None:
    """Losses (.2, .7, 1) at propensities (.5, .3, .2): expectation over the choice is the loss."""
    policy = HedgePolicy()
    law, losses = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.7, 1.0])
    expected = np.zeros(3)
    for arm, (p, loss) in enumerate(zip(law, losses, strict=True)):
        batch = rows([arm], [1.0 - loss], [p])
        expected += p * policy.update(policy.init(n_arms=3), batch).weighted_loss
    assert expected == pytest.approx(losses)


def test_a_mask_keeps_the_proportions_of_the_others() -> None:
    policy = HedgePolicy(eta=1.0)
    state = Losses(pulls=np.ones(3), weighted_loss=np.log([4.0, 2.0, 1.0]))
    law = policy.propensities(state, mask=np.array([True, True, False]))
    assert law == pytest.approx([1 / 3, 2 / 3, 0.0])


def test_merged_histories_are_one_history() -> None:
    policy = HedgePolicy()
    empty = policy.init(n_arms=2)
    a = policy.update(empty, rows([0], [0.5], [0.25]))
    b = policy.update(empty, rows([1, 0], [0.0, 0.0], [0.5, 1.0]))
    merged = policy.merge(a, b)
    np.testing.assert_array_equal(merged.weighted_loss, [3.0, 2.0])
    np.testing.assert_array_equal(merged.pulls, [2.0, 1.0])


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(HedgePolicy())
