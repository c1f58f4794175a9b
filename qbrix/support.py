"""The kinds of rewards: what an environment pays and what a policy learns from."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from qbrix.errors import InvalidParameter, SupportError
from qbrix.types import Array, BoolArray

__all__ = [
    "LARGEST",
    "SUPPORTS",
    "RewardRange",
    "RewardSupport",
    "check_range",
    "described",
    "includes",
    "rescaled",
    "supported",
]

RewardSupport: TypeAlias = Literal["binary", "bounded", "nonnegative", "continuous"]
"""{0, 1}, [0, 1], [0, `LARGEST`] or [-`LARGEST`, `LARGEST`]."""

LARGEST = 1e100
"""Whatever is learned or decided from is at most this large, so that sums of squares are finite."""

RewardRange: TypeAlias = tuple[float, float]
"""The declared smallest and largest reward; what a policy learns is rescaled to [0, 1]."""

SUPPORTS: tuple[RewardSupport, ...] = get_args(RewardSupport)
"""From the narrowest to the widest; each includes those before it."""

_WORDS = {
    "binary": "0 or 1",
    "bounded": "a number in [0, 1]",
    "nonnegative": f"a number in [0, {LARGEST:g}]",
    "continuous": f"a number in [{-LARGEST:g}, {LARGEST:g}]",
}


def described(support: str) -> str:
    """The support in words, e.g. ``a number in [0, 1]``."""
    return _WORDS[support]


def includes(wide: RewardSupport, narrow: RewardSupport) -> bool:
    """Whether every reward of the narrow support lies in the wide one."""
    return SUPPORTS.index(narrow) <= SUPPORTS.index(wide)


def supported(rewards: Array, support: str) -> BoolArray:
    """Which rewards lie in the support; NaN and infinities lie in none."""
    good: BoolArray = np.abs(rewards) <= LARGEST
    if support == "binary":
        good = (rewards == 0.0) | (rewards == 1.0)
    elif support == "bounded":
        good = (rewards >= 0.0) & (rewards <= 1.0)
    elif support == "nonnegative":
        good &= rewards >= 0.0
    return good


def check_range(reward_range: RewardRange) -> None:
    """Raise `InvalidParameter` unless these are two finite numbers, the smaller one first."""
    low, high = reward_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high and np.isfinite(high - low)):
        raise InvalidParameter(
            f"reward_range = [{low!r}, {high!r}], expected two finite numbers [low, high] with "
            "low < high"
        )


def rescaled(rewards: Array, reward_range: RewardRange | None) -> Array:
    """``(r - low) / (high - low)``, in [0, 1]; the rewards themselves without a range.

    Raises
    ------
    SupportError
        Naming the first reward outside the range: nothing is ever clipped.
    """
    if reward_range is None:
        return rewards
    low, high = reward_range
    inside = (rewards >= low) & (rewards <= high)
    if not np.all(inside):
        worst = float(np.asarray(rewards)[~np.asarray(inside)].flat[0])
        raise SupportError(
            f"rewards contain {worst!r}, outside the declared reward_range [{low!r}, {high!r}]; "
            "declare a wider one or mend what pays"
        )
    return (rewards - low) / (high - low)
