"""Kinds of rewards, and ranges that are rescaled."""

from __future__ import annotations

import math

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, SupportError
from qbrix.support import SUPPORTS, check_range, described, includes, rescaled, supported


def test_a_wider_support_includes_the_narrower_ones() -> None:
    assert includes("continuous", "nonnegative")
    assert includes("nonnegative", "bounded")
    assert includes("bounded", "binary")
    assert not includes("bounded", "nonnegative")


def test_what_a_support_includes_it_contains() -> None:
    rewards = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, math.nan, math.inf])
    held = {kind: supported(rewards, kind).tolist() for kind in SUPPORTS}
    assert held["binary"] == [False, True, False, True, False, False, False]
    assert held["bounded"] == [False, True, True, True, False, False, False]
    assert held["nonnegative"] == [False, True, True, True, True, False, False]
    assert held["continuous"] == [True, True, True, True, True, False, False]
    assert len({described(kind) for kind in SUPPORTS}) == len(SUPPORTS)


def test_a_range_maps_its_ends_to_0_and_1() -> None:
    paid = rescaled(np.array([-2.0, 1.0, 4.0]), (-2.0, 4.0))
    assert paid.tolist() == [0.0, 0.5, 1.0]


def test_rescaled_rewards_never_leave_the_unit_interval() -> None:
    rng = np.random.default_rng(7)
    for low, high in rng.standard_normal((200, 2)).cumsum(-1):
        if low < high:
            between = np.concatenate([rng.uniform(low, high, 50), [low, high]]).clip(low, high)
            assert supported(rescaled(between, (low, high)), "bounded").all()


@pytest.mark.parametrize("reward", [-2.0000001, 5.0, math.nan, math.inf])
def test_a_reward_outside_the_range_is_named_not_clipped(reward: float) -> None:
    with pytest.raises(SupportError, match=r"outside the declared reward_range \[-2.0, 4.0\]"):
        rescaled(np.array([0.0, reward]), (-2.0, 4.0))


@pytest.mark.parametrize(
    "ends", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf), (-1e308, 1e308)]
)
def test_a_range_is_two_finite_numbers_in_order(ends: tuple[float, float]) -> None:
    with pytest.raises(InvalidParameter, match=r"reward_range = .*low < high"):
        check_range(ends)
