"""Example data for any policy: states, contexts and batches that fit what it declares."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbrix.policies import Policy
from qbrix.rng import stream
from qbrix.state import State, arrays_of, stack
from qbrix.types import Array, IntArray, Interactions

__all__ = ["Subject", "arrays_in", "bits", "concatenated", "rows"]

AnyPolicy = Policy[Any, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """A policy with sizes for its examples.

    Attributes
    ----------
    policy : Policy
    n_arms : int
        K.
    seed : int
        Of every random number, together with the policy's name.
    """

    policy: AnyPolicy
    n_arms: int = 4
    seed: int = 20240229

    @property
    def dim(self) -> int:
        """d: 0 without contexts, else 3 or the width of the policy's own examples."""
        if not self.policy.capabilities.context:
            return 0
        own = getattr(self.policy, "example_rounds", None)
        return 3 if own is None else own(self.rng("dim"), n_arms=self.n_arms, shape=())[0].size

    def rng(self, *names: str) -> np.random.Generator:
        """A generator for one purpose."""
        return stream(self.seed, "contract", type(self.policy).__name__, *names)

    def init(self) -> State:
        """The state before the first interaction."""
        state: State = self.policy.init(n_arms=self.n_arms, dim=self.dim)
        return state

    def replicated(self, *states: State) -> State:
        """States along a leading axis."""
        return stack(list(states))

    def contexts(self, rng: np.random.Generator, *leading: int) -> Array | None:
        """Contexts (..., d) with a constant first feature, or None.

        A policy whose contexts must have a form of their own offers
        ``example_rounds(rng, n_arms=…, shape=…)``: contexts of shape ``(*shape, d)``, and for each
        the mean rewards of all arms, shape ``(*shape, K)``.
        """
        own = getattr(self.policy, "example_rounds", None)
        if own is not None:
            given: Array = own(rng, n_arms=self.n_arms, shape=leading)[0]
            return given
        if not self.dim:
            return None
        contexts = rng.standard_normal((*leading, self.dim))
        contexts[..., 0] = 1.0
        return contexts

    def batch(self, rng: np.random.Generator, *leading: int, rows: int) -> Interactions:
        """Rows of a log with random arms, rewards and propensities, (..., n)."""
        shape = (*leading, rows)
        arms = rng.integers(0, self.n_arms, shape)
        contexts = self.contexts(rng, *shape)
        return Interactions(
            arms=arms,
            rewards=self.rewards(rng, *shape),
            propensities=rng.uniform(0.05, 1.0, shape),
            state_versions=np.zeros(shape, dtype=np.int64),
            contexts=contexts,
            recorded=self._recorded(arms, contexts),
        )

    def rewards(self, rng: np.random.Generator, *shape: int) -> Array:
        """Rewards in the declared support, its ends included."""
        binary = rng.integers(0, 2, shape).astype(np.float64)
        if self.policy.capabilities.reward == "binary":
            return binary
        if self.policy.capabilities.reward == "nonnegative":
            return np.asarray(rng.poisson(1.0, shape) * rng.choice([1.0, 1.5], shape))
        if self.policy.capabilities.reward == "continuous":
            return rng.standard_normal(shape)
        return np.where(rng.random(shape) < 0.5, binary, rng.random(shape))

    def learned(self, *names: str, rows: int = 60) -> State:
        """A state after some rows."""
        state: State = self.policy.update(self.init(), self.batch(self.rng(*names), rows=rows))
        return state

    def law(self, state: State, contexts: Array | None) -> Array:
        """Propensities of a state that is not prepared."""
        law: Array = self.policy.propensities(self.policy.prepare(state), contexts)
        return law

    def _recorded(self, arms: IntArray, contexts: Array | None) -> Array | None:
        """What the policy would have recorded, had the initial state decided."""
        width = self.policy.capabilities.recorded
        if not width or not arms.size:
            return np.zeros((*arms.shape, width)) if width else None
        initial = self.init()
        flat_contexts = None if contexts is None else contexts.reshape(-1, self.dim)
        prepared = self.policy.prepare(stack([initial] * arms.size))
        noted = self.policy.record(prepared, flat_contexts, arms.reshape(-1))
        return np.asarray(noted, dtype=np.float64).reshape(*arms.shape, -1)


def arrays_in(value: object) -> Iterator[NDArray[Any]]:
    """Every array inside dataclasses, tuples, lists and dictionaries."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, State):
        for _, item in arrays_of(value):
            yield item
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from arrays_in(getattr(value, part.name))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_in(part)
    elif isinstance(value, dict):
        yield from arrays_in(tuple(value.values()))


def bits(*values: object) -> bytes:
    """The raw numbers of everything inside ``values``."""
    return b"".join(item.tobytes() for value in values for item in arrays_in(value))


def rows(batch: Interactions, chosen: Any) -> Interactions:
    """Some rows of a batch, indexed along n."""
    return Interactions(
        arms=batch.arms[..., chosen],
        rewards=batch.rewards[..., chosen],
        propensities=batch.propensities[..., chosen],
        state_versions=batch.state_versions[..., chosen],
        contexts=None if batch.contexts is None else batch.contexts[..., chosen, :],
        recorded=None if batch.recorded is None else batch.recorded[..., chosen, :],
    )


def concatenated(first: Interactions, second: Interactions) -> Interactions:
    """Two batches as one."""

    def joined(name: str, axis: int) -> Any:
        parts = [getattr(first, name), getattr(second, name)]
        return None if parts[0] is None else np.concatenate(parts, axis=axis)

    return Interactions(
        **{
            name: joined(name, -1) for name in ("arms", "rewards", "propensities", "state_versions")
        },
        **{name: joined(name, -2) for name in ("contexts", "recorded")},
    )
