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
from qbrix.policies.shortcuts import is_nearer, learns_from_propensities
from qbrix.simulator._inbox import AsItArrives, Inbox, InOrder
from qbrix.simulator._replicas import Held, Replicas
from qbrix.simulator.schedule import Schedule
from qbrix.state import copy_state, map_arrays
from qbrix.support import includes
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["Player", "check_pairing"]

# What `Policy.play` stands for.
_PLAYED = ("propensities", "prepare", "advance", "sample", "update", "update_in_place")

# A policy that follows its preparation in small steps collects rounding errors: every so many
# versions it starts over.
_PREPARE_EVERY = 1024


def check_pairing(policy: Policy[Any, Any], environment: Environment) -> None:
    """Raise unless ``policy`` can play in ``environment``."""
    if not isinstance(policy, Policy):
        raise InvalidParameter(
            f"policy = {policy!r}, expected an instance of Policy, for example BetaTSPolicy()"
        )
    if not isinstance(environment, Environment):
        raise InvalidParameter(
            f"environment = {environment!r}, expected an instance of Environment, "
            "for example Bernoulli([0.9, 0.8])"
        )
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
        When feedback is learned, and when who decides with it.

    Attributes
    ----------
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
        self._state = _replicated(policy.init(n_arms=n_arms, dim=dim), replications)
        self._prepared = policy.prepare(self._state)
        self._rng = rng
        self._offsets = np.arange(replications) * n_arms
        self._corners = np.arange(0)
        self._unknown = np.ones(replications)
        self._in_place = is_nearer(policy, "update_in_place", than="update")
        self._follows = is_nearer(policy, "advance", than="prepare")
        self._samples = is_nearer(
            policy, "sample", than="propensities"
        ) and not learns_from_propensities(policy, n_arms=n_arms, dim=dim)
        self._light = (
            self._in_place
            and self._samples
            and schedule.immediate
            and not self._uses_context
            and not policy.capabilities.recorded
        )
        self._blocks = schedule.immediate and type(policy).play is not Policy.play
        self._blocks &= all(is_nearer(policy, "play", than=name) for name in _PLAYED)
        self._schedule = schedule
        self._played = self._version = 0
        self._versions = np.zeros(replications, dtype=np.int64)
        self._dealt: tuple[bool, bool] | None = None
        self._inbox: Inbox = InOrder(schedule)
        self._unpublished: deque[tuple[int, Interactions]] = deque()
        self._replicas = Replicas(schedule, first=self._snapshot())
        _check_law(policy, n_arms=n_arms, dim=dim)
        if self._blocks:
            _warm_up(policy, n_arms=n_arms, dim=dim)

    @property
    def state(self) -> Any:
        """What was learned so far, published or not, with leading axis R."""
        state = self._state
        for _, batch in self._unpublished:
            state = self.policy.update(state, batch)
        return state

    def play(self, rounds: Rounds) -> tuple[IntArray, Array]:
        """Decide and learn through ``rounds``; the chosen arms and their rewards, (B, R) each."""
        begin = perf_counter()
        plain = self._is_plain(rounds)
        if plain and self._blocks:
            arms = self._play_block(rounds)
        else:
            arms = self._play_rounds(rounds, plain=plain)
        self._played += len(arms)
        paid = self._paid(rounds.rewards, arms)
        self.elapsed_s += perf_counter() - begin
        return arms, paid

    def _paid(self, rewards: Array, arms: IntArray) -> Array:
        """What the arms (B, R) paid."""
        if self._corners.size < arms.size:
            self._corners = np.arange(arms.size) * rewards.shape[-1]
        cells = arms + self._corners[: arms.size].reshape(arms.shape)
        return rewards.reshape(-1).take(cells)

    def _play_rounds(self, rounds: Rounds, *, plain: bool) -> IntArray:
        """All rounds, one by one."""
        size, replications, n_arms = rounds.rewards.shape
        tables = rounds.rewards.reshape(size, replications * n_arms)
        cells = np.empty((size, replications), dtype=np.int64)
        if not plain:
            self._serve(rounds, tables, cells)
        elif self._light:
            self._play_light(tables, cells)
        else:
            self._play(tables, cells, contexts=self._contexts(rounds))
        return cells - self._offsets

    def _play_block(self, rounds: Rounds) -> IntArray:
        """All rounds by the policy's own `Policy.play`."""
        before, self._version = self._version, self._version + len(rounds.rewards)
        if self._version // _PREPARE_EVERY > before // _PREPARE_EVERY:
            self._prepared = self.policy.prepare(self._state)
        arms, self._prepared = self.policy.play(
            self._prepared,
            self._state,
            rounds.rewards,
            contexts=_known(rounds.contexts) if self._uses_context else None,
            rng=self._rng,
        )
        return arms

    def _play(self, tables: Array, cells: IntArray, *, contexts: Iterable[Array | None]) -> None:
        """A batch for every round; the flat cells (row, arm) that were chosen go to ``cells``."""
        known = self._version
        versions = np.arange(known, known + len(cells)).repeat(cells.shape[1])
        versions = versions.reshape(*cells.shape, 1)
        for table, row, context in zip(tables, cells, contexts, strict=False):
            state_versions = versions[self._version - known]
            held = Held(prepared=self._prepared, versions=state_versions)
            self._learn(self._decided(held, table=table, row=row, context=context))

    def _serve(self, rounds: Rounds, tables: Array, cells: IntArray) -> None:
        """Decide with what is at hand, learn what has arrived: the conditions of production."""
        self._inbox.open(rounds, start=self._played)
        masks = _masks(rounds)
        contexts = self._contexts(rounds)
        walk = zip(tables, cells, contexts, masks, strict=False)
        for number, (table, row, context, mask) in enumerate(walk, start=self._played + 1):
            held = self._replicas.deciding(number, newest=self._snapshot)
            self._inbox.put(self._decided(held, table=table, row=row, context=context, mask=mask))
            batch = self._inbox.take(number)
            if batch is not None:
                self._unpublished.append((number + self._schedule.staleness, batch))
            while self._unpublished and self._unpublished[0][0] <= number:
                self._publish(self._unpublished.popleft()[1])

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

    def _is_plain(self, rounds: Rounds) -> bool:
        """Whether ``rounds`` and schedule let every reward be learned before the next decision."""
        dealt = (rounds.arrivals is not None, rounds.available is not None)
        if self._dealt is None:
            self._dealt = dealt
            if dealt[0]:
                self._inbox = AsItArrives(self._schedule)
        if dealt != self._dealt:
            raise ShapeError(
                "the environment dealt arrivals or available arms in some blocks and none in "
                "others; deal them in every block of a play or in none"
            )
        return self._schedule.immediate and not any(dealt)

    def _contexts(self, rounds: Rounds) -> Iterable[Array | None]:
        return repeat(None) if not self._uses_context else iter(_known(rounds.contexts))

    def _decided(
        self,
        held: Held,
        *,
        table: Array,
        row: IntArray,
        context: Array | None,
        mask: BoolArray | None = None,
    ) -> Interactions:
        """The decisions of a round, (R, 1); their flat cells (row, arm) go to ``row``."""
        arms, propensities = self._decide(held.prepared, context, mask)
        np.add(arms, self._offsets, row)
        if mask is not None and not mask.take(row).all():
            self._refuse(arms[~mask.take(row)])
        return Interactions(
            arms=arms[:, np.newaxis],
            rewards=table.take(row)[:, np.newaxis],
            propensities=propensities[:, np.newaxis],
            state_versions=held.versions,
            contexts=None if context is None else context[:, np.newaxis],
            recorded=self._record(held.prepared, context, arms, mask=mask),
            cells=row,
        )

    def _decide(
        self, prepared: Any, context: Array | None, mask: BoolArray | None
    ) -> tuple[IntArray, Array]:
        if self._samples:
            arms = self.policy.sample(prepared, context, mask=mask, rng=self._rng)
            return arms, self._unknown
        propensities = self.policy.propensities(prepared, context, mask=mask)
        upper = propensities.cumsum(-1)
        u = self._rng.random((len(upper), 1)) * upper[:, -1:]
        arms = (u >= upper).sum(-1)
        return arms, propensities.ravel().take(self._offsets + arms)

    def _refuse(self, arms: IntArray) -> None:
        raise InvalidParameter(
            f"{type(self.policy).__name__} chose arm {arms[0]}, which is not available; "
            "propensities and sample must give 0 to arms outside the mask"
        )

    def _record(
        self,
        prepared: Any,
        context: Array | None,
        arms: IntArray,
        *,
        mask: BoolArray | None,
    ) -> Array | None:
        if not self.policy.capabilities.recorded:
            return None
        numbers = self.policy.record(prepared, context, arms, mask=mask)
        return None if numbers is None else numbers[:, np.newaxis]

    def _learn(self, batch: Interactions) -> None:
        self._update(batch)
        if self._follows and self._version % _PREPARE_EVERY:
            self._prepared = self.policy.advance(self._prepared, self._state, batch)
        else:
            self._prepared = self.policy.prepare(self._state)

    def _update(self, batch: Interactions) -> None:
        if self._in_place:
            self.policy.update_in_place(self._state, batch)
        else:
            self._state = self.policy.update(self._state, batch)
        self._version += 1

    def _publish(self, batch: Interactions) -> None:
        """The next version, in the replications that learn something from ``batch``."""
        self._versions = self._versions + (batch.arms >= 0).any(1)
        if self._schedule.refresh == 1:
            self._learn(batch)
        else:
            self._update(batch)

    def _snapshot(self) -> Held:
        """The newest version, safe from what is learned later where replicas hold on to it."""
        versions = self._versions[:, np.newaxis]
        if self._schedule.refresh == 1:
            return Held(prepared=self._prepared, versions=versions)
        state = copy_state(self._state) if self._in_place else self._state
        return Held(prepared=self.policy.prepare(state), versions=versions)


def _masks(rounds: Rounds) -> Iterable[BoolArray | None]:
    """The available arms of each round, (R, K); None where all of them are."""
    if rounds.available is None:
        return repeat(None)
    shape = rounds.rewards.shape
    if rounds.available.shape != shape:
        raise ShapeError(f"available has shape {rounds.available.shape}, rewards have {shape}")
    if not rounds.available.any(-1).all():
        raise InvalidParameter("the environment dealt a round in which no arm is available")
    return [None if mask.all() else mask for mask in rounds.available]


def _check_law(policy: Policy[Any, Any], *, n_arms: int, dim: int) -> None:
    """Raise unless the propensities of two replications are two laws."""
    prepared = policy.prepare(_replicated(policy.init(n_arms=n_arms, dim=dim), 2))
    # Equal shares of the arms are a context for policies that expect experts' advice, too.
    context = np.full((2, dim), 1.0 / n_arms) if dim else None
    got = policy.propensities(prepared, context).shape
    if got != (2, n_arms):
        raise ShapeError(
            f"{type(policy).__name__}.propensities returned shape {got} for 2 replications of "
            f"{n_arms} arms, expected {(2, n_arms)}: a law for each leading index of the state"
        )


def _warm_up(policy: Policy[Any, Any], *, n_arms: int, dim: int) -> None:
    """Play a round that counts for nobody: what is loaded or compiled first takes nobody's time."""
    state = _replicated(policy.init(n_arms=n_arms, dim=dim), 2)
    contexts = np.full((1, 2, dim), 1.0 / n_arms) if dim else None
    chance = np.random.default_rng(0)
    rewards = np.zeros((1, 2, n_arms))
    policy.play(policy.prepare(state), state, rewards, contexts=contexts, rng=chance)


def _replicated(state: Any, replications: int) -> Any:
    return map_arrays(lambda value: np.repeat(value[np.newaxis], replications, axis=0), state)


def _known(contexts: Array | None) -> Array:
    if contexts is None:
        raise ShapeError("the environment declares contexts but dealt a block without them")
    return contexts
