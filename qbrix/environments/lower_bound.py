"""The instance on which every policy has regret of the order of the square root of K T."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments.base import Environment, Rounds
from qbrix.support import RewardSupport

__all__ = ["LowerBound"]


class LowerBound(Environment):
    """Fair coins, one of which is good by so little that T rounds hardly tell.

    .. math:: \\mu_k = 1/2 + \\epsilon 1[k = k^*], \\qquad
        \\epsilon = \\tfrac{1}{4} \\min(\\sqrt{K / T}, 1)

    The good arm k* of every replication is drawn uniformly.

    Parameters
    ----------
    n_arms : int >= 2, default 2
        K.
    horizon : int >= 1, default 1000
        T, for which the gap is the hardest; other horizons may be played too.

    Examples
    --------
    >>> environment = LowerBound(n_arms=4, horizon=400)
    >>> environment.gap, environment.optimum, environment.bound
    (0.025, 0.525, 2.0)

    Notes
    -----
    No policy whatsoever has an expected regret below ``bound`` at the horizon. One uniform number
    per round decides for all arms, as in `Bernoulli`.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    theorem 5.1 and its proof.
    """

    reward: RewardSupport = "binary"

    def __init__(self, *, n_arms: int = 2, horizon: int = 1000) -> None:
        check_integer(n_arms, name="LowerBound.n_arms", least=2)
        check_integer(horizon, name="LowerBound.horizon", least=1)
        self.n_arms = int(n_arms)
        self.horizon = int(horizon)

    @classmethod
    def example(cls) -> Self:
        """A short one, whose gap can be seen."""
        return cls(n_arms=3, horizon=4)

    @property
    def gap(self) -> float:
        """ε."""
        return 0.25 * float(np.sqrt(min(self.n_arms / self.horizon, 1.0)))

    @property
    def optimum(self) -> float:
        """Expected reward of the good arm."""
        return 0.5 + self.gap

    @property
    def bound(self) -> float:
        """min(√(K T), T) / 20: what the theorem says every policy loses at the horizon."""
        return min(float(np.sqrt(self.n_arms * self.horizon)), float(self.horizon)) / 20.0

    def parameters(self) -> dict[str, Any]:
        """Number of arms and horizon."""
        return {"n_arms": self.n_arms, "horizon": self.horizon}

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One good arm per replication, one uniform number per round and replication."""
        arm_rng, reward_rng = rng.spawn(2)
        good = arm_rng.integers(0, self.n_arms, replications)
        means = np.full((replications, self.n_arms), 0.5)
        means[np.arange(replications), good] = self.optimum
        for size in sizes:
            u = reward_rng.random((size, replications, 1))
            yield Rounds(
                rewards=(u < means).astype(np.float64),
                means=np.broadcast_to(means, (size, *means.shape)),
                best=np.broadcast_to(self.optimum, (size, replications)),
            )

    def __repr__(self) -> str:
        return f"LowerBound(n_arms={self.n_arms}, horizon={self.horizon})"
