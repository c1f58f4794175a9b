"""A policy inside a policy: named in a hyper-parameter, its state packed into a row of numbers."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.policies.base import Policy
from qbrix.state import State, arrays_of, grown, leading_shape, resolve_sizes
from qbrix.types import Array, BoolArray, Interactions

AnyPolicy = Policy[Any, Any]
S = TypeVar("S", bound=State)

_SPOKEN = re.compile(r"([\w@]+)\s*(?:\((.*)\))?", re.DOTALL)


@lru_cache(maxsize=256)
def learner_of(text: str) -> AnyPolicy:
    """The policy that `policy_of` finds, if it can be started over by somebody who watches rewards.

    Raises
    ------
    UnknownName, InvalidParameter
        As `policy_of` does, or the policy needs more than a reward in [0, 1].
    """
    policy = policy_of(text)
    _check_fit(policy)
    return policy


@lru_cache(maxsize=256)
def plain_learner_of(text: str) -> AnyPolicy:
    """The policy that `policy_of` finds, if it needs no context and records nothing.

    Raises
    ------
    UnknownName, InvalidParameter
        As `policy_of` does, or the policy needs more.
    """
    policy = policy_of(text)
    _refuse(
        policy,
        {
            "it decides by context": policy.capabilities.context,
            "it records numbers at the decision": policy.capabilities.recorded > 0,
        },
        wanted="a policy without context",
    )
    return policy


@lru_cache(maxsize=256)
def policy_of(text: str) -> AnyPolicy:
    """The policy that a text names: a name of the catalogue, or what `repr` shows of a policy.

    Raises
    ------
    UnknownName
        The catalogue has no such policy.
    InvalidParameter
        The text is neither.
    """
    from qbrix.policies import get

    match = _SPOKEN.fullmatch(text.strip())
    given = None if match is None else _keywords(match[2] or "")
    if match is None or given is None:
        raise _unclear(text)
    try:
        policy: AnyPolicy = get(match[1])(**given)
    except TypeError:
        raise _unclear(text) from None
    return policy


def initial(policy: AnyPolicy, n_arms: int, *, dim: int = 0) -> Array:
    """The packed state before the first interaction, shape (m,)."""
    return packed(policy.init(n_arms=n_arms, dim=dim))


@lru_cache(maxsize=256)
def weighs(policy: AnyPolicy) -> bool:
    """Whether what the policy learns depends on the logged propensity."""
    learned = [
        policy.update(
            policy.init(n_arms=2),
            Interactions(
                arms=np.array([0, 0]),
                rewards=np.array([0.0, 1.0]),
                propensities=np.full(2, propensity),
                state_versions=np.zeros(2, dtype=np.int64),
            ),
        )
        for propensity in (0.25, 0.5)
    ]
    return not np.array_equal(packed(learned[0]), packed(learned[1]))


def size_of(policy: AnyPolicy, n_arms: int, *, dim: int = 0) -> int:
    """How many numbers `packed` gives, m."""
    return sum(value.size for _, value in arrays_of(_template(policy, n_arms, dim)))


def packed(state: State) -> Array:
    """All numbers of a state in a row, shape (..., m)."""
    leading = leading_shape(state)
    numbers = [value.reshape(*leading, -1) for _, value in arrays_of(state)]
    return np.concatenate(numbers, axis=-1, dtype=np.float64)


def unpacked(policy: AnyPolicy, numbers: Array, *, n_arms: int, dim: int = 0) -> State:
    """The state that was packed; its arrays are copies."""
    made: dict[str, Any] = {}
    start = 0
    for name, value in arrays_of(_template(policy, n_arms, dim)):
        part = numbers[..., start : start + value.size]
        shape = (*numbers.shape[:-1], *value.shape)
        made[name] = np.array(part, dtype=value.dtype, order="C").reshape(shape)
        start += value.size
    return policy.state_type(**made)


def grown_around(state: S, fresh: S, learner: AnyPolicy) -> S:
    """`qbrix.state.grown` for states that hold a packed ``learner``, who gets the arms as well."""
    before, after = resolve_sizes(state)["K"], resolve_sizes(fresh)["K"]
    inner = unpacked(learner, cast(Any, state).learner, n_arms=before)
    numbers = packed(learner.grow(inner, n_arms=after))
    old, new = (replace(cast(Any, one), learner=numbers) for one in (state, fresh))
    return cast(S, grown(old, new))


def learned(
    policy: AnyPolicy, numbers: Array, batch: Interactions, *, restarts: BoolArray, n_arms: int
) -> Array:
    """The packed state after a batch in which the policy starts over now and then.

    Parameters
    ----------
    policy : Policy
    numbers : Array, shape (..., m)
        Packed states.
    batch : Interactions
        Rows of shape (..., n).
    restarts : BoolArray, shape (..., n)
        Whether to start over after a row.
    n_arms : int
        K.

    Returns
    -------
    Array, shape (..., m)
        What goes row by row is decided for each leading index on its own, so that its neighbours
        change no bit of it.
    """
    restless: BoolArray = np.logical_or.reduce(restarts, axis=-1, keepdims=True)
    if not restless.all():
        numbers = _taught(policy, numbers, _kept(batch, ~restless), n_arms=n_arms)
    if restless.any():
        beginning = initial(policy, n_arms)
        some = _kept(batch, restless)
        for row in range(batch.arms.shape[-1]):
            numbers = _taught(policy, numbers, _row(some, row), n_arms=n_arms)
            numbers = np.where(restarts[..., row, np.newaxis], beginning, numbers)
    return numbers


def learned_by(policy: AnyPolicy, state: State, batch: Interactions) -> State:
    """The state after a batch that was checked; ``state`` may be written into."""
    if type(policy).update_in_place is Policy.update_in_place:
        after: State = policy.update(state, batch)
        return after
    policy.update_in_place(state, batch)
    return state


def _taught(policy: AnyPolicy, numbers: Array, batch: Interactions, *, n_arms: int) -> Array:
    return packed(learned_by(policy, unpacked(policy, numbers, n_arms=n_arms), batch))


def _kept(batch: Interactions, which: BoolArray) -> Interactions:
    """The batch with padding where ``which``, shape (..., 1), is False."""
    if which.all():
        return batch
    return replace(batch, arms=np.where(which, batch.arms, -1), cells=None)


def _row(batch: Interactions, row: int) -> Interactions:
    """One row of a batch as a batch, shape (..., 1)."""
    chosen = slice(row, row + 1)
    return Interactions(
        arms=batch.arms[..., chosen],
        rewards=batch.rewards[..., chosen],
        propensities=batch.propensities[..., chosen],
        state_versions=batch.state_versions[..., chosen],
    )


@lru_cache(maxsize=256)
def _template(policy: AnyPolicy, n_arms: int, dim: int) -> State:
    state: State = policy.init(n_arms=n_arms, dim=dim)
    return state


def _keywords(text: str) -> dict[str, Any] | None:
    """``a=1, b=0.5`` as a dictionary, None when it is anything else."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            return None
        return {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        return None


def _check_fit(policy: AnyPolicy) -> None:
    can = policy.capabilities
    _refuse(
        policy,
        {
            "it decides by context": can.context,
            "it learns from binary rewards only": can.reward == "binary",
            "it records numbers at the decision": can.recorded > 0,
            "its bits are not exact": can.bits != "exact",
        },
        wanted="a policy without context that learns from rewards in [0, 1]",
    )


def _refuse(policy: AnyPolicy, reasons: dict[str, bool], *, wanted: str) -> None:
    for reason, holds in reasons.items():
        if holds:
            raise InvalidParameter(f"learner = {type(policy).__name__}: {reason}; name {wanted}")


def _unclear(text: str) -> InvalidParameter:
    return InvalidParameter(
        f"learner = {text!r}: expected a policy of the catalogue with its hyper-parameters, as "
        "repr() shows it; write for example 'BetaTSPolicy(alpha_prior=2.0)'"
    )
