"""When feedback is learned and when the new state decides: the serving regime, offline."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

from qbrix.checks import check_integer
from qbrix.errors import InvalidParameter

__all__ = ["Schedule"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Schedule:
    """Feedback arrives late and is learned in batches; the new state decides later still.

    Rounds are counted from 1. The feedback of round ``t`` arrives with the end of round
    ``t + delay``, or ``t + delay + e`` where the environment itself delays it by ``e``.

    *Learning.* After round ``t``, if ``t`` is a multiple of ``batch``, the learner makes one new
    version of the state from all feedback that has arrived and was not learned yet, in the order of
    arrival; feedback of one arrival round comes by round of decision. Where nothing has arrived
    there is no new version. What is still under way at the horizon is never learned.

    *Deciding.* A version that was made after round ``t`` is published with the end of round
    ``t + staleness``. Replica ``j`` of ``replicas`` (j = 0, 1, …) decides the rounds ``t`` with
    ``t - 1 ≡ j`` modulo ``replicas``. It takes the newest published version before the rounds with
    ``t - 1 ≡ ⌊j · refresh / replicas⌋`` modulo ``refresh``, and keeps it in between; all begin with
    version 0. ``state_versions`` tell the version that decided, whose propensities are logged.

    Parameters
    ----------
    delay : int >= 0, default 0
        Rounds that pass between a decision and the arrival of its feedback.
    batch : int >= 1, default 1
        Rounds between two versions of the state.
    staleness : int >= 0, default 0
        Rounds that pass between the making of a version and its publication.
    replicas : int >= 1, default 1
        Copies of the selecting role, which decide in turn.
    refresh : int >= 1, default 1
        Rounds between two looks of a replica at what is published.
    deduplicate : bool, default True
        Learn a feedback once, when it first arrives, as serving does. False learns every delivery:
        what at-least-once delivery costs those who do not count.

    Examples
    --------
    A service with 100 decisions/s whose users answer after 3 s, learning every half second:

    >>> Schedule(delay=300, batch=50)
    Schedule(delay=300, batch=50)

    The same in seconds, and two replicas that look for a new state every second:

    >>> Schedule.in_seconds(rounds_per_second=100, delay_s=3, batch_s=0.5, replicas=2, refresh_s=1)
    Schedule(delay=300, batch=50, replicas=2, refresh=100)

    Notes
    -----
    With ``batch=1``, waiting for publication and waiting for feedback are the same to the next
    decision: ``staleness=s`` and ``delay=s`` decide alike. With ``refresh=1`` every replica has
    what is published, so that their number makes no difference.
    """

    delay: int = 0
    batch: int = 1
    staleness: int = 0
    replicas: int = 1
    refresh: int = 1
    deduplicate: bool = True

    def __post_init__(self) -> None:
        for name in ("delay", "staleness"):
            check_integer(getattr(self, name), name=f"Schedule.{name}", least=0)
        for name in ("batch", "replicas", "refresh"):
            check_integer(getattr(self, name), name=f"Schedule.{name}", least=1)
        if not isinstance(self.deduplicate, bool):
            raise InvalidParameter(
                f"Schedule.deduplicate = {self.deduplicate!r}, expected true or false"
            )

    @classmethod
    def in_seconds(
        cls,
        *,
        rounds_per_second: float,
        delay_s: float = 0.0,
        batch_s: float = 0.0,
        staleness_s: float = 0.0,
        refresh_s: float = 0.0,
        replicas: int = 1,
        deduplicate: bool = True,
    ) -> Schedule:
        """A schedule for decisions that come evenly, ``rounds_per_second`` of them.

        Durations are rounded to whole rounds; what is shorter than a round happens every round.
        """
        _check_number(rounds_per_second, name="rounds_per_second", above=True)
        given = {"delay": delay_s, "batch": batch_s, "staleness": staleness_s, "refresh": refresh_s}
        for name, seconds in given.items():
            _check_number(seconds, name=f"{name}_s", above=False)
        rounds = {name: round(seconds * rounds_per_second) for name, seconds in given.items()}
        return cls(
            delay=rounds["delay"],
            batch=max(1, rounds["batch"]),
            staleness=rounds["staleness"],
            refresh=max(1, rounds["refresh"]),
            replicas=replicas,
            deduplicate=deduplicate,
        )

    @property
    def immediate(self) -> bool:
        """Whether every reward that arrives at once is learned before the next decision."""
        return self.delay == 0 and self.batch == 1 and self.staleness == 0 and self.refresh == 1

    def due(self, rounds: int) -> int:
        """How many of the first rounds are learned once ``rounds`` rounds were played.

        For feedback that takes ``delay`` rounds, no more and no less.
        """
        return max(0, rounds - rounds % self.batch - self.delay)

    def replica(self, round: int) -> int:
        """Which replica decides a round."""
        return (round - 1) % self.replicas

    def looks(self, replica: int, *, round: int) -> bool:
        """Whether a replica takes the newest published version before a round."""
        return (round - 1 - replica * self.refresh // self.replicas) % self.refresh == 0

    def parameters(self) -> dict[str, Any]:
        """Every field, fit for JSON."""
        return asdict(self)

    def __repr__(self) -> str:
        told = [
            f"{item.name}={getattr(self, item.name)!r}"
            for item in fields(self)
            if getattr(self, item.name) != item.default
        ]
        return f"Schedule({', '.join(told)})"


def _check_number(value: object, *, name: str, above: bool) -> None:
    """Raise unless ``value`` is a finite number >= 0, or > 0 with ``above``."""
    real = isinstance(value, (int, float)) and not isinstance(value, bool)
    number = float(cast(float, value)) if real else -1.0
    if not math.isfinite(number) or number < 0.0 or (above and number == 0.0):
        raise InvalidParameter(
            f"Schedule.in_seconds({name}={value!r}): expected a finite number "
            f"{'>' if above else '>='} 0"
        )
