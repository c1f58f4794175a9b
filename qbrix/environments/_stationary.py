"""What environments without contexts, whose means never change, have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from qbrix.environments.base import Environment, Rounds
from qbrix.types import Array

__all__ = ["Stationary", "brief"]


class Stationary(Environment):
    """Base class: an author sets ``means`` and ``n_arms`` and writes `draw`.

    Attributes
    ----------
    means : Array, shape (K,)
        Expected reward of each arm.
    """

    means: Array

    @property
    def optimum(self) -> float:
        """Expected reward of the best arm."""
        return float(self.means.max())

    @abstractmethod
    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """Potential rewards of ``size`` rounds, (B, R, K); numbers are drawn round by round."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """The same means in every round."""
        for size in sizes:
            yield Rounds(
                rewards=self.draw(rng, size=size, replications=replications),
                means=np.broadcast_to(self.means, (size, replications, self.n_arms)),
                best=np.broadcast_to(self.means.max(), (size, replications)),
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({brief(self.means)})"


def brief(numbers: Array) -> str:
    """Up to ten numbers in a list, six digits each; of more only how many."""
    if len(numbers) > 10:
        return f"<{len(numbers)} arms>"
    return f"[{', '.join(f'{number:.6g}' for number in numbers)}]"
