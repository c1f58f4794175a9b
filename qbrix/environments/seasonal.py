"""Arms whose probability of paying swings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments._numbers import one_per_arm
from qbrix.environments._stationary import brief
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.support import RewardSupport
from qbrix.types import Array, IntArray

__all__ = ["Seasonal"]


class Seasonal(Environment):
    """Bernoulli arms whose means are sine waves: days, weeks, seasons.

    .. math:: \\mu_{t,k} = m_k + a_k \\sin(2 \\pi (t / p_k + \\phi_k)), \\qquad t = 0, 1, …

    Parameters
    ----------
    means : sequence of K numbers in [0, 1]
        m, the level around which an arm swings.
    amplitudes : float >= 0 or K of them
        a; m ± a must stay in [0, 1].
    periods : float > 0 or K of them
        p, in rounds.
    phases : float in [0, 1] or K of them, default 0
        φ, as a share of the period.

    Examples
    --------
    Two arms that are best by turns, 50 rounds each:

    >>> environment = Seasonal([0.5, 0.5], amplitudes=0.2, periods=100, phases=[0.0, 0.5])
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=100))
    >>> rounds.means[25, 0].round(12).tolist(), rounds.means[75, 0].round(12).tolist()
    ([0.7, 0.3], [0.3, 0.7])

    Notes
    -----
    Regret in it is dynamic: against the best arm of the round. One uniform number per round
    decides for all arms, as in `Bernoulli`.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self,
        means: Sequence[float] | Array,
        *,
        amplitudes: ArrayLike,
        periods: ArrayLike,
        phases: ArrayLike = 0.0,
    ) -> None:
        self.means = one_per_arm(means, name="Seasonal.means", low=0.0, high=1.0)
        self.n_arms = n_arms = self.means.size
        self.amplitudes = one_per_arm(
            amplitudes, name="Seasonal.amplitudes", low=0.0, high=0.5, n_arms=n_arms
        )
        self.periods = one_per_arm(
            periods, name="Seasonal.periods", low=0.0, above=True, n_arms=n_arms
        )
        self.phases = one_per_arm(phases, name="Seasonal.phases", low=0.0, high=1.0, n_arms=n_arms)
        room = np.minimum(self.means, 1.0 - self.means)
        if (self.amplitudes > room + 1e-12).any():
            raise InvalidParameter(
                f"Seasonal.amplitudes = {amplitudes!r} carry means {brief(self.means)} out of "
                f"[0, 1]; expected at most {brief(room)}"
            )

    @classmethod
    def example(cls) -> Self:
        """A steady arm between two that swing."""
        return cls(
            [0.5, 0.55, 0.5], amplitudes=[0.4, 0.0, 0.2], periods=[10.0, 1.0, 15.0], phases=0.25
        )

    def parameters(self) -> dict[str, Any]:
        """Levels, amplitudes, periods and phases."""
        return {
            "means": self.means.tolist(),
            "amplitudes": self.amplitudes.tolist(),
            "periods": self.periods.tolist(),
            "phases": self.phases.tolist(),
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One uniform number per round and replication."""
        start = 0
        for size in sizes:
            means = self._at(np.arange(start, start + size))[:, np.newaxis]
            start += size
            u = rng.random((size, replications, 1))
            yield Rounds(
                rewards=(u < means).astype(np.float64),
                means=np.broadcast_to(means, (size, replications, self.n_arms)),
                best=np.broadcast_to(means.max(-1), (size, replications)),
            )

    def _at(self, rounds: IntArray) -> Array:
        """Means of these rounds, (B, K)."""
        turns = rounds[:, np.newaxis] / self.periods + self.phases
        means: Array = self.means + self.amplitudes * np.sin(2.0 * np.pi * turns)
        return means.clip(0.0, 1.0)

    def __repr__(self) -> str:
        return (
            f"Seasonal({brief(self.means)}, amplitudes={brief(self.amplitudes)}, "
            f"periods={brief(self.periods)})"
        )
