"""How many arms and features a bundle is for, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from qbrix.errors import InvalidParameter, ShapeError, StateMismatch
from qbrix.policies.base import Policy
from qbrix.state import State, leading_shape, resolve_sizes

__all__ = ["Sizes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """K and d, with names where they were given."""

    n_arms: int
    arms: tuple[str, ...] | None
    dim: int
    features: tuple[str, ...] | None

    @classmethod
    def found(
        cls,
        policy: Policy[Any, Any],
        *,
        state: State | None,
        environment: Any,
        arms: Sequence[str] | int | None,
        features: Sequence[str] | None,
        dim: int | None,
    ) -> Self:
        """As they are told, or as state and environment tell; refuses what contradicts itself."""
        names, n_arms = _arms(arms, state=state, environment=environment)
        sizes = cls(
            n_arms=n_arms,
            arms=names,
            dim=_dim(policy, dim, features=features, state=state, environment=environment),
            features=None if features is None else tuple(features),
        )
        if state is not None:
            _check_state(policy, state, n_arms=sizes.n_arms, dim=sizes.dim)
        return sizes


def _arms(
    arms: Sequence[str] | int | None, *, state: State | None, environment: Any
) -> tuple[tuple[str, ...] | None, int]:
    if isinstance(arms, int):
        return None, arms
    if arms is not None:
        names = _names(arms)
        return names, len(names)
    if state is not None:
        return None, resolve_sizes(state)["K"]
    if environment is not None:
        return None, int(environment.n_arms)
    raise InvalidParameter("arms are missing: give their names or their number, or a state")


def _names(arms: object) -> tuple[str, ...]:
    listed = isinstance(arms, Sequence) and not isinstance(arms, str)
    if not listed or not all(isinstance(name, str) for name in cast(Sequence[object], arms)):
        raise InvalidParameter(f"arms = {arms!r}, expected a list of names or a number")
    return tuple(cast(Sequence[str], arms))


def _dim(
    policy: Policy[Any, Any],
    dim: int | None,
    *,
    features: Sequence[str] | None,
    state: State | None,
    environment: Any,
) -> int:
    owner = type(policy).__name__
    if not policy.capabilities.context:
        if dim or features:
            raise ShapeError(f"{owner} uses no context; leave dim and features out")
        return 0
    told = {
        "dim": dim,
        "features": None if features is None else len(features),
        "state": None if state is None else resolve_sizes(state).get("d"),
        "environment": None if environment is None else environment.dim,
    }
    known = {name: size for name, size in told.items() if size is not None}
    if not known:
        raise ShapeError(f"{owner} needs a context: give dim or the names of the features")
    if len(set(known.values())) > 1 or min(known.values()) < 1:
        raise ShapeError(f"the number of features is {known}, expected one number >= 1")
    return next(iter(known.values()))


def _check_state(policy: Policy[Any, Any], state: State, *, n_arms: int, dim: int) -> None:
    if type(state) is not policy.state_type:
        raise StateMismatch(
            f"state is a {type(state).__name__}, {type(policy).__name__} learns into a "
            f"{policy.state_type.__name__}; export the policy with a state of its own"
        )
    if leading_shape(state):
        raise StateMismatch(
            f"the state has leading axes {leading_shape(state)}, a bundle carries one state; "
            "pick one: qbrix.state.take(state, 0)"
        )
    sizes = resolve_sizes(state)
    if sizes.get("K", n_arms) != n_arms or sizes.get("d", dim) != dim:
        raise StateMismatch(
            f"the state is of {sizes}, the bundle of {n_arms} arms and {dim} features"
        )
