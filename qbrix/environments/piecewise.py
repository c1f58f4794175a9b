"""Arms whose probability of paying jumps at given rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np

from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.support import RewardSupport
from qbrix.types import Array, IntArray

__all__ = ["PiecewiseStationary"]


class PiecewiseStationary(Environment):
    """Bernoulli arms with fixed means between changes, and other means after each of them.

    .. math:: r_{t,k} = 1[u_t < \\mu_{i(t), k}], \\qquad u_t \\sim U[0, 1)

    where the segment i(t) is the number of changes that lie before round t.

    Parameters
    ----------
    means : S sequences of K numbers in [0, 1]
        Probability of a reward of each arm, segment by segment. The last one lasts for ever.
    changes : S − 1 increasing integers >= 1
        Number of rounds that are over when segment 1, 2, … begins.

    Examples
    --------
    >>> environment = PiecewiseStationary([[0.9, 0.1], [0.2, 0.4]], changes=[100])
    >>> environment.n_arms, environment.best_arms()
    (2, [0, 1])
    >>> environment.spec()["parameters"]["changes"]
    [100]

    Notes
    -----
    Regret in it is dynamic: against the best arm *of the round*. One uniform number per round
    decides for all arms, as in `Bernoulli`.

    References
    ----------
    Garivier and Moulines (2011), *On Upper-Confidence Bound Policies for Switching Bandit
    Problems*, section 2, for the setting.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self, means: Sequence[Sequence[float]] | Array, *, changes: Sequence[int] | IntArray
    ) -> None:
        self.means = _checked_means(means)
        self.changes = _checked_changes(changes, segments=len(self.means))
        self.n_arms = self.means.shape[1]

    @classmethod
    def example(cls) -> Self:
        """Three segments of three arms."""
        return cls([[0.1, 0.9, 0.5], [0.5, 0.2, 0.1], [0.4, 0.4, 0.4]], changes=[5, 20])

    @classmethod
    def constrained_adversary(
        cls, *, n_arms: int = 2, gap: float = 0.1, growth: float = 1.6, horizon: int = 10_000
    ) -> Self:
        """The same arm is always best by ``gap``, while the level of all arms leaps up and down.

        Phases grow by the factor ``growth``; arm 0 pays ``gap`` and 1 in turns, the others 0 and
        1 − gap. Averages over the past mislead policies that were made for fixed means, one-hot
        ones most of all.

        References
        ----------
        Zimmert and Seldin (2021), *Tsallis-INF: An Optimal Algorithm for Stochastic and Adversarial
        Bandits*, experiments: the stochastically constrained adversary.
        """
        ends = [1]
        while ends[-1] < horizon:
            ends.append(max(ends[-1] + 1, round(growth * ends[-1])))
        low = [gap, *[0.0] * (n_arms - 1)]
        high = [1.0, *[1.0 - gap] * (n_arms - 1)]
        return cls([(low, high)[i % 2] for i in range(len(ends))], changes=ends[:-1])

    def best_arms(self) -> list[int]:
        """The arm of the largest mean in every segment, the first of those that tie."""
        best: list[int] = self.means.argmax(1).tolist()
        return best

    def parameters(self) -> dict[str, Any]:
        """The probabilities and the rounds of change."""
        return {"means": self.means.tolist(), "changes": self.changes.tolist()}

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One uniform number per round and replication."""
        start = 0
        for size in sizes:
            segment = np.searchsorted(self.changes, np.arange(start, start + size), side="right")
            means = self.means[segment][:, np.newaxis]
            start += size
            u = rng.random((size, replications, 1))
            yield Rounds(
                rewards=(u < means).astype(np.float64),
                means=np.broadcast_to(means, (size, replications, self.n_arms)),
                best=np.broadcast_to(means.max(-1), (size, replications)),
            )

    def __repr__(self) -> str:
        if self.means.size > 16:
            return f"PiecewiseStationary(segments={len(self.means)}, n_arms={self.n_arms})"
        return f"PiecewiseStationary({self.means.tolist()}, changes={self.changes.tolist()})"


def _checked_means(means: Sequence[Sequence[float]] | Array) -> Array:
    try:
        array = np.array(means, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim != 2 or array.size == 0 or not ((array >= 0.0) & (array <= 1.0)).all():
        raise InvalidParameter(
            f"PiecewiseStationary(means={means!r}): expected one row per segment with one "
            "probability in [0, 1] per arm"
        )
    array.flags.writeable = False
    return array


def _checked_changes(changes: Sequence[int] | IntArray, *, segments: int) -> IntArray:
    array = np.asarray(changes)
    if not array.size:
        array = array.astype(np.int64)
    whole = array.dtype.kind in "iu" and array.shape == (segments - 1,)
    if not whole or (np.diff(array, prepend=0) < 1).any():
        raise InvalidParameter(
            f"PiecewiseStationary(changes={changes!r}): expected {segments - 1} increasing "
            f"integers >= 1, one between any two of the {segments} segments"
        )
    fixed: IntArray = array.astype(np.int64)
    fixed.flags.writeable = False
    return fixed
