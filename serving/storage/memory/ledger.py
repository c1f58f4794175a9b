"""`Ledger` in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any

import msgspec

from qbrix.errors import Conflict, NotFound
from qbrix.ledger import Batch
from qbrix.ledger.names import RESERVED
from serving.storage.base_ledger import AlreadyCounted
from serving.storage.memory.world import Lease, World
from serving.storage.records import (
    CommittedBatch,
    ControlRequest,
    DeadLetter,
    DecisionEvent,
    ExperimentRecord,
    Key,
    Promotion,
    StateRecord,
)
from serving.storage.records_windows import Progress
from serving.storage.rows import batch_keys, decision_of

__all__ = ["MemoryLedger"]

replace = msgspec.structs.replace


class MemoryStep:
    """See `serving.storage.base.LedgerStep`; what it writes waits for the end of the step."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._writes: list[Callable[[], object]] = []
        self._versions: dict[str, int] = {}

    def commit(self) -> None:
        """Do all that was asked for; nothing here can fail or wait."""
        for write in self._writes:
            write()

    async def append(self, experiment: str, committed: CommittedBatch) -> None:
        """See `LedgerStep`."""
        stored = self._world.batches[experiment]
        last = self._versions.get(experiment, stored[-1].batch.version)
        if committed.batch.version != last + 1:
            raise Conflict(
                f"experiment {experiment} is at version {last}, "
                f"the batch makes version {committed.batch.version}"
            )
        self._versions[experiment] = committed.batch.version
        copy = replace(committed, batch=Batch.from_bytes(committed.batch.to_bytes()))
        keys = batch_keys(experiment, committed.batch)
        if not self._world.keys.isdisjoint(keys):
            raise AlreadyCounted(f"the ledger has rewards of version {committed.batch.version}")
        self._writes.append(lambda: stored.append(copy))
        self._writes.append(lambda: self._world.keys.update(keys))

    async def put_snapshot(self, state: StateRecord) -> None:
        """See `LedgerStep`."""
        self._writes.append(lambda: self._world.snapshots.update({state.experiment: state}))

    async def put_window(self, experiment: str, progress: Progress) -> None:
        """See `LedgerStep`."""
        self._writes.append(lambda: self._world.windows.update({experiment: progress}))

    async def put_checkpoint(self, state: StateRecord) -> None:
        """See `LedgerStep`."""
        self._writes.append(lambda: self._world.keep(state))

    async def drop_checkpoints(self, experiment: str, *, after: int) -> None:
        """See `LedgerStep`."""
        self._writes.append(lambda: self._world.drop(experiment, after=after))

    async def settle_control(
        self, control_id: int, *, status: str, outcome: dict[str, Any]
    ) -> bool:
        """See `LedgerStep`."""
        stored = self._world.controls[control_id]
        if stored.status != "pending":
            return False
        settled = replace(stored, status=status, outcome=outcome)
        self._writes.append(lambda: self._world.controls.update({control_id: settled}))
        return True

    async def put_promotion(
        self, experiment: str, *, version: int, bundle: str, certificate: str
    ) -> None:
        """See `LedgerStep`."""
        promotion = Promotion(version=version, bundle=bundle, certificate=certificate)
        self._writes.append(lambda: self._world.promotions.append((experiment, promotion)))

    async def put_policy(self, record: ExperimentRecord) -> None:
        """See `LedgerStep`."""
        changed = replace(
            self._world.experiments[record.id],
            policy=record.policy,
            parameters=record.parameters,
            bundle=record.bundle,
            support=record.support,
            floor=record.floor,
            reward_range=record.reward_range,
            window_s=record.window_s,
            default_reward=record.default_reward,
            aggregation=record.aggregation,
        )
        self._writes.append(lambda: self._world.experiments.update({record.id: changed}))

    async def bury(self, experiment: str, *, reason: str, payload: bytes) -> None:
        """See `LedgerStep`."""
        letter = DeadLetter(
            experiment=experiment,
            reason=reason,
            payload=payload,
            id=next(self._world.letter_ids),
            buried_ms=self._world.now_ms(),
        )
        self._writes.append(lambda: self._world.dead_letters.append(letter))

    async def put_decisions(self, decisions: Sequence[DecisionEvent]) -> None:
        """See `LedgerStep`."""
        kept, archived = self._world.decisions, self._world.archived
        new = {(event.proxy, event.number): event for event in decisions}
        self._writes.append(lambda: kept.update({key: new[key] for key in new if key not in kept}))
        self._writes.append(lambda: archived.update(new))

    async def move(self, stream: str, *, incarnation: str, position: str) -> None:
        """See `LedgerStep`."""
        place = {stream: (incarnation, position)}
        self._writes.append(lambda: self._world.positions.update(place))

    def meanwhile(self, begin: Callable[[], None]) -> None:
        """See `LedgerStep`; here it is at once."""
        begin()


class MemoryLedger:
    """See `serving.storage.base.Ledger`."""

    def __init__(self, world: World, *, clock: Callable[[], float]) -> None:
        self._world = world
        self._clock = clock

    async def acquire(self, shard: int, *, holder: str, ttl_s: float) -> int | None:
        """See `Ledger`."""
        now = self._clock()
        lease = self._world.leases.setdefault(shard, Lease(holder="", term=0, expires_at=now))
        if lease.holder != holder:
            if lease.expires_at > now:
                return None
            lease.holder, lease.term = holder, lease.term + 1
        lease.expires_at = now + ttl_s
        return lease.term

    async def release(self, shard: int, *, holder: str) -> None:
        """See `Ledger`."""
        lease = self._world.leases.get(shard)
        if lease is not None and lease.holder == holder:
            lease.expires_at = self._clock()

    @asynccontextmanager
    async def step(self, shard: int, *, term: int) -> AsyncIterator[MemoryStep]:
        """See `Ledger`."""
        self._fence(shard, term=term)
        step = MemoryStep(self._world)
        yield step
        self._fence(shard, term=term)
        step.commit()

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """See `Ledger`."""
        decisions = {key[2] for key in keys}
        return {key for key in self._world.keys if key[2] in decisions}

    async def marked(self, experiments: Sequence[str]) -> set[str]:
        """See `Ledger`."""
        own = {key[0] for key in self._world.keys if key[3].startswith(RESERVED)}
        return own & set(experiments)

    async def position(self, stream: str) -> tuple[str, str] | None:
        """See `Ledger`."""
        return self._world.positions.get(stream)

    async def shards(self) -> int:
        """See `Ledger`."""
        return max((one.shard + 1 for one in self._world.live()), default=0)

    async def experiments(self, shard: int) -> list[ExperimentRecord]:
        """See `Ledger`."""
        return [one for one in self._world.live() if one.shard == shard]

    async def experiment(self, experiment: str) -> ExperimentRecord | None:
        """See `Ledger`."""
        found = self._world.experiments.get(experiment)
        return None if experiment in self._world.deleted else found

    async def snapshot(self, experiment: str) -> StateRecord | None:
        """See `Ledger`."""
        return self._world.snapshots.get(experiment)

    async def pending_controls(self, shard: int) -> list[ControlRequest]:
        """See `Ledger`."""
        experiments = self._world.experiments
        return [
            control
            for control in self._world.controls.values()
            if control.status == "pending" and experiments[control.experiment].shard == shard
        ]

    async def batches(
        self, experiment: str, *, after: int, limit: int, changes_only: bool = False
    ) -> list[CommittedBatch]:
        """See `Ledger`."""
        found = [
            one for one in self._world.batches.get(experiment, []) if one.batch.version > after
        ]
        changes = [one for one in found if one.batch.control is not None]
        return (changes if changes_only else found)[:limit]

    async def decisions(
        self, experiment: str, *, after: int, limit: int
    ) -> tuple[list[DecisionEvent], int | None]:
        """See `Ledger`."""
        numbered = (
            (cursor, event)
            for cursor, event in enumerate(self._world.decisions.values(), start=1)
            if event.experiment == experiment and cursor > after
        )
        page = list(islice(numbered, limit))
        return [event for _, event in page], page[-1][0] if len(page) == limit else None

    async def find_decision(self, tenant: str, decision_id: str) -> DecisionEvent:
        """See `Ledger`."""
        world = self._world
        own = {one.id for one in world.experiments.values() if one.tenant == tenant}
        for event in world.decisions.values():
            if event.decision_id == decision_id and event.experiment in own:
                return event
        for experiment in own:
            for stored in world.batches[experiment]:
                found = decision_of(experiment, stored.batch, decision_id=decision_id)
                if found is not None:
                    return found
        raise NotFound("decision", decision_id)

    async def promotions(self, experiment: str) -> list[Promotion]:
        """See `Ledger`."""
        return [one for name, one in self._world.promotions if name == experiment]

    async def bundle(self, sha256: str) -> bytes:
        """See `Ledger`."""
        for (_, known), data in self._world.bundles.items():
            if known == sha256:
                return data
        raise NotFound("bundle", sha256)

    def _fence(self, shard: int, *, term: int) -> None:
        lease = self._world.leases.get(shard)
        if lease is None or lease.term != term:
            now = 0 if lease is None else lease.term
            raise Conflict(f"shard {shard} is in term {now}, this step belongs to term {term}")
