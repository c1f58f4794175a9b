"""Rounds that are dealt from a table, and a policy that shows which version decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qbrix.environments import Environment, Rounds
from qbrix.rng import stream
from qbrix.simulator import Schedule
from qbrix.simulator.player import Player
from qbrix.support import RewardSupport
from qbrix.testing.subject import Subject
from qbrix.types import Array, BoolArray, IntArray, Interactions
from tests.simulator.by_hand import ConstantPolicy, Journal


class Table(Environment):
    """Every arm pays round + 100 · replication; arrivals and availability are as given.

    ``arrivals`` has shape (T, R, c), ``available`` (T, K).
    """

    reward: RewardSupport = "continuous"

    def __init__(
        self,
        *,
        n_arms: int = 12,
        arrivals: Sequence[Any] | None = None,
        available: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self.n_arms = n_arms
        self._arrivals = None if arrivals is None else np.array(arrivals)
        self._available = None if available is None else np.array(available, dtype=np.bool_)

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        start = 0
        for size in sizes:
            shape = (size, replications, self.n_arms)
            rounds = np.arange(start + 1.0, start + size + 1.0)[:, np.newaxis, np.newaxis]
            rewards = np.broadcast_to(rounds + 100.0 * np.arange(replications)[:, None], shape)
            shown = slice(start, start + size)
            start += size
            there = None if self._available is None else self._available[shown, np.newaxis]
            yield Rounds(
                rewards=np.ascontiguousarray(rewards),
                means=rewards,
                best=rewards[..., 0],
                arrivals=None if self._arrivals is None else self._arrivals[shown],
                available=None if there is None else np.broadcast_to(there, shape),
            )

    def parameters(self) -> dict[str, Any]:
        return {}


class Coins(Environment):
    """Contexts that a policy accepts, and rewards 0 or 1 that have nothing to do with them."""

    reward: RewardSupport = "binary"

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.n_arms, self.dim = subject.n_arms, subject.dim

    def deal(
        self, rng: np.random.Generator, *, replications: int, sizes: list[int]
    ) -> Iterator[Rounds]:
        context_rng, reward_rng = rng.spawn(2)
        for size in sizes:
            shape = (size, replications, self.n_arms)
            yield Rounds(
                rewards=reward_rng.integers(0, 2, shape).astype(np.float64),
                means=np.broadcast_to(0.5, shape),
                best=np.broadcast_to(0.5, shape[:2]),
                contexts=self.subject.contexts(context_rng, size, replications),
            )

    def parameters(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepPolicy(ConstantPolicy):
    """Chooses the arm whose index is the number of batches that taught it something."""

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        arms = np.arange(prepared.reward.shape[-1])
        law: Array = (prepared.batches[..., np.newaxis] == arms).astype(np.float64)
        return law

    def update(self, state: Journal, batch: Interactions) -> Journal:
        return replace(state, batches=state.batches + (batch.arms >= 0).any(-1))


def watched(
    environment: Environment,
    *,
    schedule: Schedule,
    rounds: int,
    replications: int = 1,
    block: int = 128,
    policy: type[ConstantPolicy] = StepPolicy,
) -> tuple[IntArray, list[Interactions], Player]:
    """The chosen arms (T, R), every batch that was learned, and the player afterwards."""
    batches: list[Interactions] = []

    class WatchedPolicy(policy):  # type: ignore[valid-type, misc]
        __slots__ = ()

        def update(self, state: Journal, batch: Interactions) -> Journal:
            batches.append(batch)
            learned: Journal = policy.update(self, state, batch)
            return learned

    player = Player(
        WatchedPolicy(),
        environment,
        replications=replications,
        rng=stream(1, "player"),
        schedule=schedule,
    )
    batches.clear()
    dealt = environment.play(
        stream(1, "environment"), replications=replications, horizon=rounds, block=block
    )
    arms = np.concatenate([player.play(part)[0] for part in dealt])
    return arms, batches, player
