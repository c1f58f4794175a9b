"""Arms whose rewards have heavy tails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_number, one_per_arm
from qbrix.environments._stationary import Stationary, brief
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["HeavyTailed"]


class HeavyTailed(Stationary):
    """Arm ``k`` pays its mean plus Student noise: rare rewards are enormous.

    .. math:: r_{t,k} = \\mu_k + s \\epsilon_t, \\qquad \\epsilon_t \\sim t_\\nu

    Parameters
    ----------
    means : sequence of K finite numbers
    df : float > 1, default 2.5
        Degrees of freedom ν. The mean exists above 1, the variance ν s² / (ν − 2) above 2.
    scale : float > 0, default 1
        s.

    Examples
    --------
    >>> HeavyTailed([0.0, 1.0], df=1.5)
    HeavyTailed([0, 1], df=1.5, scale=1)

    Notes
    -----
    At ν <= 2 averages converge slower than 1/√n, and confidence bounds that assume sub-Gaussian
    rewards do not hold. The noise of a round is shared by its arms.

    References
    ----------
    Bubeck, Cesa-Bianchi and Lugosi (2013), *Bandits With Heavy Tail*, for the setting.
    """

    reward: RewardSupport = "continuous"

    def __init__(
        self, means: Sequence[float] | Array, *, df: float = 2.5, scale: float = 1.0
    ) -> None:
        self.means = one_per_arm(means, name="HeavyTailed.means")
        self.n_arms = self.means.size
        self.df = one_number(df, name="HeavyTailed.df", low=1.0, above=True)
        self.scale = one_number(scale, name="HeavyTailed.scale", low=0.0, above=True)

    @classmethod
    def example(cls) -> Self:
        """With a finite variance."""
        return cls([0.0, 0.5, 1.0], df=5.0)

    def parameters(self) -> dict[str, Any]:
        """Means, degrees of freedom and scale."""
        return {"means": self.means.tolist(), "df": self.df, "scale": self.scale}

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One Student number per round and replication."""
        noise = rng.standard_t(self.df, (size, replications, 1))
        rewards: Array = self.means + self.scale * noise
        return rewards

    def __repr__(self) -> str:
        return f"HeavyTailed({brief(self.means)}, df={self.df:g}, scale={self.scale:g})"
