"""Policies that are written for one context at a time, in plain scalar code."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import numpy as np

from qbrix.checks import check_context
from qbrix.policies.base import Policy
from qbrix.state import State, leading_shape, map_arrays, resolve_sizes, stack, take
from qbrix.types import Array, BoolArray, Interactions

__all__ = ["ScalarPolicy"]

S = TypeVar("S", bound=State)


class ScalarPolicy(Policy[S, S]):
    """Base of a policy whose author thinks of one decision and one reward at a time.

    The author writes two methods for a state without leading axes. They are lifted to batches and
    leading axes by loops: slower than arrays, equal in meaning.

    Examples
    --------
    A policy that repeats an arm as long as it pays::

        @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
        class Last(State):
            won: Array = array("K")

        @dataclass(frozen=True, kw_only=True, slots=True)
        class WinStay(ScalarPolicy[Last]):
            state_type = Last
            capabilities = Capabilities(reward="binary")

            def probabilities(self, state: Last, x: Array | None) -> Array:
                weight = np.where(state.won.any(), state.won, 1.0)
                return weight / weight.sum()

            def learn(self, state: Last, x: Array | None, arm: int, reward: float) -> Last:
                won = np.zeros_like(state.won)
                won[arm] = reward
                return Last(won=won)
    """

    __slots__ = ()

    @abstractmethod
    def probabilities(self, state: S, x: Array | None) -> Array:
        """Probability of every arm for one state and one context.

        Parameters
        ----------
        state : S
            Without leading axes.
        x : Array, shape (d,), or None for a policy without context

        Returns
        -------
        Array, shape (K,)
        """

    @abstractmethod
    def learn(self, state: S, x: Array | None, arm: int, reward: float) -> S:
        """The state after one reward: a new value, ``state`` is not touched."""

    def propensities(
        self, prepared: S, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K).

        A mask takes the forbidden arms out and leaves the proportions of the others; where all
        that is allowed has probability 0, the allowed arms share evenly.
        """
        if self.capabilities.context:
            dim = resolve_sizes(prepared).get("d", 0 if context is None else context.shape[-1])
            context = check_context(context, dim=dim or 1, owner=type(self).__name__)
        else:
            context = None
        states = leading_shape(prepared)
        leading = np.broadcast_shapes(states, () if context is None else context.shape[:-1])
        if context is not None:
            context = np.broadcast_to(context, (*leading, context.shape[-1]))
        rows = [
            self.probabilities(
                _at(prepared, states, index), None if context is None else context[index]
            )
            for index in np.ndindex(*leading)
        ]
        law = np.asarray(rows, dtype=np.float64).reshape(*leading, -1)
        return law if mask is None else _restricted(law, mask)

    def update(self, state: S, batch: Interactions) -> S:
        """The state after the rows of every leading index, learned one by one."""
        self.check_batch(state, batch)
        leading = leading_shape(state)
        learned = [self._folded(take(state, index), batch, index) for index in np.ndindex(*leading)]
        if not leading:
            return learned[0]
        return map_arrays(lambda value: value.reshape(*leading, *value.shape[1:]), stack(learned))

    def _folded(self, state: S, batch: Interactions, index: tuple[int, ...]) -> S:
        contexts = batch.contexts if self.capabilities.context else None
        for row, arm in enumerate(batch.arms[index].tolist()):
            if arm >= 0:
                x = None if contexts is None else contexts[index][row]
                state = self.learn(state, x, arm, float(batch.rewards[index][row]))
        return state


def _at(state: S, states: tuple[int, ...], index: tuple[int, ...]) -> S:
    """The state that belongs to an index of the broadcast leading axes."""
    own = index[len(index) - len(states) :]
    return take(state, tuple(0 if size == 1 else i for size, i in zip(states, own, strict=True)))


def _restricted(law: Array, mask: BoolArray) -> Array:
    """The law given that the arm is allowed."""
    kept = np.where(mask, law, 0.0)
    total = kept.sum(-1, keepdims=True)
    even = mask / mask.sum(-1, keepdims=True)
    return np.where(total > 0.0, kept / np.where(total > 0.0, total, 1.0), even)
