"""What policies share whose context carries something about every arm, not only about the moment.

The width of such a context grows with K, so it cannot be read from a field of the state alone.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

from qbrix.checks import check_batch, check_context, check_integer
from qbrix.errors import InvalidParameter, StateMismatch
from qbrix.policies.base import Policy
from qbrix.state import State, arrays_of, leading_shape, resolve_sizes
from qbrix.types import Array, Interactions

S = TypeVar("S", bound=State)
P = TypeVar("P")


class PerArmPolicy(Policy[S, P]):
    """A policy with sums as state and contexts of a width that depends on K."""

    __slots__ = ()

    @abstractmethod
    def width(self, sizes: dict[str, int]) -> int:
        """Features d of a context, given the sizes of the state's letters."""

    def check_batch(self, state: S, batch: Interactions) -> None:
        """Raise unless ``batch`` fits ``state`` and the declared reward support."""
        sizes = resolve_sizes(state)
        check_batch(
            batch,
            n_arms=sizes["K"],
            leading=leading_shape(state),
            dim=self.width(sizes),
            support=self.capabilities.reward,
            owner=type(self).__name__,
        )

    def grow(self, state: S, *, n_arms: int) -> S:
        """Refused: contexts would become wider, and those of the log would not fit any more."""
        raise StateMismatch(
            f"the contexts of {type(self).__name__} hold numbers for every arm, their width cannot "
            "follow the arms; retire arms as you like, but begin a new experiment to add some"
        )

    def merge(self, a: S, b: S) -> S:
        """Sums add."""
        other = dict(arrays_of(b))
        return type(a)(**{name: value + other[name] for name, value in arrays_of(a)})


def parts(dim: int, n_arms: int, *, owner: str, what: str) -> int:
    """How many numbers each of K equal parts of a context has."""
    check_integer(n_arms, name="n_arms", least=1)
    check_integer(dim, name="dim", least=0)
    if dim < n_arms or dim % n_arms:
        raise InvalidParameter(
            f"dim = {dim}, {owner} needs a multiple of the {n_arms} arms: {what}; "
            f"pass dim = {n_arms} times the number you have"
        )
    return dim // n_arms


def side_by_side(context: Array | None, n_arms: int, n_features: int, *, owner: str) -> Array:
    """The features of every arm, (..., K * k) to (..., K, k)."""
    x = check_context(context, dim=n_arms * n_features, owner=owner)
    return x.reshape(*x.shape[:-1], n_arms, n_features)
