"""What an environment is: a source of rounds that does not know who plays.

An environment deals *potential* rewards: for every round and replication, what each arm would pay.
Nothing it deals depends on what was chosen before, so every policy of a race meets the same rounds
(common random numbers), and the same arm in the same round pays the same to everybody.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from qbrix.checks import check_integer
from qbrix.errors import InvalidParameter
from qbrix.registry import identifier
from qbrix.support import RewardSupport
from qbrix.types import Array, BoolArray, IntArray

__all__ = ["Environment", "Rounds"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rounds:
    """A block of B consecutive rounds in R independent replications.

    Attributes
    ----------
    rewards : Array, shape (B, R, K)
        What each arm would pay, contiguous.
    means : Array, shape (B, R, K)
        Expectation of ``rewards`` given the context; may be a read-only broadcast view.
    best : Array, shape (B, R)
        The mean to which others are compared, exactly one of ``means``: the largest one of an
        available arm, unless the environment's ``comparator`` says otherwise; may be a read-only
        broadcast view.
    contexts : Array, shape (B, R, d), optional
        What is known before the choice.
    arrivals : IntArray, shape (B, R, c), optional
        Rounds that pass between a decision and each of c deliveries of its feedback, 0 for at once;
        −1 for a delivery that never takes place. None: one delivery, at once. A play has them in
        all of its blocks or in none.
    available : BoolArray, shape (B, R, K), optional
        Arms that may be chosen, at least one in every round; None: all of them.
    """

    rewards: Array
    means: Array
    best: Array
    contexts: Array | None = None
    arrivals: IntArray | None = None
    available: BoolArray | None = None


class Environment(ABC):
    """Base class of every environment: an immutable description that can be played many times.

    Two environments are equal when they are of one class and their specs are; one whose spec does
    not say everything equals only itself.

    Attributes
    ----------
    n_arms : int
        K.
    dim : int
        d, the number of features of a context; 0 without contexts.
    reward : {"binary", "bounded", "nonnegative", "continuous"}
        Support of the rewards: {0, 1}, [0, 1], [0, inf), or any finite number.
    length : int, optional
        Number of rounds after which nothing is left to deal, None when it never ends.
    comparator : {"round", "fixed"}
        Who has no regret: whoever chooses the best arm of every round, or the best single arm of
        the whole play.
    self_contained : bool
        Whether `parameters` say everything; data that are too long for JSON are named by a digest.
    """

    version: ClassVar[int] = 1

    n_arms: int
    dim: int = 0
    reward: RewardSupport
    length: int | None = None
    comparator: Literal["round", "fixed"] = "round"
    self_contained: bool = True

    @classmethod
    def example(cls) -> Self:
        """An instance for checks and catalogues; a class with required arguments overrides it."""
        return cls()

    @property
    def optimum(self) -> float | None:
        """Expected reward of a best arm, where every round has the same; else None.

        The best mean of a single round is always known: `Rounds.best`.
        """
        return None

    def play(
        self, rng: np.random.Generator, *, replications: int, horizon: int, block: int = 128
    ) -> Iterator[Rounds]:
        """Deal ``horizon`` rounds in blocks.

        Parameters
        ----------
        rng : numpy.random.Generator
            Equal generators deal equal rounds, whatever the size of the blocks.
        replications : int >= 1
            R.
        horizon : int >= 1
            T, at most ``length``.
        block : int >= 1
            B, the number of rounds that are drawn at once; the last block may be shorter.
        """
        sizes = {"replications": replications, "horizon": horizon, "block": block}
        for name, value in sizes.items():
            check_integer(value, name=name, least=1)
        if self.length is not None and horizon > self.length:
            raise InvalidParameter(
                f"horizon = {horizon}, but {type(self).__name__} ends after {self.length} rounds; "
                "leave the horizon out to play all of them"
            )
        cut = [min(block, horizon - start) for start in range(0, horizon, block)]
        return self.deal(rng, replications=replications, sizes=cut)

    @abstractmethod
    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One `Rounds` per entry of ``sizes``; what an author writes, arguments being checked.

        Each kind of random number comes from a generator of its own (``rng.spawn``), so that the
        cut into blocks does not change what is dealt.
        """

    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What tells this environment from others of its class, fit for JSON."""

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """The environment whose `parameters` these are, after a way through JSON."""
        return cls(**parameters)

    @classmethod
    def identifier(cls) -> str:
        """Name and behaviour version, e.g. ``Bernoulli@1``."""
        return identifier(cls)

    def spec(self) -> dict[str, Any]:
        """Identifier and parameters, fit for JSON."""
        return {"id": self.identifier(), "parameters": self.parameters()}

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Environment) or type(self) is not type(other):
            return NotImplemented
        return self.self_contained and other.self_contained and self.spec() == other.spec()

    def __hash__(self) -> int:
        return hash((type(self), self.n_arms, self.dim))
