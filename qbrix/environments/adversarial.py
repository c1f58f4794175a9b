"""Rewards that somebody wrote down beforehand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from qbrix.environments._numbers import table
from qbrix.environments.base import Environment, Rounds
from qbrix.errors import InvalidParameter
from qbrix.support import SUPPORTS, RewardSupport, supported

__all__ = ["Adversarial"]

# Longer tables are named by their digest instead of being written into specs.
_LISTED = 10_000


class Adversarial(Environment):
    """Any table of rewards, one row per round: an oblivious adversary's whole plan.

    .. math:: r_{t,k} = X_{t,k}, \\qquad regret = \\max_k \\sum_t X_{t,k} - \\sum_t X_{t,a_t}

    Parameters
    ----------
    rewards : array of shape (T, K)
        What each arm pays in each round, the same in every replication.
    comparator : {"fixed", "round"}, default "fixed"
        Regret against the best single arm of the rounds that are played, as adversarial bounds
        have it, or against the best arm of every round.

    Examples
    --------
    >>> environment = Adversarial([[1, 0], [0, 1], [1, 0]])
    >>> rounds = next(environment.play(np.random.default_rng(1), replications=1, horizon=3))
    >>> rounds.best[:, 0].tolist()
    [1.0, 0.0, 1.0]

    Notes
    -----
    Regret of a single round can be negative with a fixed comparator. A round counts as one of the
    best arm if what was chosen paid what the comparator paid. Rewards are known, so pseudo-regret
    and realised regret are one.

    References
    ----------
    Auer, Cesa-Bianchi, Freund and Schapire (2002), *The Nonstochastic Multiarmed Bandit Problem*,
    section 2, for the setting.
    """

    def __init__(
        self, rewards: ArrayLike, *, comparator: Literal["round", "fixed"] = "fixed"
    ) -> None:
        if comparator not in ("round", "fixed"):
            raise InvalidParameter(
                f"Adversarial.comparator = {comparator!r}, expected 'fixed' or 'round'"
            )
        self.rewards = table(rewards, name="Adversarial.rewards", rows="round")
        self.length, self.n_arms = self.rewards.shape
        self.comparator = comparator
        self.reward: RewardSupport = next(
            support for support in SUPPORTS if supported(self.rewards, support).all()
        )
        self.self_contained = self.rewards.size <= _LISTED

    @classmethod
    def example(cls) -> Self:
        """Forty rounds in which the arms take turns of growing length."""
        turn = np.floor(np.sqrt(np.arange(40))).astype(np.int64)
        return cls(np.eye(3)[turn % 3])

    def parameters(self) -> dict[str, Any]:
        """The table, or a digest of a long one, and the comparator."""
        if self.self_contained:
            return {"rewards": self.rewards.tolist(), "comparator": self.comparator}
        return {
            "rounds": self.length,
            "arms": self.n_arms,
            "comparator": self.comparator,
            "sha256": hashlib.sha256(self.rewards.astype("<f8").tobytes()).hexdigest(),
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """From a spec that lists the table."""
        if "sha256" in parameters:
            raise InvalidParameter(
                f"the spec names a table of {parameters['rounds']} rounds by its digest only; "
                "make Adversarial(rewards) from the table itself"
            )
        return cls(**parameters)

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """The rows in order; nothing is random."""
        best = self.rewards.max(1)
        if self.comparator == "fixed":
            best = self.rewards[:, self.rewards[: sum(sizes)].sum(0).argmax()]
        start = 0
        for size in sizes:
            rows = slice(start, start + size)
            start += size
            shape = (size, replications, self.n_arms)
            rewards = np.ascontiguousarray(np.broadcast_to(self.rewards[rows, np.newaxis], shape))
            yield Rounds(
                rewards=rewards,
                means=rewards,
                best=np.broadcast_to(best[rows, np.newaxis], shape[:2]),
            )

    def __repr__(self) -> str:
        return (
            f"Adversarial(rounds={self.length}, n_arms={self.n_arms}, "
            f"comparator={self.comparator!r})"
        )
