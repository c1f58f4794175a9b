"""Arms that pay a number of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_per_arm
from qbrix.environments._stationary import Stationary
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Poisson"]

# From about here on NumPy's generator overflows.
_LARGEST = 1e15


class Poisson(Stationary):
    """Arm ``k`` pays how often something happened, with mean ``means[k]``.

    .. math:: r_{t,k} \\sim Poisson(\\mu_k)

    Parameters
    ----------
    means : sequence of K numbers in [0, 1e15]

    Examples
    --------
    >>> environment = Poisson([1.0, 2.5])
    >>> environment.optimum, environment.reward
    (2.5, 'nonnegative')

    Notes
    -----
    The arms of a round are drawn independently.
    """

    reward: RewardSupport = "nonnegative"

    def __init__(self, means: Sequence[float] | Array) -> None:
        self.means = one_per_arm(means, name="Poisson.means", low=0.0, high=_LARGEST)
        self.n_arms = self.means.size

    @classmethod
    def example(cls) -> Self:
        """Rare and frequent events."""
        return cls([0.2, 1.0, 6.0])

    def parameters(self) -> dict[str, Any]:
        """The means."""
        return {"means": self.means.tolist()}

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One count per round, replication and arm."""
        counts = rng.poisson(self.means, (size, replications, self.n_arms))
        return counts.astype(np.float64)
