"""Rewards that are measured with an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.wrappers.base import Wrapper

__all__ = ["Noisy"]


class Noisy(Wrapper):
    r"""Gaussian noise on every reward; its mean stays, its support becomes the real line.

    .. math:: r'_{t,k} = r_{t,k} + \sigma \epsilon_t, \qquad \epsilon_t \sim N(0, 1)

    Parameters
    ----------
    environment : Environment
        What is wrapped.
    noise : float >= 0
        Standard deviation σ.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli
    >>> Noisy(Bernoulli([0.9, 0.5]), noise=0.3).reward
    'continuous'

    Notes
    -----
    The noise of a round is shared by its arms: of one round a policy sees one arm only.
    """

    def __init__(self, environment: Environment, *, noise: float) -> None:
        super().__init__(environment)
        self.noise = one_number(noise, name="Noisy.noise", low=0.0)
        self.reward = "continuous"

    @classmethod
    def example(cls) -> Self:
        """Two arms under noise of standard deviation 0.5."""
        return cls(Bernoulli([0.9, 0.5]), noise=0.5)

    def settings(self) -> dict[str, Any]:
        """The standard deviation."""
        return {"noise": self.noise}

    def changed(self, rounds: Rounds, *, start: int, rng: np.random.Generator) -> Rounds:
        """One normal number per round and replication."""
        noise = self.noise * rng.standard_normal((*rounds.rewards.shape[:2], 1))
        return replace(rounds, rewards=rounds.rewards + noise)
