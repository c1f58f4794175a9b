"""One step of learning for one experiment, without I/O: dedupe, dispose, fold, isolate poison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from qbrix.bundle.source import foreign_code
from qbrix.errors import InvalidParameter, QbrixError
from qbrix.ledger import Batch, Course, Deployment, Resolver, Rows, fold
from qbrix.ledger.course import retracts
from qbrix.state import State, arrays_of
from qbrix.types import IntArray
from serving.cortex.columns import Columns, Dead, columns_of
from serving.cortex.kinds import kinds_of, parted
from serving.cortex.past import Past
from serving.cortex.retract import retraction_rows
from serving.storage.records import FeedbackEvent, Key
from serving.storage.records_windows import BEFORE_ALL, Progress

__all__ = ["Learned", "attempt", "close", "learn"]


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
    past: Past | None = None,
    closed: Progress = BEFORE_ALL,
) -> Learned:
    """Fold what is new in ``events`` (of one experiment, in stream order).

    A poisonous event never takes its neighbours with it. Every batch was folded as a whole from
    the deployment before it, so that folding the ledger again gives the same bits. Retractions
    come last: a reward that comes together with its retraction is not learned to begin with.
    """
    learned = Learned(deployment)
    rewards, takes, forged = parted(events)
    learned.dead += [Dead(event, "its feedback id is one of our own") for event in forged]
    takes = [takes[index] for index in _new(takes, (), known)]
    learned.duplicates = len(events) - len(rewards) - len(forged) - len(takes)
    kinds = kinds_of(rewards, deployment, known=known, retractions=takes, closed=closed)
    _take_in(learned, rewards, kinds, resolver, known=known)
    if takes:
        past = past or Past()
        rows, what = retraction_rows(
            deployment,
            takes,
            past=past,
            since=[batch for batch, _ in learned.batches],
            closed=closed,
        )
        _take_in(learned, rows, np.array(what, dtype=np.int64), resolver, past=past)
    return learned


def close(
    deployment: Deployment,
    events: Sequence[FeedbackEvent],
    kinds: IntArray,
    *,
    resolver: Resolver,
) -> Learned:
    """Fold rows that close windows; one that cannot be learned spoils no other."""
    learned = Learned(deployment)
    _take_in(learned, events, kinds, resolver)
    return learned


def attempt(
    deployment: Deployment, batch: Batch, resolver: Resolver, *, refolded: Course | None = None
) -> Deployment:
    """Fold ``batch``; raises QbrixError for whatever the policy's code does to prevent it."""
    with foreign_code("update", doing=f"the update of {deployment.configuration.policy.name}"):
        after = fold(deployment, batch, resolver, refolded=refolded)
    broken = None if batch.rows is None else _number_lost(deployment.state, after.state)
    if broken is not None:
        raise InvalidParameter(f"the update makes state.{broken} infinite or not a number")
    return after


def _take_in(
    learned: Learned,
    events: Sequence[FeedbackEvent],
    kinds: IntArray,
    resolver: Resolver,
    *,
    known: Collection[Key] = (),
    past: Past | None = None,
) -> None:
    """Rows with what becomes of each: batches, duplicates and dead letters."""
    if not events:
        return
    now = learned.deployment
    columns = columns_of(events, kinds)
    faults = columns.faults(now)
    learned.dead += [Dead(events[index], reason) for index, reason in faults.items()]
    new = _new(events, faults, known)
    learned.duplicates += len(events) - len(faults) - len(new)
    folding = _Folding(learned, columns, resolver, past)
    for same_width in _by_width(events, new, context=now.configuration.dim > 0):
        folding.isolating(same_width)


def _new(
    events: Sequence[FeedbackEvent], faults: Collection[int], known: Collection[Key]
) -> list[int]:
    """Indices of sound events that are counted for the first time, in order."""
    if not (faults or known) and len({event.decision_id for event in events}) == len(events):
        return [*range(len(events))]  # nearly always, and much faster
    sound = [index for index in range(len(events)) if index not in faults]
    keys = [events[index].key for index in sound]
    first = dict(zip(reversed(keys), reversed(sound), strict=True))  # the earlier index wins
    for key in first.keys() & known:
        del first[key]
    return sorted(first.values())


def _by_width(
    events: Sequence[FeedbackEvent], indices: Sequence[int], *, context: bool
) -> list[list[int]]:
    """Groups whose rows fit into one matrix; more than one only around promotions and gates."""
    contexts = [len(events[index].context) for index in indices] if context else []
    recorded = [len(events[index].recorded) for index in indices]
    if indices and len(set(contexts)) <= 1 and len(set(recorded)) == 1:
        return [[*indices]]
    widths = [*zip(contexts or [0] * len(indices), recorded, strict=True)]
    return [
        [index for index, own in zip(indices, widths, strict=True) if own == width]
        for width in dict.fromkeys(widths)
    ]


@dataclass(frozen=True, slots=True)
class _Folding:
    """Rows on their way into batches."""

    learned: Learned
    columns: Columns
    resolver: Resolver
    past: Past | None

    def isolating(self, indices: Sequence[int]) -> None:
        """One batch of them all, or of all but those that cannot be folded."""
        learned, before = self.learned, self.learned.deployment
        rows: Rows = self.columns.rows(indices, context=before.configuration.dim > 0)
        batch = Batch(epoch=before.epoch, version=before.version + 1, rows=rows)
        try:
            after = self._folded(batch)
        except QbrixError as error:
            if len(indices) == 1:
                learned.dead.append(Dead(self.columns.events[indices[0]], str(error)))
                learned.failures.append(str(error))
                return
            half = len(indices) // 2
            self.isolating(indices[:half])
            self.isolating(indices[half:])
            return
        learned.batches.append((batch, after))
        learned.deployment = after

    def _folded(self, batch: Batch) -> Deployment:
        before, refolded = self.learned.deployment, None
        if self.past is not None and retracts(batch):
            since = [made for made, _ in self.learned.batches]
            name = before.configuration.policy.name
            with foreign_code("update", doing=f"the update of {name} without what was taken back"):
                refolded = self.past.refolded(since, batch, self.resolver)
        return attempt(before, batch, self.resolver, refolded=refolded)


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
