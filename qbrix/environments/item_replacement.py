"""Items that go and are replaced by others, under the same arm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments._numbers import one_number
from qbrix.environments.base import Environment, Rounds
from qbrix.support import RewardSupport
from qbrix.types import Array, BoolArray

__all__ = ["ItemReplacement"]


class ItemReplacement(Environment):
    """Each arm shows an item; any round may replace it by a new one of another quality.

    .. math:: \\mu_{0,k} \\sim Beta(\\alpha, \\beta), \\qquad
        \\mu_{t+1,k} = \\mu_{t,k} \\text{ with probability } 1 - p, \\text{ else } \\sim Beta

    Every replication has items of its own. The policy is not told that an item was replaced.

    Parameters
    ----------
    n_arms : int >= 1, default 10
        K items at a time.
    rate : float in [0, 1], default 0.001
        p, the probability per round and arm that the item is replaced; it lives 1/p rounds on
        average.
    alpha, beta : float > 0, default 4
        Law of the click rate of a new item.

    Examples
    --------
    >>> environment = ItemReplacement(n_arms=3, rate=0.5)
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=20))
    >>> 1 < len(np.unique(rounds.means[:, 0, 0])) < 20
    True

    Notes
    -----
    Regret in it is dynamic: against the best item of the round. One uniform number per round
    decides for all arms, as in `Bernoulli`. Retired items whose arm is *not* used again are the
    business of a wrapper.

    References
    ----------
    Chapelle and Li (2011), *An Empirical Evaluation of Thompson Sampling*, section 3, for the
    setting: items retire at random and new ones, drawn from a beta law, take their places.
    """

    reward: RewardSupport = "binary"

    def __init__(
        self, *, n_arms: int = 10, rate: float = 1e-3, alpha: float = 4.0, beta: float = 4.0
    ) -> None:
        check_integer(n_arms, name="ItemReplacement.n_arms", least=1)
        self.n_arms = int(n_arms)
        self.rate = one_number(rate, name="ItemReplacement.rate", low=0.0, high=1.0)
        self.alpha = one_number(alpha, name="ItemReplacement.alpha", low=0.0, above=True)
        self.beta = one_number(beta, name="ItemReplacement.beta", low=0.0, above=True)

    @classmethod
    def example(cls) -> Self:
        """Items that live ten rounds."""
        return cls(n_arms=4, rate=0.1)

    def parameters(self) -> dict[str, Any]:
        """Number of arms, rate and law of new items."""
        return {
            "n_arms": self.n_arms,
            "rate": self.rate,
            "alpha": self.alpha,
            "beta": self.beta,
        }

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """Uniform numbers say who goes and who pays; a beta number comes with every new item."""
        goes_rng, item_rng, reward_rng = rng.spawn(3)
        shown = item_rng.beta(self.alpha, self.beta, (replications, self.n_arms))
        for size in sizes:
            goes = goes_rng.random((size, replications, self.n_arms)) < self.rate
            items = item_rng.beta(self.alpha, self.beta, int(goes.sum()))
            means, shown = _followed(shown, goes, items)
            u = reward_rng.random((size, replications, 1))
            yield Rounds(rewards=(u < means).astype(np.float64), means=means, best=means.max(-1))

    def __repr__(self) -> str:
        return f"ItemReplacement(n_arms={self.n_arms}, rate={self.rate:g})"


def _followed(shown: Array, goes: BoolArray, items: Array) -> tuple[Array, Array]:
    """Means of every round, (B, R, K), and those after the last one.

    ``goes`` says after which rounds an item is replaced; ``items`` are the new ones in that order.
    """
    newest = np.full((len(goes) + 1, *shown.shape), -1)
    newest[1:][goes] = np.arange(len(items))
    newest = np.maximum.accumulate(newest, axis=0)
    new = np.append(items, 0.0)[newest]
    means = np.where(newest < 0, shown, new)
    return means[:-1], means[-1]
