"""Arms with exponential rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_per_arm
from qbrix.environments._stationary import Stationary
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Exponential"]


class Exponential(Stationary):
    """Arm ``k`` pays a waiting time, or whatever else is exponential, with mean ``means[k]``.

    .. math:: r_{t,k} = \\mu_k e_t, \\qquad e_t \\sim Exp(1)

    Parameters
    ----------
    means : sequence of K numbers >= 0

    Examples
    --------
    >>> Exponential([0.5, 2.0]).optimum
    2.0

    Notes
    -----
    One exponential number per round serves all arms: of one round a policy sees one arm only.
    """

    reward: RewardSupport = "nonnegative"

    def __init__(self, means: Sequence[float] | Array) -> None:
        self.means = one_per_arm(means, name="Exponential.means", low=0.0)
        self.n_arms = self.means.size

    @classmethod
    def example(cls) -> Self:
        """Three scales."""
        return cls([0.5, 1.0, 3.0])

    def parameters(self) -> dict[str, Any]:
        """The means."""
        return {"means": self.means.tolist()}

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One exponential number per round and replication."""
        rewards: Array = self.means * rng.standard_exponential((size, replications, 1))
        return rewards
