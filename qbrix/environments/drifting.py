"""Arms whose probability of paying wanders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_number, one_per_arm
from qbrix.environments._stationary import brief
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Drifting"]


class Drifting(Environment):
    """Bernoulli arms whose means follow Gaussian random walks, reflected at both ends.

    .. math:: \\mu_{t+1,k} = reflect(\\mu_{t,k} + \\sigma z_{t,k}), \\qquad z_{t,k} \\sim N(0, 1)

    Every replication walks on its own.

    Parameters
    ----------
    means : sequence of K numbers in [low, high]
        Probability of a reward of each arm in the first round.
    step : float >= 0, default 0.01
        σ: the mean moves by about ``step · √n`` in n rounds.
    low, high : float, default 0 and 1
        Ends at which the walks are reflected, 0 <= low < high <= 1.

    Examples
    --------
    >>> environment = Drifting([0.5, 0.5], step=0.02)
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=2, horizon=50))
    >>> bool((rounds.means[0] == 0.5).all()), bool((rounds.means[-1] == 0.5).any())
    (True, False)

    Notes
    -----
    Regret in it is dynamic: against the best arm of the round. One uniform number per round
    decides for all arms, as in `Bernoulli`.

    References
    ----------
    Slivkins and Upfal (2008), *Adapting to a Changing Environment: the Brownian Restless Bandits*.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self,
        means: Sequence[float] | Array,
        *,
        step: float = 0.01,
        low: float = 0.0,
        high: float = 1.0,
    ) -> None:
        self.low = one_number(low, name="Drifting.low", low=0.0, high=1.0)
        self.high = one_number(high, name="Drifting.high", low=0.0, high=1.0)
        if not self.low < self.high:
            raise InvalidParameter(f"Drifting.high = {high!r}, expected a number above low = {low}")
        self.means = one_per_arm(means, name="Drifting.means", low=self.low, high=self.high)
        self.step = one_number(step, name="Drifting.step", low=0.0)
        self.n_arms = self.means.size

    @classmethod
    def example(cls) -> Self:
        """Walks that meet an end now and then."""
        return cls([0.1, 0.5, 0.8], step=0.05)

    def parameters(self) -> dict[str, Any]:
        """First means, step and ends."""
        return {
            "means": self.means.tolist(),
            "step": self.step,
            "low": self.low,
            "high": self.high,
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """A normal number per arm and a uniform one for the rewards."""
        walk_rng, reward_rng = rng.spawn(2)
        free = np.broadcast_to(self.means, (1, replications, self.n_arms))
        for size in sizes:
            moves = self.step * walk_rng.standard_normal((size, replications, self.n_arms))
            walk = np.concatenate([free, moves]).cumsum(0)
            free = walk[-1:]
            means = self._reflected(walk[:-1])
            u = reward_rng.random((size, replications, 1))
            yield Rounds(rewards=(u < means).astype(np.float64), means=means, best=means.max(-1))

    def _reflected(self, walk: Array) -> Array:
        """The free walk, folded into [low, high]: equal in law to reflecting every step."""
        width = self.high - self.low
        inside = np.mod(walk - self.low, 2.0 * width)
        folded: Array = self.low + np.minimum(inside, 2.0 * width - inside)
        return folded.clip(self.low, self.high)

    def __repr__(self) -> str:
        return f"Drifting({brief(self.means)}, step={self.step:g})"
