"""One step of learning without its digests, and many of them without what was taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from qbrix.errors import StateMismatch
from qbrix.ledger.configuration import Configuration, Control, PolicyRef
from qbrix.ledger.disposition import FOLDING, Disposition
from qbrix.ledger.names import retraction_target
from qbrix.ledger.rows import Batch, Rows
from qbrix.policies.base import Policy
from qbrix.state import State
from qbrix.support import rescaled
from qbrix.types import BoolArray

__all__ = [
    "Course",
    "Resolver",
    "TakenBack",
    "advance",
    "refold",
    "retracts",
    "stands",
    "taken_back",
]

TakenBack: TypeAlias = Mapping[tuple[int, str], Sequence[tuple[int, str]]]
"""(epoch, decision id) → which rewards were taken back: version of the retraction, feedback id."""

_CLOSINGS = (Disposition.CLOSED, Disposition.DEFAULT)


class Resolver(Protocol):
    """Finds the code, and perhaps the state, that a configuration refers to."""

    def policy(self, ref: PolicyRef) -> Policy[Any, Any]:
        """The policy with its hyper-parameters."""
        ...

    def bundle_state(self, ref: PolicyRef) -> State:
        """The state that the policy's bundle carries."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Course:
    """What decides at one (epoch, version).

    Attributes
    ----------
    epoch, version : int
    configuration : Configuration
    policy : Policy
    state : State
        No leading axes.
    """

    epoch: int
    version: int
    configuration: Configuration
    policy: Policy[Any, Any]
    state: State


def advance(
    before: Course | None, batch: Batch, resolver: Resolver, *, without: TakenBack | None = None
) -> Course:
    """What decides after ``batch``, whose rows that were taken back are left out."""
    if batch.control is not None:
        configuration = batch.control.configuration
        policy = resolver.policy(configuration.policy)
        if batch.control.start != "keep":
            state = _started(policy, batch.control, resolver)
        else:
            state = _there(before, batch).state
            if configuration.n_arms != _there(before, batch).configuration.n_arms:
                state = policy.grow(state, n_arms=configuration.n_arms)
    else:
        now = _there(before, batch)
        assert batch.rows is not None
        configuration, policy, state = now.configuration, now.policy, now.state
        learned = batch.rows.interactions(stands(batch, without or {}))
        if configuration.reward_range is not None:
            paid = rescaled(learned.rewards, configuration.reward_range)
            learned = replace(learned, rewards=paid)
        if learned.arms.size:
            state = policy.update(state, learned)
    return Course(
        epoch=batch.epoch,
        version=batch.version,
        configuration=configuration,
        policy=policy,
        state=state,
    )


def refold(
    start: Course | None, batches: Iterable[Batch], resolver: Resolver, *, without: TakenBack
) -> Course:
    """Learning again as if what was taken back had never come.

    Parameters
    ----------
    start : Course, optional
        From before anything in ``without`` was learned; None begins with the first batch, which
        must be the control change that began the epoch.
    batches : Iterable[Batch]
        The versions behind ``start``, in order and without a gap.
    """
    course = start
    for batch in batches:
        if course is not None and batch.version != course.version + 1:
            raise StateMismatch(
                f"version {batch.version} does not follow version {course.version}; "
                "fold the batches in order"
            )
        if batch.rows is not None and not len(batch.rows):
            raise StateMismatch(f"the rows of version {batch.version} are not kept any more")
        course = advance(course, batch, resolver, without=without)
    if course is None:
        raise StateMismatch("there is nothing to fold again; give the epoch's batches")
    return course


def taken_back(batches: Iterable[Batch]) -> dict[tuple[int, str], list[tuple[int, str]]]:
    """What the retractions among these batches take back."""
    found: defaultdict[tuple[int, str], list[tuple[int, str]]] = defaultdict(list)
    for batch in batches:
        rows = batch.rows
        if rows is None or not retracts(batch):
            continue
        for index in np.flatnonzero(rows.dispositions == Disposition.RETRACTION).tolist():
            target = retraction_target(rows.feedback_ids[index])
            if target is None:
                raise StateMismatch(f"version {batch.version}: a retraction that names no reward")
            key = (int(rows.epochs[index]), rows.decision_ids[index])
            found[key].append((batch.version, target))
    return dict(found)


def retracts(batch: Batch) -> bool:
    """Whether the batch takes back what was learned before it."""
    return batch.rows is not None and bool(
        (batch.rows.dispositions == Disposition.RETRACTION).any()
    )


def stands(batch: Batch, without: TakenBack) -> BoolArray:
    """Which rows of feedback are learned and were not taken back by a later version, (n,).

    A retraction takes back the reward that it names and what closed the decision's window before.
    """
    rows = batch.rows
    assert rows is not None
    learned = np.isin(rows.dispositions, FOLDING)
    if without:
        for index, decision_id in enumerate(rows.decision_ids):
            taken = without.get((int(rows.epochs[index]), decision_id))
            if taken and learned[index]:
                learned[index] = not _is_taken(rows, index, taken, version=batch.version)
    return learned


def _is_taken(rows: Rows, index: int, taken: Sequence[tuple[int, str]], *, version: int) -> bool:
    closing = int(rows.dispositions[index]) in _CLOSINGS
    return any(
        version < later and (closing or feedback_id == rows.feedback_ids[index])
        for later, feedback_id in taken
    )


def _there(before: Course | None, batch: Batch) -> Course:
    if before is None:
        raise StateMismatch(
            f"version {batch.version} follows a state that is not there; give all versions since"
        )
    return before


def _started(policy: Policy[Any, Any], control: Control, resolver: Resolver) -> State:
    configuration = control.configuration
    if control.start == "bundle":
        return resolver.bundle_state(configuration.policy)
    initial: State = policy.init(n_arms=configuration.n_arms, dim=configuration.dim)
    return initial
