"""EXP3 with implicit exploration."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, SupportError
from qbrix.policies import get
from qbrix.policies._weighted import Losses
from qbrix.policies.exp3_ix import EXP3IXPolicy
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def test_an_estimate_by_hand() -> None:
    """Losses 1 and ½ at propensities ½ and .4 with γ = .1: 1/.6 and .5/.5; a full reward adds 0."""
    policy = EXP3IXPolicy(gamma=0.1)
    batch = rows([0, 1, 1], [0.0, 0.5, 1.0], [0.5, 0.4, 1.0])
    state = policy.update(policy.init(n_arms=2), batch)
    assert state.weighted_loss == pytest.approx([1.0 / 0.6, 1.0])
    np.testing.assert_array_equal(state.pulls, [1.0, 2.0])


def test_the_law_by_hand() -> None:
    """η L = ln 2 and ln 6 behind the leader: weights 6 : 3 : 1."""
    policy = EXP3IXPolicy(eta=0.5)
    losses = np.array([4.0, 4.0 + 2.0 * np.log(2.0), 4.0 + 2.0 * np.log(6.0)])
    law = policy.propensities(Losses(pulls=np.ones(3), weighted_loss=losses))
    assert law == pytest.approx([0.6, 0.3, 0.1])


def test_no_event_weighs_more_than_one_over_gamma() -> None:
    policy = EXP3IXPolicy(gamma=0.25)
    state = policy.update(policy.init(n_arms=2), rows([0], [0.0], [1e-12]))
    assert state.weighted_loss[0] == pytest.approx(4.0)


def test_the_wire_knows_it_by_name_with_the_defaults_of_the_contract() -> None:
    policy = get("EXP3IXPolicy")()
    assert get("exp3_ix") is EXP3IXPolicy
    assert policy.parameters() == {"gamma": 0.1, "eta": 0.1}


@pytest.mark.parametrize("wrong", [{"gamma": 0.0}, {"gamma": 1.1}, {"eta": 0.0}, {"eta": 2.0}])
def test_rates_outside_0_1_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameter, match=f"EXP3IXPolicy.{next(iter(wrong))}"):
        EXP3IXPolicy(**wrong)


def test_a_reward_above_1_is_refused() -> None:
    policy = EXP3IXPolicy()
    with pytest.raises(SupportError, match=r"300\.0"):
        policy.update(policy.init(n_arms=2), rows([0], [300.0]))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(EXP3IXPolicy())
