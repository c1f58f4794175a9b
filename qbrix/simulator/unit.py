"""What is played in one piece: some policies through one unit of replications.

The replications of a race are cut into units whose size depends on the environment's sizes alone.
Every unit has random streams of its own, and so has every policy in it: what comes out does not
depend on where, when, in which order or beside whom a unit was played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qbrix.environments import Environment, Rounds
from qbrix.policies import Policy
from qbrix.rng import stream
from qbrix.simulator.metrics import Tally, Trace
from qbrix.simulator.player import Player
from qbrix.simulator.schedule import Schedule
from qbrix.state import State, arrays_of
from qbrix.types import IntArray

__all__ = ["Piece", "Task", "cut", "play", "silent", "unit_size"]

AnyPolicy = Policy[Any, Any]

_UNIT_REPLICATIONS = 1000
# Numbers of a unit's states, K d² for each replication: with their prepared form they stay in
# memory whatever the number of replications is.
_UNIT_NUMBERS = 1 << 24

# Numbers of a block's largest array, 2 MB: what is done once per block, like counting, weighs
# little beside its rounds, and what they read stays near the processor.
_BLOCK_NUMBERS = 1 << 18
_BLOCK_ROUNDS = 128


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Task:
    """Policies to be played through one unit; it travels to a worker whole.

    Attributes
    ----------
    policies : mapping of label to Policy
    environment : Environment
    marks : IntArray, shape (C,)
        Checkpoints; the last one is the horizon.
    seed, unit : int
        Together they decide what is random.
    replications : int
        Size of the unit.
    schedule : Schedule
    keep_states : bool
    """

    policies: Mapping[str, AnyPolicy]
    environment: Environment
    marks: IntArray
    seed: int
    unit: int
    replications: int
    schedule: Schedule
    keep_states: bool

    @property
    def horizon(self) -> int:
        """Rounds to play."""
        return int(self.marks[-1])

    def only(self, *labels: str) -> Task:
        """The same unit for some of the policies."""
        return replace(self, policies={label: self.policies[label] for label in labels})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Piece:
    """What one policy did in one unit.

    Attributes
    ----------
    trace : Trace
        Up to the last checkpoint that was passed.
    rounds : int
        Rounds that were played; fewer than the horizon after an interrupt.
    state : State, optional
        Final state with leading axis R, where it was asked for.
    """

    trace: Trace
    rounds: int
    state: State | None = None


def unit_size(environment: Environment) -> int:
    """The number of replications that move together: 1000, fewer where states are large."""
    numbers = environment.n_arms * max(1, environment.dim) ** 2
    return max(1, min(_UNIT_REPLICATIONS, _UNIT_NUMBERS // numbers))


def cut(replications: int, environment: Environment) -> list[int]:
    """Sizes of the units of so many replications; only the last one may be smaller."""
    size = unit_size(environment)
    whole, rest = divmod(replications, size)
    return [size] * whole + [rest] * (rest > 0)


def silent(rounds: int) -> None:
    """Report progress to nobody."""


def play(task: Task, *, told: Callable[[int], object] = silent) -> dict[str, Piece]:
    """Play to the end, or until Ctrl-C; every policy finishes a block before the next is dealt.

    Parameters
    ----------
    task : Task
    told : callable
        Called with the number of rounds after each block.

    Returns
    -------
    mapping of label to Piece
    """
    names = (task.unit,) if task.unit else ()  # the first unit is as old as the seeds in print
    players = {
        label: Player(
            policy,
            task.environment,
            replications=task.replications,
            rng=stream(task.seed, "policy", label, *names),
            schedule=task.schedule,
        )
        for label, policy in task.policies.items()
    }
    tallies = {
        label: Tally(task.marks, replications=task.replications, n_arms=task.environment.n_arms)
        for label in players
    }
    done = 0
    with suppress(KeyboardInterrupt):
        for rounds in _dealt(task, rng=stream(task.seed, "environment", *names)):
            played = {label: player.play(rounds) for label, player in players.items()}
            for label, (arms, rewards) in played.items():
                tallies[label].add(rounds, arms=arms, rewards=rewards, start=done)
            done += len(rounds.rewards)
            told(len(rounds.rewards))
    return {
        label: _piece(task, player=player, tally=tallies[label], done=done)
        for label, player in players.items()
    }


def _dealt(task: Task, *, rng: np.random.Generator) -> Iterator[Rounds]:
    widest = max(task.environment.n_arms, task.environment.dim)
    block = max(1, min(_BLOCK_ROUNDS, _BLOCK_NUMBERS // (task.replications * widest)))
    return task.environment.play(
        rng, replications=task.replications, horizon=task.horizon, block=block
    )


def _piece(task: Task, *, player: Player, tally: Tally, done: int) -> Piece:
    decisions = max(done, 1) * task.replications
    return Piece(
        trace=tally.trace(
            reached=int(task.marks.searchsorted(done, side="right")),
            seconds_per_decision=player.elapsed_s / decisions,
            state_bytes=sum(array.nbytes for _, array in arrays_of(player.state))
            / task.replications,
        ),
        rounds=done,
        state=player.state if task.keep_states and done == task.horizon else None,
    )
