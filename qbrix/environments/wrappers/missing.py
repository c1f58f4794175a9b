"""Feedback that never comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers._arrivals import arrivals_of
from qbrix.environments.wrappers.base import Wrapper

__all__ = ["MissingFeedback"]


class MissingFeedback(Wrapper):
    """A share of the decisions never hears what it was worth, in none of its deliveries.

    Parameters
    ----------
    environment : Environment
        What is wrapped.
    rate : float in [0, 1]
        Probability that the feedback of a decision is lost, whatever the arm and its reward.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> environment = MissingFeedback(Bernoulli([0.9, 0.5]), rate=0.3)
    >>> environment.settings()
    {'rate': 0.3}

    Notes
    -----
    The reward is paid all the same and regret counts it; only the policy does not hear of it.
    """

    def __init__(self, environment: Environment, *, rate: float) -> None:
        super().__init__(environment)
        self.rate = one_number(rate, name="MissingFeedback.rate", low=0.0, high=1.0)

    @classmethod
    def example(cls) -> Self:
        """Two arms, of whose feedback a fifth is lost."""
        return cls(Bernoulli([0.9, 0.5]), rate=0.2)

    def settings(self) -> dict[str, Any]:
        """The rate."""
        return {"rate": self.rate}

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """One uniform number per decision."""
        arrivals = arrivals_of(rounds)
        lost = rng.random((*arrivals.shape[:2], 1)) < self.rate
        return replace(rounds, arrivals=np.where(lost, -1, arrivals))
