"""One policy in a race: R replications of its state, moved together one round at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import repeat
from time import perf_counter
from typing import Any

import numpy as np

from qbrix.environments import Environment, Rounds
from qbrix.errors import InvalidParameter, ShapeError, SupportError
from qbrix.policies import Policy
from qbrix.simulator.schedule import Schedule
from qbrix.state import map_arrays, to_bytes
from qbrix.support import includes
from qbrix.types import Array, IntArray, Interactions

__all__ = ["Player", "check_pairing"]

# What `Policy.play` stands for.
_PLAYED = ("propensities", "prepare", "sample", "update", "update_in_place")

# A policy that follows its preparation in small steps collects rounding errors: every so many
# versions it starts over.
_PREPARE_EVERY = 1024


def check_pairing(policy: Policy[Any, Any], environment: Environment) -> None:
    """Raise unless ``policy`` can play in ``environment``."""
    name, place = type(policy).__name__, type(environment).__name__
    learns = policy.capabilities.reward
    if not includes(learns, environment.reward):
        raise SupportError(
            f"{place} pays {environment.reward} rewards, {name} learns from {learns} ones; "
            "rescale the environment or choose a policy with a wider support"
        )
    if policy.capabilities.context and not environment.dim:
        raise InvalidParameter(
            f"{name} decides by context, {place} has none; "
            "choose an environment with contexts or a policy without"
        )


class Player:
    """A policy at play.

    Parameters
    ----------
    policy : Policy
    environment : Environment
        For its sizes; the rounds themselves are handed to `play`.
    replications : int
        R.
    rng : numpy.random.Generator
        This policy's own source of random numbers.
    schedule : Schedule
        When feedback is learned.

    Attributes
    ----------
    state : State
        What was learned so far, with leading axis R.
    elapsed_s : float
        Time spent in `play`.
    """

    def __init__(
        self,
        policy: Policy[Any, Any],
        environment: Environment,
        *,
        replications: int,
        rng: np.random.Generator,
        schedule: Schedule,
    ) -> None:
        check_pairing(policy, environment)
        n_arms = environment.n_arms
        self._uses_context = policy.capabilities.context
        dim = environment.dim if self._uses_context else 0
        self.policy = policy
        self.elapsed_s = 0.0
        self.state = _replicated(policy.init(n_arms=n_arms, dim=dim), replications)
        self._prepared = policy.prepare(self.state)
        self._rng = rng
        self._offsets = np.arange(replications) * n_arms
        self._unknown = np.ones(replications)
        self._in_place = _is_nearer(policy, "update_in_place", than="update")
        self._follows = _is_nearer(policy, "advance", than="prepare")
        self._samples = _is_nearer(policy, "sample", than="propensities") and not _weighs(
            policy, n_arms=n_arms, dim=dim
        )
        self._light = (
            self._in_place
            and self._samples
            and schedule.immediate
            and not self._uses_context
            and not policy.capabilities.recorded
        )
        self._blocks = self._light and type(policy).play is not Policy.play
        self._blocks &= all(_is_nearer(policy, "play", than=name) for name in _PLAYED)
        self._schedule = schedule
        self._waiting: deque[Interactions] = deque()
        self._played = self._learned = self._version = 0
        _check_law(policy, n_arms=n_arms, dim=dim)

    def play(self, rounds: Rounds) -> tuple[IntArray, Array]:
        """Decide and learn through ``rounds``; the chosen arms and their rewards, (B, R) each."""
        begin = perf_counter()
        size, replications, n_arms = rounds.rewards.shape
        tables = rounds.rewards.reshape(size, replications * n_arms)
        cells = np.empty((size, replications), dtype=np.int64)
        if self._blocks:
            arms = self.policy.play(self.state, rounds.rewards, rng=self._rng)
            np.add(arms, self._offsets, cells)
        elif self._light:
            self._play_light(tables, cells)
        else:
            self._play(tables, cells, contexts=self._contexts(rounds))
        paid = np.take_along_axis(tables, cells, axis=1)
        self.elapsed_s += perf_counter() - begin
        return cells - self._offsets, paid

    def _play(self, tables: Array, cells: IntArray, *, contexts: Iterable[Array | None]) -> None:
        """A batch for every round; the flat cells (row, arm) that were chosen go to ``cells``."""
        known = self._version
        versions = np.arange(known, known + len(cells)).repeat(cells.shape[1])
        versions = versions.reshape(*cells.shape, 1)
        receive = self._learn if self._schedule.immediate else self._queue
        for table, row, context in zip(tables, cells, contexts, strict=False):
            arms, propensities = self._decide(context)
            np.add(arms, self._offsets, row)
            receive(
                Interactions(
                    arms=arms[:, np.newaxis],
                    rewards=table.take(row)[:, np.newaxis],
                    propensities=propensities[:, np.newaxis],
                    state_versions=versions[self._version - known],
                    contexts=None if context is None else context[:, np.newaxis],
                    recorded=self._record(context, arms),
                    cells=row,
                )
            )

    def _play_light(self, tables: Array, cells: IntArray) -> None:
        """One batch for all rounds, written anew in each: who learns in place keeps none of it."""
        shape = (cells.shape[1], 1)
        batch = Interactions(
            arms=np.empty(shape, dtype=np.int64),
            rewards=np.empty(shape),
            propensities=self._unknown[:, np.newaxis],
            state_versions=np.empty(shape, dtype=np.int64),
            cells=np.empty(shape[0], dtype=np.int64),
        )
        arms, rewards, index = batch.arms[:, 0], batch.rewards[:, 0], batch.cells
        sample, rng, offsets = self.policy.sample, self._rng, self._offsets
        for table, row in zip(tables, cells, strict=True):
            arms[:] = sample(self._prepared, rng=rng)
            np.add(arms, offsets, index)
            table.take(index, out=rewards, mode="clip")
            row[:] = index
            batch.state_versions.fill(self._version)
            self._learn(batch)

    def _contexts(self, rounds: Rounds) -> Iterable[Array | None]:
        return repeat(None) if not self._uses_context else iter(_known(rounds.contexts))

    def _decide(self, context: Array | None) -> tuple[IntArray, Array]:
        if self._samples:
            return self.policy.sample(self._prepared, context, rng=self._rng), self._unknown
        propensities = self.policy.propensities(self._prepared, context)
        upper = propensities.cumsum(-1)
        u = self._rng.random((len(upper), 1)) * upper[:, -1:]
        arms = (u >= upper).sum(-1)
        return arms, propensities.ravel().take(self._offsets + arms)

    def _record(self, context: Array | None, arms: IntArray) -> Array | None:
        if not self.policy.capabilities.recorded:
            return None
        numbers = self.policy.record(self._prepared, context, arms)
        return None if numbers is None else numbers[:, np.newaxis]

    def _learn(self, batch: Interactions) -> None:
        policy = self.policy
        if self._in_place:
            policy.update_in_place(self.state, batch)
        else:
            self.state = policy.update(self.state, batch)
        self._version += 1
        if self._follows and self._version % _PREPARE_EVERY:
            self._prepared = policy.advance(self._prepared, self.state, batch)
        else:
            self._prepared = policy.prepare(self.state)

    def _queue(self, batch: Interactions) -> None:
        self._waiting.append(batch)
        self._played += 1
        due = self._schedule.due(self._played) - self._learned
        if due > 0:
            self._learned += due
            self._learn(_joined([self._waiting.popleft() for _ in range(due)]))


def _check_law(policy: Policy[Any, Any], *, n_arms: int, dim: int) -> None:
    """Raise unless the propensities of two replications are two laws."""
    prepared = policy.prepare(_replicated(policy.init(n_arms=n_arms, dim=dim), 2))
    got = policy.propensities(prepared, np.zeros((2, dim)) if dim else None).shape
    if got != (2, n_arms):
        raise ShapeError(
            f"{type(policy).__name__}.propensities returned shape {got} for 2 replications of "
            f"{n_arms} arms, expected {(2, n_arms)}: a law for each leading index of the state"
        )


def _replicated(state: Any, replications: int) -> Any:
    return map_arrays(lambda value: np.repeat(value[np.newaxis], replications, axis=0), state)


def _known(contexts: Array | None) -> Array:
    if contexts is None:
        raise ShapeError("the environment declares contexts but dealt a block without them")
    return contexts


def _joined(batches: list[Interactions]) -> Interactions:
    """Rows of several rounds as one batch, (R, 1) each to (R, n)."""
    first = batches[0]
    return Interactions(
        arms=np.concatenate([item.arms for item in batches], axis=1),
        rewards=np.concatenate([item.rewards for item in batches], axis=1),
        propensities=np.concatenate([item.propensities for item in batches], axis=1),
        state_versions=np.concatenate([item.state_versions for item in batches], axis=1),
        contexts=None if first.contexts is None else _rows(item.contexts for item in batches),
        recorded=None if first.recorded is None else _rows(item.recorded for item in batches),
    )


def _rows(arrays: Iterable[Array | None]) -> Array:
    return np.concatenate([item for item in arrays if item is not None], axis=1)


def _is_nearer(policy: Policy[Any, Any], name: str, *, than: str) -> bool:
    """Whether ``name`` is defined in the same class as ``than`` or in one derived from it.

    A shortcut that was inherited from a class whose plain form has been overridden since does not
    describe this policy any more.
    """
    lineage = type(policy).__mro__

    def depth(method: str) -> int:
        return next(i for i, owner in enumerate(lineage) if method in vars(owner))

    return depth(name) <= depth(than)


def _weighs(policy: Policy[Any, Any], *, n_arms: int, dim: int) -> bool:
    """Whether learning depends on the logged propensity; asked by learning twice and comparing.

    Where it does not, `Policy.sample` need not be accompanied by the probability of what it drew.
    """
    arms = np.arange(n_arms).repeat(2)
    rewards = np.tile([0.0, 1.0], n_arms)
    width = policy.capabilities.recorded
    learned = [
        policy.update(
            policy.init(n_arms=n_arms, dim=dim),
            Interactions(
                arms=arms,
                rewards=rewards,
                propensities=np.full(2 * n_arms, propensity),
                state_versions=np.zeros(2 * n_arms, dtype=np.int64),
                contexts=np.ones((2 * n_arms, dim)) if dim else None,
                recorded=np.full((2 * n_arms, width), 0.5) if width else None,
            ),
        )
        for propensity in (0.25, 0.5)
    ]
    return to_bytes(learned[0]) != to_bytes(learned[1])
