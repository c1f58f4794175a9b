"""Recording a golden trace, from a plan that fixes all that is not the policy's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qbrix.bundle.trace import Trace, check_law, mask_without
from qbrix.draw import draw, edges, uniform
from qbrix.errors import InvalidParameter
from qbrix.policies.base import Policy
from qbrix.rng import stream
from qbrix.state import State, digest, to_bytes
from qbrix.support import includes
from qbrix.types import Array

__all__ = ["Plan", "record"]

STEPS = 256

_KEY = b"qbrix golden trace"
# Decisions between two updates, in turn; late rewards make batches of 1 to 9 and more of them.
_GROUPS = (1, 1, 2, 9, 3, 1, 16, 6, 1, 12, 4)
_STALENESS = 2
# A state is digested (and, when bits are only close, stored) once per version.
_STATE_BUDGET_BYTES = 48 * 2**20
_LEAST_UPDATES = 4


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """What the world does in a trace of n steps.

    Attributes
    ----------
    contexts : Array, shape (n, d)
    rewards : Array, shape (n, K)
        What each arm would pay.
    groups : tuple of int
        Steps decided at each version; the last group is decided after the last update.
    """

    contexts: Array
    rewards: Array
    groups: tuple[int, ...]

    @classmethod
    def make(
        cls,
        policy: Policy[Any, Any],
        start: State,
        *,
        n_arms: int,
        dim: int,
        seed: int,
        environment: Any = None,
    ) -> Plan:
        """Contexts and rewards from seeded streams, or from an environment's rounds.

        Rewards of an environment are used where the policy can learn from all of them.
        """
        rewards = _rewards(policy.capabilities.reward, n_arms=n_arms, seed=seed)
        width = dim if policy.capabilities.context else 0
        contexts = policy.example_contexts(
            stream(seed, "bundle", "contexts"), n=STEPS, n_arms=n_arms, dim=width
        )
        if environment is not None:
            rounds = _play(environment, n_arms=n_arms, dim=dim, seed=seed)
            contexts = rounds[0] if width else contexts
            if includes(policy.capabilities.reward, environment.reward):
                rewards = rounds[1]
        return cls(contexts=contexts, rewards=rewards, groups=_groups(len(to_bytes(start))))


def record(policy: Policy[Any, Any], start: State, plan: Plan) -> Trace:
    """Play ``plan`` with ``policy`` from the state ``start``."""
    recorder = _Recorder(policy, start, plan)
    for version, size in enumerate(plan.groups):
        for _ in range(size):
            recorder.decide()
        if version < len(plan.groups) - 1:
            recorder.learn()
    return recorder.trace()


class _Recorder:
    """The trace as it grows."""

    def __init__(self, policy: Policy[Any, Any], start: State, plan: Plan) -> None:
        n, n_arms = plan.rewards.shape
        self._policy = policy
        self._plan = plan
        self._state = start
        self._prepared = [policy.prepare(start)]  # of the newest versions, newest last
        self._laws: dict[tuple[int, int], Array] = {}  # by version and mask, without context
        self._pending: list[tuple[int, int]] = []  # (version from which it may be learned, step)
        self._step = 0
        self._keeps_states = policy.capabilities.bits == "close"
        self._states = [to_bytes(start)] if self._keeps_states else []
        self._digests = [digest(start)]
        self._learned: list[int] = []
        self._ends: list[int] = []
        self._columns: dict[str, Any] = {
            name: np.zeros(n, dtype=np.int64) for name in ("versions", "masked", "arms")
        }
        self._columns |= {name: np.zeros(n) for name in ("u", "low", "propensities", "rewards")}
        self._columns["laws"] = np.zeros((n, n_arms))
        self._columns["recorded"] = np.zeros((n, policy.capabilities.recorded))

    def decide(self) -> None:
        step, row = self._step, self._columns
        n_arms = row["laws"].shape[1]
        newest = len(self._digests) - 1
        lag = min(_STALENESS, newest) if step % 9 == 8 else 0
        masked = step // 11 % n_arms if step % 11 == 10 and n_arms > 1 else -1
        context = self._plan.contexts[step] if self._plan.contexts.shape[1] else None
        prepared = self._prepared[-1 - lag]
        law = self._law(prepared, context, version=newest - lag, masked=masked)
        u = uniform(_KEY, experiment="trace", epoch=0, decision_id=str(step))
        drawn = draw(edges(law), u)
        row["versions"][step], row["masked"][step] = newest - lag, masked
        row["laws"][step], row["u"][step], row["arms"][step] = law, u, drawn.arm
        row["low"][step], row["propensities"][step] = drawn.low, drawn.propensity
        row["rewards"][step] = self._plan.rewards[step, drawn.arm]
        if row["recorded"].shape[1]:
            mask = mask_without(masked, n_arms=len(law))
            noted = self._policy.record(prepared, context, np.asarray(drawn.arm), mask=mask)
            row["recorded"][step] = noted
        delay = 7 if step % 23 == 22 else 3 if step % 5 == 4 else 0
        self._pending.append((newest + delay, step))
        self._step += 1

    def learn(self) -> None:
        newest = len(self._digests) - 1
        due = [step for ready, step in self._pending if ready <= newest]
        due = due or [self._pending[0][1]]
        self._pending = [item for item in self._pending if item[1] not in due]
        self._learned += due
        self._ends.append(len(self._learned))
        batch = self.trace().batch(newest)
        self._state = self._policy.update(self._state, batch)
        self._prepared = [*self._prepared[-_STALENESS:], self._policy.prepare(self._state)]
        self._digests.append(digest(self._state))
        if self._keeps_states:
            self._states.append(to_bytes(self._state))

    def _law(self, prepared: Any, context: Array | None, *, version: int, masked: int) -> Array:
        known = self._laws.get((version, masked)) if context is None else None
        if known is not None:
            return known
        n_arms = self._plan.rewards.shape[1]
        mask = mask_without(masked, n_arms=n_arms)
        law: Array = self._policy.propensities(prepared, context, mask=mask)
        check_law(law, mask, n_arms=n_arms, owner=type(self._policy).__name__)
        self._laws[version, masked] = law
        return law

    def trace(self) -> Trace:
        return Trace(
            **self._columns,
            contexts=self._plan.contexts,
            learned=np.asarray(self._learned, dtype=np.int64),
            ends=np.asarray(self._ends, dtype=np.int64),
            digests=tuple(self._digests),
            states=tuple(self._states),
        )


def _rewards(support: str, *, n_arms: int, seed: int) -> Array:
    rng = stream(seed, "bundle", "rewards")
    means = np.arange(1, n_arms + 1) / (n_arms + 1)
    drawn = rng.random((STEPS, n_arms))
    if support == "binary":
        return (drawn < means).astype(np.float64)
    if support == "nonnegative":
        return -2.0 * means * np.log1p(-drawn)
    if support == "continuous":
        return 4.0 * means + 2.0 * rng.standard_normal((STEPS, n_arms))
    bounded: Array = np.clip(means + drawn - 0.5, 0.0, 1.0)
    return bounded


def _play(environment: Any, *, n_arms: int, dim: int, seed: int) -> tuple[Array, Array]:
    """Contexts (n, d) and rewards (n, K) of one replication; a short environment is repeated."""
    if (environment.n_arms, environment.dim) != (n_arms, dim):
        raise InvalidParameter(
            f"the environment has {environment.n_arms} arms and {environment.dim} features, "
            f"the policy is exported for {n_arms} and {dim}; leave one of them out",
        )
    horizon = min(STEPS, environment.length or STEPS)
    rng = stream(seed, "bundle", "environment")
    blocks = list(environment.play(rng, replications=1, horizon=horizon))
    rewards = np.concatenate([block.rewards[:, 0] for block in blocks])
    empty = np.zeros((horizon, 0))
    contexts = np.concatenate([block.contexts[:, 0] for block in blocks]) if dim else empty
    repeated = np.arange(STEPS) % horizon
    return contexts[repeated].astype(np.float64), rewards[repeated].astype(np.float64)


def _groups(state_bytes: int) -> tuple[int, ...]:
    sizes: list[int] = []
    while sum(sizes) < STEPS:
        size = _GROUPS[len(sizes) % len(_GROUPS)]
        sizes.append(min(size, STEPS - sum(sizes)))
    most = max(_LEAST_UPDATES, _STATE_BUDGET_BYTES // max(state_bytes, 1))
    if len(sizes) - 1 <= most:
        return tuple(sizes)
    return tuple(len(part) for part in np.array_split(np.arange(STEPS), most + 1))
