"""How far another machine's clock is from ours, as far as one question can tell."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClockOffset"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockOffset:
    """The other clock minus ours; the truth lies within ``within_s`` of ``ahead_s``."""

    ahead_s: float
    within_s: float

    @classmethod
    def read(cls, told_s: float, *, asked_s: float, answered_s: float) -> ClockOffset:
        """It was read somewhere between question and answer, by our clock: the middle is taken."""
        half_s = max(0.0, answered_s - asked_s) / 2
        return cls(ahead_s=told_s - (asked_s + answered_s) / 2, within_s=half_s)

    @property
    def certain_s(self) -> float:
        """How far apart the clocks are at least."""
        return max(0.0, abs(self.ahead_s) - self.within_s)
