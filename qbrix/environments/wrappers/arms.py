"""Arms that arrive and retire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Self, TypeAlias

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers.base import Wrapper
from qbrix.errors import InvalidParameter
from qbrix.types import BoolArray, IntArray

__all__ = ["ArmsComeAndGo"]

Moments: TypeAlias = Mapping[int, int] | Iterable[tuple[int, int]]

_NEVER = np.iinfo(np.int64).max


class ArmsComeAndGo(Wrapper):
    """Some arms are not there from the beginning, or not until the end.

    An arm keeps its index for ever. Policies are told by a mask which arms may be chosen, and
    regret is counted against the best arm among them.

    Parameters
    ----------
    environment : Environment
        What is wrapped.
    arrive : mapping of arm to integer >= 0, optional
        Number of rounds that are over when the arm becomes available; the others are there at once.
        Pairs (arm, rounds) will do.
    retire : mapping of arm to integer >= 1, optional
        Number of rounds that are over when the arm stops being available; the others stay.

    Examples
    --------
    The best of three arms leaves after two rounds, and the worst is there one round later:

    >>> from qbrix.environments import Bernoulli
    >>> environment = ArmsComeAndGo(Bernoulli([0.9, 0.5, 0.1]), arrive={2: 1}, retire={0: 2})
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=3))
    >>> rounds.available[:, 0].astype(int).tolist(), rounds.best[:, 0].tolist()
    ([[1, 1, 0], [1, 1, 1], [0, 1, 1]], [0.9, 0.9, 0.5])

    Notes
    -----
    An arm that leaves and comes back takes two wrappers: an arm is available where all say so.
    """

    def __init__(
        self, environment: Environment, *, arrive: Moments = (), retire: Moments = ()
    ) -> None:
        super().__init__(environment)
        self.arrive = self._moments(arrive, name="arrive", absent=0)
        self.retire = self._moments(retire, name="retire", absent=_NEVER)
        self.comparator = "round"
        self._check()

    @classmethod
    def example(cls) -> Self:
        """Three arms: one comes after 5 rounds, the first one leaves after 10."""
        return cls(Bernoulli([0.9, 0.5, 0.7]), arrive={2: 5}, retire={0: 10})

    @property
    def optimum(self) -> float | None:
        """None: the best arm may leave."""
        return None

    def settings(self) -> dict[str, Any]:
        """Arms and rounds, as pairs."""
        return {
            "arrive": [[int(arm), int(self.arrive[arm])] for arm in np.flatnonzero(self.arrive)],
            "retire": [
                [int(arm), int(self.retire[arm])] for arm in np.flatnonzero(self.retire < _NEVER)
            ],
        }

    def available(self, rounds: IntArray) -> BoolArray:
        """Which arms (n, K) are there when so many rounds (n,) are over."""
        over = rounds[:, np.newaxis]
        there: BoolArray = (self.arrive <= over) & (over < self.retire)
        return there

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """No random number."""
        over = np.arange(start, start + len(rounds.rewards))
        available = np.broadcast_to(self.available(over)[:, np.newaxis], rounds.rewards.shape)
        if rounds.available is not None:
            available = available & rounds.available
            if not available.any(-1).all():
                raise InvalidParameter(
                    f"{self!r} leaves a round without any available arm; keep one in each"
                )
        best = np.where(available, rounds.means, -np.inf).max(-1)
        return replace(rounds, available=available, best=best)

    def _moments(self, moments: Moments, *, name: str, absent: int) -> IntArray:
        pairs = _pairs(moments, name=name)
        by_arm = np.full(self.n_arms, absent, dtype=np.int64)
        for arm, rounds in pairs.items():
            check_integer(arm, name=f"ArmsComeAndGo.{name}: arm", least=0)
            check_integer(rounds, name=f"ArmsComeAndGo.{name}[{arm}]", least=0)
            if arm >= self.n_arms:
                raise InvalidParameter(
                    f"ArmsComeAndGo.{name} names arm {arm}, {type(self.environment).__name__} has "
                    f"arms 0 … {self.n_arms - 1}"
                )
            by_arm[arm] = rounds
        by_arm.flags.writeable = False
        return by_arm

    def _check(self) -> None:
        empty = np.flatnonzero(self.arrive >= self.retire)
        if empty.size:
            raise InvalidParameter(
                f"arm {empty[0]} arrives after {self.arrive[empty[0]]} rounds and retires after "
                f"{self.retire[empty[0]]}; let it arrive before it retires"
            )
        changes = np.unique(np.concatenate([[0], self.arrive, self.retire]))
        changes = changes[changes < _NEVER]
        bare = changes[~self.available(changes).any(-1)]
        if bare.size:
            raise InvalidParameter(
                f"after {bare[0]} rounds no arm is available; keep at least one in every round"
            )


def _pairs(moments: Moments, *, name: str) -> dict[int, int]:
    try:
        return dict(moments)
    except (TypeError, ValueError):
        raise InvalidParameter(
            f"ArmsComeAndGo({name}={moments!r}): expected arm → number of rounds, "
            "for example {2: 500}"
        ) from None
