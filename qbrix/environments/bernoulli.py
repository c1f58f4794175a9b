"""Arms that pay 1 with a fixed probability and 0 otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments._numbers import one_per_arm, sealed
from qbrix.environments._stationary import Stationary
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Bernoulli"]

_FEW = 64
"""Arms up to which counting those that pay and looking up a table is the faster way."""


class Bernoulli(Stationary):
    """Arm ``k`` pays 1 with probability ``means[k]``, else 0, whatever happened before.

    .. math:: r_{t,k} = 1[u_t < \\mu_k], \\qquad u_t \\sim U[0, 1)

    Parameters
    ----------
    means : sequence of K numbers in [0, 1]
        Probability of a reward of each arm.

    Examples
    --------
    >>> environment = Bernoulli([0.9, 0.8])
    >>> environment.n_arms, environment.optimum
    (2, 0.9)
    >>> environment.spec()
    {'id': 'Bernoulli@1', 'parameters': {'means': [0.9, 0.8]}}

    Notes
    -----
    One uniform number per round decides for all arms. A policy sees the reward of one arm only, so
    its law is that of independent arms, while differences between policies vary less.
    """

    reward: RewardSupport = "binary"

    def __init__(self, means: Sequence[float] | Array) -> None:
        self.means = one_per_arm(means, name="Bernoulli.means", low=0.0, high=1.0)
        self.n_arms = self.means.size
        self._tables = _tables(self.means) if self.n_arms <= _FEW else None

    @classmethod
    def example(cls) -> Self:
        """Two equally good arms and a bad one."""
        return cls([0.1, 0.9, 0.9])

    def parameters(self) -> dict[str, Any]:
        """The probabilities."""
        return {"means": self.means.tolist()}

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One uniform number per round and replication."""
        u = rng.random((size, replications))
        if self._tables is None:
            return (u[..., np.newaxis] < self.means).astype(np.float64)
        paying = np.zeros(u.shape, dtype=np.int8)
        for mean in self.means:
            paying += u < mean
        return self._tables.take(paying, axis=0, mode="clip")


def _tables(means: Array) -> Array:
    """What every arm pays where so many of them do, (K + 1, K): those of the largest means."""
    rank = (-means).argsort(kind="stable").argsort()
    return sealed((rank < np.arange(means.size + 1)[:, np.newaxis]).astype(np.float64))
