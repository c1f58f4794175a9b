"""One step of learning for one experiment, without I/O: dedupe, dispose, fold, isolate poison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from qbrix.bundle.source import foreign_code
from qbrix.errors import InvalidParameter, QbrixError
from qbrix.ledger import Batch, Deployment, Resolver, Rows, fold
from qbrix.state import State, arrays_of
from serving.cortex.columns import Columns, Dead, columns_of
from serving.storage.records import FeedbackEvent, Key

__all__ = ["Learned", "attempt", "learn"]


@dataclass(slots=True)
class Learned:
    """What became of events: batches (each with the deployment that it makes) and dead letters."""

    deployment: Deployment
    batches: list[tuple[Batch, Deployment]] = field(default_factory=list)
    dead: list[Dead] = field(default_factory=list)
    duplicates: int = 0
    failures: list[str] = field(default_factory=list)  # what the policy's update said, each time


def learn(
    deployment: Deployment,
    events: Sequence[FeedbackEvent],
    *,
    known: Collection[Key],
    resolver: Resolver,
) -> Learned:
    """Fold what is new in ``events`` (of one experiment, in stream order).

    A poisonous event never takes its neighbours with it. Every batch was folded as a whole from
    the deployment before it, so that folding the ledger again gives the same bits.
    """
    learned = Learned(deployment)
    columns = columns_of(events, epoch=deployment.epoch)
    faults = columns.faults(deployment)
    learned.dead += [Dead(events[index], reason) for index, reason in faults.items()]
    new = _new(events, faults, known)
    learned.duplicates = len(events) - len(faults) - len(new)
    for same_width in _by_width(events, new, context=deployment.configuration.dim > 0):
        _fold_isolating(learned, columns, same_width, resolver)
    return learned


def attempt(deployment: Deployment, batch: Batch, resolver: Resolver) -> Deployment:
    """Fold ``batch``; raises QbrixError for whatever the policy's code does to prevent it."""
    with foreign_code("update", doing=f"the update of {deployment.configuration.policy.name}"):
        after = fold(deployment, batch, resolver)
    broken = None if batch.rows is None else _number_lost(deployment.state, after.state)
    if broken is not None:
        raise InvalidParameter(f"the update makes state.{broken} infinite or not a number")
    return after


def _new(
    events: Sequence[FeedbackEvent], faults: Collection[int], known: Collection[Key]
) -> list[int]:
    """Indices of sound events that are counted for the first time."""
    seen: set[Key] = set(known)
    new = []
    for index, event in enumerate(events):
        key = (event.experiment, event.epoch, event.decision_id, event.feedback_id)
        if index not in faults and key not in seen:
            seen.add(key)
            new.append(index)
    return new


def _by_width(
    events: Sequence[FeedbackEvent], indices: Sequence[int], *, context: bool
) -> list[list[int]]:
    """Groups whose rows fit into one matrix; more than one only around promotions and gates."""
    groups: dict[tuple[int, int], list[int]] = {}
    for index in indices:
        event = events[index]
        width = len(event.context) if context else 0
        groups.setdefault((width, len(event.recorded)), []).append(index)
    return list(groups.values())


def _fold_isolating(
    learned: Learned, columns: Columns, indices: Sequence[int], resolver: Resolver
) -> None:
    before = learned.deployment
    rows: Rows = columns.rows(indices, context=before.configuration.dim > 0)
    batch = Batch(epoch=before.epoch, version=before.version + 1, rows=rows)
    try:
        after = attempt(before, batch, resolver)
    except QbrixError as error:
        if len(indices) == 1:
            learned.dead.append(Dead(columns.events[indices[0]], str(error)))
            learned.failures.append(str(error))
            return
        half = len(indices) // 2
        _fold_isolating(learned, columns, indices[:half], resolver)
        _fold_isolating(learned, columns, indices[half:], resolver)
        return
    learned.batches.append((batch, after))
    learned.deployment = after


def _number_lost(before: State, after: State) -> str | None:
    """Name of a field that was finite and is not any more."""
    was = dict(arrays_of(before))
    for name, value in arrays_of(after):
        finite = np.isfinite(value)
        if finite.all():
            continue
        old = was.get(name)
        if old is None or old.shape != value.shape or (np.isfinite(old) & ~finite).any():
            return name
    return None
