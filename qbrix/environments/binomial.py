"""Arms that try n times a round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments._numbers import one_per_arm, sealed
from qbrix.environments._stationary import Stationary, brief
from qbrix.errors import InvalidParameter
from qbrix.support import RewardSupport
from qbrix.types import Array

__all__ = ["Binomial"]


class Binomial(Stationary):
    """Arm ``k`` tries ``trials`` times a round and pays how often it succeeded.

    .. math:: r_{t,k} = S_{t,k} / n \\ \\text{ or }\\ S_{t,k}, \\qquad S_{t,k} \\sim Bin(n, p_k)

    Parameters
    ----------
    probabilities : sequence of K numbers in [0, 1]
        Probability of success of a single trial of each arm.
    trials : int >= 1
        n, e.g. how many messages a day are sent by the chosen variant.
    pays : {"share", "count"}, default "share"
        The share of successes, in [0, 1], or their number, in 0 … n.

    Examples
    --------
    >>> Binomial([0.2, 0.3], trials=10).optimum, Binomial([0.2, 0.3], trials=10).reward
    (0.3, 'bounded')
    >>> Binomial([0.2, 0.3], trials=10, pays="count").optimum
    3.0

    Notes
    -----
    With one trial it is `Bernoulli` but for the support that it declares. The arms of a round are
    drawn independently.
    """

    def __init__(
        self,
        probabilities: Sequence[float] | Array,
        *,
        trials: int,
        pays: Literal["share", "count"] = "share",
    ) -> None:
        check_integer(trials, name="Binomial.trials", least=1)
        if pays not in ("share", "count"):
            raise InvalidParameter(f"Binomial.pays = {pays!r}, expected 'share' or 'count'")
        self.probabilities = one_per_arm(
            probabilities, name="Binomial.probabilities", low=0.0, high=1.0
        )
        self.n_arms = self.probabilities.size
        self.trials = int(trials)
        self.pays = pays
        self.reward: RewardSupport = "bounded" if pays == "share" else "nonnegative"
        self.means = sealed(self.probabilities * (1 if pays == "share" else self.trials))

    @classmethod
    def example(cls) -> Self:
        """Ten trials a round."""
        return cls([0.1, 0.5, 0.4], trials=10)

    def parameters(self) -> dict[str, Any]:
        """Probabilities, trials and what is paid."""
        return {
            "probabilities": self.probabilities.tolist(),
            "trials": self.trials,
            "pays": self.pays,
        }

    def draw(self, rng: np.random.Generator, *, size: int, replications: int) -> Array:
        """One number of successes per round, replication and arm."""
        shape = (size, replications, self.n_arms)
        successes = rng.binomial(self.trials, self.probabilities, shape).astype(np.float64)
        return successes / self.trials if self.pays == "share" else successes

    def __repr__(self) -> str:
        return f"Binomial({brief(self.probabilities)}, trials={self.trials}, pays={self.pays!r})"
