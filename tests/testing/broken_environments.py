"""A faithful environment, and one flawed relative of it for each law of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np

from qbrix.environments import Environment, Rounds
from qbrix.support import RewardSupport


class Honest(Environment):
    """Two Bernoulli arms; keeps every law."""

    reward: RewardSupport = "binary"
    n_arms = 2
    length = 5000

    def __init__(self, good: float = 0.7) -> None:
        self.means = np.array([0.4, good])
        self.means.flags.writeable = False

    @property
    def optimum(self) -> float | None:
        """The second arm's."""
        return float(self.means[1])

    def parameters(self) -> dict[str, Any]:
        """The good arm's mean."""
        return {"good": float(self.means[1])}

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """One uniform number per round and arm."""
        for size in sizes:
            shape = (size, replications, 2)
            yield Rounds(
                rewards=(rng.random(shape) < self.means).astype(np.float64),
                means=np.broadcast_to(self.means, shape),
                best=np.broadcast_to(self.means[1], shape[:2]),
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.means[1]})"


FLAWS: dict[type[Honest], str] = {}
"""Class → name of the law that it breaks."""


def breaks(law: str) -> Callable[[type[Honest]], type[Honest]]:
    """Note which law a class breaks."""

    def noted(flawed: type[Honest]) -> type[Honest]:
        FLAWS[flawed] = law
        return flawed

    return noted


class Altered(Honest):
    """Deals what the honest one deals, after a change."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        """Block by block."""
        start = 0
        for rounds in super().deal(rng, replications=replications, sizes=sizes):
            yield self.altered(rounds, start=start)
            start += len(rounds.rewards)

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        """The flaw."""
        return rounds


@breaks("blocks_have_the_declared_shapes")
class Contexts(Altered):
    """Deals contexts that it does not declare."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        return replace(rounds, contexts=np.ones((*rounds.best.shape, 1)))


@breaks("numbers_are_finite")
class Unbounded(Altered):
    """One reward is missing."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        rounds.rewards[-1, -1, -1] = np.nan
        return rounds


@breaks("rewards_lie_in_the_support")
class Generous(Altered):
    """Pays 2 now and then and says it is binary."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        return replace(rounds, rewards=rounds.rewards * 2.0)


@breaks("best_is_what_nobody_beats")
class Modest(Altered):
    """Compares with the worse arm."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        return replace(rounds, best=rounds.means.min(-1))


@breaks("best_is_what_nobody_beats")
class ModestForever(Modest):
    """Compares with the worse arm and calls it the best single one."""

    comparator = "fixed"


@breaks("optimum_is_met")
class Boastful(Honest):
    """Declares an optimum that no arm has."""

    @property
    def optimum(self) -> float:
        return 0.9


@breaks("cut_into_blocks_changes_nothing")
class Interleaved(Honest):
    """Draws two kinds of numbers from one generator."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        for rounds in super().deal(rng, replications=replications, sizes=sizes):
            rng.random()
            yield rounds


@breaks("shorter_play_is_a_beginning")
class Foreseeing(Honest):
    """What it deals depends on the number of rounds to come."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        rng.random(sum(sizes))
        return super().deal(rng, replications=replications, sizes=sizes)


@breaks("plays_do_not_disturb_each_other")
class Shared(Altered):
    """Counts its rounds in itself."""

    dealt = 0

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        self.dealt += len(rounds.rewards)
        means = rounds.means * (0.5 if self.dealt == start + len(rounds.rewards) else 0.6)
        return replace(rounds, means=means, best=means.max(-1))


@breaks("spec_leads_back")
class Forgetful(Honest):
    """Its parameters say nothing."""

    def parameters(self) -> dict[str, Any]:
        return {"good": 0.5}


@breaks("spec_leads_back")
class Pretending(Honest):
    """Says that its data are elsewhere, and makes something from the spec all the same."""

    def __init__(self, good: float = 0.7) -> None:
        super().__init__(good)
        self.self_contained = False

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        return cls(0.5)


@breaks("nothing_can_be_changed")
class Open(Honest):
    """Anyone can write into its means."""

    def __init__(self, good: float = 0.7) -> None:
        super().__init__(good)
        self.means = self.means.copy()


@breaks("representation_is_short")
class Talkative(Honest):
    """Shows itself on two lines."""

    def __repr__(self) -> str:
        return f"{super().__repr__()}\n"


@breaks("sizes_are_guarded")
class Endless(Honest):
    """Deals more rounds than it has."""

    def play(self, *args: Any, **sizes: Any) -> Iterator[Rounds]:
        sizes["horizon"] = min(sizes["horizon"], self.length)
        return super().play(*args, **sizes)


@breaks("seeds_and_replications_differ")
class Fixed(Honest):
    """Uses no generator but its own."""

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        return super().deal(np.random.default_rng(1), replications=replications, sizes=sizes)


@breaks("replications_are_independent")
class Coupled(Altered):
    """Half of its replications have the luck of their neighbours."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        rounds.rewards[:, 1::2] = rounds.rewards[:, 0:-1:2]
        return rounds


@breaks("means_are_expectations")
class Optimistic(Altered):
    """Says that it pays three per cent more than it does."""

    def altered(self, rounds: Rounds, *, start: int) -> Rounds:
        means = rounds.means * 1.03
        return replace(rounds, means=means, best=means.max(-1))


@breaks("means_are_expectations")
class OptimisticAndUnbounded(Optimistic):
    """The same of rewards that are no shares."""

    reward: RewardSupport = "continuous"
