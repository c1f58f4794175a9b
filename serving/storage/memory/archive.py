"""`Archive` in memory."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from qbrix.errors import NotFound
from serving.sampling import is_kept
from serving.storage.base_archive import Retention, Tended
from serving.storage.memory.world import World
from serving.storage.months import month_start_ms
from serving.storage.records import CommittedBatch, DeadLetter, DecisionEvent
from serving.storage.rows import batch_keys, row_decision

__all__ = ["MemoryArchive"]

replace = msgspec.structs.replace

_REACH_MS = 86_400_000


class MemoryArchive:
    """See `serving.storage.base_archive.Archive`; there are no partitions to make."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._compared_ms: int | None = None

    async def tend(self, keep: Retention, *, now_ms: int, unread_ms: int | None = None) -> Tended:
        """See `Archive`."""
        pruned = self._prune_keys(now_ms - keep.keys_ms)
        if keep.decisions_ms is not None:
            self._drop_decisions(month_start_ms(now_ms - keep.decisions_ms))
        if keep.ledger_ms is not None:
            self._drop_batches(month_start_ms(now_ms - keep.ledger_ms))
        restored = self._restore(keep.restore_until(now_ms, unread_ms))
        return Tended(pruned_keys=pruned, restored=restored)

    async def decisions_lost(self) -> int:
        """See `Archive`."""
        numbers: dict[str, set[int]] = {}
        for proxy, number in self._world.archived:
            numbers.setdefault(proxy, set()).add(number)
        return sum(max(seen) - len(seen) for seen in numbers.values())

    async def dead_letters(
        self, experiment: str | None, *, limit: int, before: int | None = None
    ) -> list[DeadLetter]:
        """See `Archive`."""
        return [
            letter
            for letter in reversed(self._world.dead_letters)
            if experiment in (None, letter.experiment) and (before is None or letter.id < before)
        ][:limit]

    async def dead_letter(self, letter_id: int) -> DeadLetter:
        """See `Archive`."""
        for letter in self._world.dead_letters:
            if letter.id == letter_id:
                return letter
        raise NotFound("dead letter", str(letter_id))

    async def mark_redriven(self, letter_ids: Sequence[int]) -> None:
        """See `Archive`."""
        letters = self._world.dead_letters
        for place, letter in enumerate(letters):
            if letter.id in letter_ids and letter.redriven_ms is None:
                letters[place] = replace(letter, redriven_ms=self._world.now_ms())

    def _prune_keys(self, before_ms: int) -> int:
        old = {
            key
            for experiment, stored in self._world.batches.items()
            for committed in stored
            if committed.committed_ms < before_ms
            for key in batch_keys(experiment, committed.batch)
        }
        pruned = old & self._world.keys
        self._world.keys -= pruned
        return len(pruned)

    def _drop_decisions(self, before_ms: int) -> None:
        decisions = self._world.decisions
        for key in [key for key, event in decisions.items() if event.decided_ms < before_ms]:
            del decisions[key]

    def _drop_batches(self, before_ms: int) -> None:
        """As a month of every experiment goes or none, a snapshot that lags behind keeps it."""
        world = self._world
        old = {
            experiment: [one for one in stored if one.committed_ms < before_ms]
            for experiment, stored in world.batches.items()
        }
        lags = any(
            one.batch.version > world.snapshots[experiment].version
            for experiment, some in old.items()
            for one in some
        )
        for experiment, some in {} if lags else old.items():
            head = world.snapshots[experiment].version
            gone = {one.batch.version for one in some} - {head}
            world.batches[experiment][:] = [
                one for one in world.batches[experiment] if one.batch.version not in gone
            ]

    def _restore(self, until_ms: int) -> int:
        start_ms = until_ms - _REACH_MS if self._compared_ms is None else self._compared_ms
        self._compared_ms = max(start_ms, until_ms)
        decisions = self._world.decisions
        before = len(decisions)
        for experiment, stored in self._world.batches.items():
            told = _told(experiment, stored, start_ms=start_ms, until_ms=until_ms)
            log = [event for event in decisions.values() if event.experiment == experiment]
            known = {(event.epoch, event.decision_id) for event in log}
            sampling = log[-1].sampling if log else 1.0
            for event in told:
                if (event.epoch, event.decision_id) in known:
                    continue
                known.add((event.epoch, event.decision_id))
                if is_kept(event.decision_id, sampling=sampling):
                    key = f"{experiment} {event.epoch} {event.decision_id}", 0
                    decisions[key] = replace(event, sampling=sampling)
        return len(decisions) - before


def _told(
    experiment: str, stored: Sequence[CommittedBatch], *, start_ms: int, until_ms: int
) -> list[DecisionEvent]:
    batches = [one.batch for one in stored if start_ms <= one.committed_ms < until_ms]
    return [
        row_decision(experiment, batch.rows, index)
        for batch in batches
        if batch.rows is not None
        for index in range(len(batch.rows))
    ]
