"""The kinds of rewards: what an environment pays and what a policy learns from."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from qbrix.types import Array, BoolArray

__all__ = ["SUPPORTS", "RewardSupport", "described", "includes", "supported"]

RewardSupport: TypeAlias = Literal["binary", "bounded", "nonnegative", "continuous"]
"""{0, 1}, [0, 1], [0, inf) or any finite number."""

SUPPORTS: tuple[RewardSupport, ...] = get_args(RewardSupport)
"""From the narrowest to the widest; each includes those before it."""

_WORDS = {
    "binary": "0 or 1",
    "bounded": "a number in [0, 1]",
    "nonnegative": "a finite number >= 0",
    "continuous": "a finite number",
}


def described(support: str) -> str:
    """The support in words, e.g. ``a number in [0, 1]``."""
    return _WORDS[support]


def includes(wide: RewardSupport, narrow: RewardSupport) -> bool:
    """Whether every reward of the narrow support lies in the wide one."""
    return SUPPORTS.index(narrow) <= SUPPORTS.index(wide)


def supported(rewards: Array, support: str) -> BoolArray:
    """Which rewards lie in the support; NaN and infinities lie in none."""
    good: BoolArray = np.isfinite(rewards)
    if support == "binary":
        good = (rewards == 0.0) | (rewards == 1.0)
    elif support == "bounded":
        good = (rewards >= 0.0) & (rewards <= 1.0)
    elif support == "nonnegative":
        good &= rewards >= 0.0
    return good
