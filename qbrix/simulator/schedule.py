"""When feedback arrives and when the state follows: the serving regime, offline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qbrix.checks import check_integer

__all__ = ["Schedule"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Feedback arrives late and is learned in batches.

    After round ``t`` (counted from 1), if ``t`` is a multiple of ``batch``, the policy learns at
    once, in order, all feedback of rounds up to ``t - delay`` that it has not learned yet. Until
    then it decides with the state that it has. What is still under way at the horizon is never
    learned.

    Parameters
    ----------
    delay : int >= 0, default 0
        Rounds that pass between a decision and the arrival of its feedback.
    batch : int >= 1, default 1
        Rounds between two versions of the state.

    Examples
    --------
    A service with 100 decisions/s whose users answer after 3 s, learning every half second:

    >>> schedule = Schedule(delay=300, batch=50)
    """

    delay: int = 0
    batch: int = 1

    def __post_init__(self) -> None:
        check_integer(self.delay, name="Schedule.delay", least=0)
        check_integer(self.batch, name="Schedule.batch", least=1)

    @property
    def immediate(self) -> bool:
        """Whether every reward is learned before the next decision."""
        return self.delay == 0 and self.batch == 1

    def due(self, rounds: int) -> int:
        """How many of the first rounds are learned once ``rounds`` rounds were played."""
        return max(0, rounds - rounds % self.batch - self.delay)

    def parameters(self) -> dict[str, Any]:
        """Delay and batch, fit for JSON."""
        return {"delay": self.delay, "batch": self.batch}
