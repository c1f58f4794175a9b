"""Feedback that comes again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers._arrivals import arrivals_of
from qbrix.environments.wrappers.base import Wrapper

__all__ = ["Duplicated"]


class Duplicated(Wrapper):
    """A share of the feedback is delivered once more, as where delivery is at least once.

    The simulator learns the first delivery and drops the copy, as serving does, unless the race is
    run under ``Schedule(deduplicate=False)``.

    Parameters
    ----------
    environment : Environment
        What is wrapped; wrapped again in `Delayed`, a copy has a delay of its own.
    rate : float in [0, 1]
        Probability of a copy of the first delivery.
    lag : int >= 0, default 1
        Rounds between the first delivery and its copy.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> environment = Duplicated(Bernoulli([0.9, 0.5]), rate=1.0, lag=5)
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=2))
    >>> rounds.arrivals[:, 0].tolist()
    [[0, 5], [0, 5]]
    """

    def __init__(self, environment: Environment, *, rate: float, lag: int = 1) -> None:
        super().__init__(environment)
        check_integer(lag, name="Duplicated.lag", least=0)
        self.rate = one_number(rate, name="Duplicated.rate", low=0.0, high=1.0)
        self.lag = int(lag)

    @classmethod
    def example(cls) -> Self:
        """Two arms, of whose feedback a fifth comes twice."""
        return cls(Bernoulli([0.9, 0.5]), rate=0.2)

    def settings(self) -> dict[str, Any]:
        """Rate and lag."""
        return {"rate": self.rate, "lag": self.lag}

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """One uniform number per decision."""
        arrivals = arrivals_of(rounds)
        first = arrivals[..., :1]
        again = (first >= 0) & (rng.random(first.shape) < self.rate)
        copies = np.where(again, first + self.lag, -1)
        return replace(rounds, arrivals=np.concatenate([arrivals, copies], axis=-1))
