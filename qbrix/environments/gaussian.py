"""Arms with Gaussian rewards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments._numbers import one_per_arm
from qbrix.environments._stationary import Stationary, brief
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Gaussian"]


class Gaussian(Stationary):
    """Arm ``k`` pays a normal number with its own mean and standard deviation.

    .. math:: r_{t,k} = \\mu_k + \\sigma_k z_t, \\qquad z_t \\sim N(0, 1)

    Parameters
    ----------
    means : sequence of K finite numbers
    sd : float >= 0 or K of them, default 1
        Standard deviation, the same for all arms or one for each.

    Examples
    --------
    >>> Gaussian([0.0, 0.5], sd=[1.0, 2.0])
    Gaussian([0, 0.5], sd=[1, 2])

    Notes
    -----
    The noise of a round is shared by its arms: of one round a policy sees one arm only.
    """

    reward: RewardSupport = "continuous"

    def __init__(self, means: Sequence[float] | Array, *, sd: ArrayLike = 1.0) -> None:
        self.means = one_per_arm(means, name="Gaussian.means")
        self.n_arms = self.means.size
        self.sd = one_per_arm(sd, name="Gaussian.sd", low=0.0, n_arms=self.n_arms)

    @classmethod
    def example(cls) -> Self:
        """Arms of different spread."""
        return cls([-0.5, 0.0, 1.0], sd=[0.5, 1.0, 2.0])

    def parameters(self) -> dict[str, Any]:
        """Means and standard deviations."""
        return {"means": self.means.tolist(), "sd": self.sd.tolist()}

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One normal number per round and replication."""
        rewards: Array = self.means + self.sd * rng.standard_normal((size, replications, 1))
        return rewards

    def __repr__(self) -> str:
        return f"Gaussian({brief(self.means)}, sd={brief(self.sd)})"
