"""Which rewards of a decision count, and when: window, default and aggregation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.ledger.disposition import Disposition
from qbrix.ledger.names import retraction_target

__all__ = ["Aggregation", "Attribution", "Told", "conclusion"]

Aggregation: TypeAlias = Literal["first", "sum", "max", "last"]
"""Which rewards of a decision are learned: each name once and at once, or one of all together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attribution:
    """How the rewards of one decision become what is learned of it.

    Attributes
    ----------
    window_s : float > 0, optional
        A reward that is received more than so many seconds after its decision is late: recorded,
        not learned. None waits for ever.
    default_reward : float, optional
        What a decision without a reward is taken to have paid, once its window closes.
    aggregation : {"first", "sum", "max", "last"}
        ``first`` learns each reward at once, one per feedback id; the others wait until the window
        closes and learn one number.
    """

    window_s: float | None = None
    default_reward: float | None = None
    aggregation: Aggregation = "first"

    def __post_init__(self) -> None:
        window_s, reward = self.window_s, self.default_reward
        if window_s is not None and not (0.0 < window_s < np.inf):
            raise InvalidParameter(
                f"window_s = {window_s!r}, expected a positive number of seconds, or none"
            )
        if reward is not None and not np.isfinite(reward):
            raise InvalidParameter(f"default_reward = {reward!r}, expected a finite number")
        if self.aggregation not in get_args(Aggregation):
            raise InvalidParameter(
                f"aggregation = {self.aggregation!r}, expected one of {get_args(Aggregation)}"
            )
        if self.closes and window_s is None:
            told = (
                f"aggregation = {self.aggregation!r}"
                if self.aggregation != "first"
                else f"default_reward = {reward!r}"
            )
            raise InvalidParameter(f"{told} is learned when the window closes; set window_s too")

    @property
    def closes(self) -> bool:
        """Whether something is learned when a window closes."""
        return self.default_reward is not None or self.aggregation != "first"

    @property
    def window_ms(self) -> int | None:
        """The window in milliseconds."""
        return None if self.window_s is None else round(self.window_s * 1000)

    def aggregate(self, rewards: Sequence[float]) -> float:
        """One number of rewards in the order in which they were received; there is at least one."""
        if self.aggregation == "sum":
            total = 0.0  # one addition after the other: `sum` compensates from Python 3.12 on
            for reward in rewards:
                total += reward
            return total
        if self.aggregation == "max":
            return max(rewards)
        return rewards[-1 if self.aggregation == "last" else 0]


class Told(NamedTuple):
    """One row about a decision."""

    feedback_id: str
    disposition: int
    reward: float
    received_ms: int


def conclusion(story: Iterable[Told], attribution: Attribution) -> tuple[Disposition, float] | None:
    """What a decision's closed window teaches: kind and reward of a row; None for nothing (more).

    Depends on which rows the ledger holds, not on the order in which they came there.
    """
    rows = list(story)
    taken = {retraction_target(row.feedback_id) for row in rows}
    standing = [row for row in rows if row.feedback_id not in taken]
    held = [row for row in standing if row.disposition == Disposition.HELD]
    if held:
        held.sort(key=lambda row: (row.received_ms, row.feedback_id))
        return Disposition.CLOSED, attribution.aggregate([row.reward for row in held])
    if any(row.disposition == Disposition.FOLDED for row in standing):
        return None
    if attribution.default_reward is None:
        return None
    return Disposition.DEFAULT, attribution.default_reward
