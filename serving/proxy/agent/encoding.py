"""Ids, times and rewards on their way in."""

from __future__ import annotations

import time
from collections import OrderedDict

import numpy as np

from qbrix.checks import check_rewards
from qbrix.support import RewardRange, rescaled

__all__ = ["RecentKeys", "check_reward", "new_decision_id", "wall_ms"]

_VARIANTS = "89ab"  # the first two bits are those of every UUID


class RecentKeys:
    """The latest keys, up to a limit: what we remember to have acknowledged."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._keys: OrderedDict[tuple[str, int, str, str], None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, int, str, str]) -> None:
        """Remember the key, forget the oldest when there are too many."""
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)


def new_decision_id(now_ms: int, entropy: bytes) -> str:
    """A UUIDv7 as 32 hex characters: time first, then 74 of 80 random bits."""
    noise = entropy.hex()
    return f"{now_ms:012x}7{noise[2:5]}{_VARIANTS[entropy[0] & 3]}{noise[5:]}"


def check_reward(reward: float, *, support: str, reward_range: RewardRange | None) -> None:
    """Raise SupportError unless the policy can learn from the reward, rescaled where it must be."""
    if reward_range is None and 0.0 <= reward <= 1.0 and (support == "bounded" or reward in (0, 1)):
        return
    paid = rescaled(np.asarray([reward]), reward_range)
    check_rewards(paid, support=support, owner="the experiment's policy")


def wall_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
