"""The ten-armed testbed: every replication is a task of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.support import RewardSupport

__all__ = ["GaussianTestbed"]


class GaussianTestbed(Environment):
    """Gaussian arms whose means are drawn anew for every replication.

    .. math:: q_k \\sim N(0, s^2), \\qquad r_{t,k} = q_k + \\sigma z_t, \\qquad z_t \\sim N(0, 1)

    Parameters
    ----------
    n_arms : int >= 1, default 10
        K.
    spread : float >= 0, default 1
        s, standard deviation of the means.
    noise : float >= 0, default 1
        σ, standard deviation of the rewards.

    Examples
    --------
    >>> rounds = next(GaussianTestbed().play(np.random.default_rng(1), replications=2, horizon=5))
    >>> rounds.means.shape, bool((rounds.means[0] == rounds.means[4]).all())
    ((5, 2, 10), True)

    Notes
    -----
    What it measures is an average over tasks. The noise of a round is shared by its arms.

    References
    ----------
    Sutton and Barto (2018), *Reinforcement Learning: An Introduction*, section 2.3.
    """

    reward: RewardSupport = "continuous"

    def __init__(self, n_arms: int = 10, *, spread: float = 1.0, noise: float = 1.0) -> None:
        check_integer(n_arms, name="GaussianTestbed.n_arms", least=1)
        self.n_arms = int(n_arms)
        self.spread = one_number(spread, name="GaussianTestbed.spread", low=0.0)
        self.noise = one_number(noise, name="GaussianTestbed.noise", low=0.0)

    def parameters(self) -> dict[str, Any]:
        """Number of arms, spread of the means and noise."""
        return {"n_arms": self.n_arms, "spread": self.spread, "noise": self.noise}

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """K means per replication, then one normal number per round and replication."""
        mean_rng, noise_rng = rng.spawn(2)
        means = self.spread * mean_rng.standard_normal((replications, self.n_arms))
        best = means.max(-1)
        for size in sizes:
            noise = self.noise * noise_rng.standard_normal((size, replications, 1))
            yield Rounds(
                rewards=means + noise,
                means=np.broadcast_to(means, (size, *means.shape)),
                best=np.broadcast_to(best, (size, replications)),
            )

    def __repr__(self) -> str:
        return f"GaussianTestbed({self.n_arms}, spread={self.spread:g}, noise={self.noise:g})"
