"""One experiment with windows, a clock that is set by hand, and a cortex that is asked to look."""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from qbrix.ledger import Attribution, Deployment, Disposition
from qbrix.ledger.names import retraction_id
from qbrix.state import to_bytes
from serving.cortex.service import Cortex
from serving.storage.base import ExperimentRecord, FeedbackEvent, Stores
from tests.cortex.world import cortex_of, create, decided, refolded

START_MS = 1_790_000_000_000  # when decision 0 is made; decision n comes n milliseconds later
GRACE_MS = 1000
replace = msgspec.structs.replace


class FakeClock:
    """Milliseconds since decision 0."""

    def __init__(self) -> None:
        self.now_ms = 0

    def __call__(self) -> int:
        return START_MS + self.now_ms


@dataclass(frozen=True, slots=True)
class Scene:
    """What is sent, and what became of it."""

    stores: Stores
    record: ExperimentRecord
    clock: FakeClock
    cortex: Cortex

    async def send(self, *events: FeedbackEvent) -> None:
        """Into the stream."""
        await self.stores.intake.append_feedback(self.record.shard, list(events))

    async def log(
        self, *numbers: int, recorded: tuple[float, ...] = (), epoch: int = 0, arms: int = 1
    ) -> None:
        """Decisions into theirs; they take so many arms in turn."""
        events = [
            replace(decided(self.record, n), recorded=recorded, epoch=epoch, arm=n % arms)
            for n in numbers
        ]
        await self.stores.intake.append_decisions(self.record.shard, events)

    async def at(self, now_ms: int) -> None:
        """Let it be ``now_ms`` after decision 0, and learn what there is to learn."""
        self.clock.now_ms = now_ms
        await self.cortex.drain()

    def followed(self) -> Scene:
        """The same with another cortex, which has never led."""
        shards = [self.record.shard]
        heir = cortex_of(self.stores, shards=shards, clock=self.clock)
        return Scene(self.stores, self.record, self.clock, heir)

    async def rows(self) -> list[tuple[int, str, str, float]]:
        """(decision, feedback id, what became of it, reward) in the order of the ledger."""
        found = []
        for stored in await self.stores.ledger.batches(self.record.id, after=0, limit=9999):
            rows = stored.batch.rows
            if rows is None:
                continue
            for index, decision_id in enumerate(rows.decision_ids):
                kind = Disposition(int(rows.dispositions[index])).name.lower()
                number, reward = int(decision_id, 16), float(rows.rewards[index])
                found.append((number, rows.feedback_ids[index], kind, reward))
        return found

    async def kinds(self) -> list[tuple[int, str]]:
        """(decision, what became of it)."""
        return [(number, kind) for number, _, kind, _ in await self.rows()]

    async def successes(self) -> list[float]:
        """Of the Beta state, once ledger, snapshot and published copy agree about it."""
        deployment = await self.checked()
        counted: list[float] = deployment.state.successes.tolist()  # type: ignore[attr-defined]
        return counted

    async def checked(self) -> Deployment:
        """The ledger folded from zero, compared with all that was kept of it."""
        deployment = await refolded(self.stores, self.record.id)
        snapshot = await self.stores.ledger.snapshot(self.record.id)
        published = await self.stores.channel.fetch(self.record.id)
        for copy in (snapshot, published):
            assert copy is not None
            assert copy.version == deployment.version
            assert copy.state == to_bytes(deployment.state)
            assert copy.state_digest == deployment.state_digest
        return deployment


async def scene_of(
    stores: Stores,
    attribution: Attribution | None,
    *,
    shard: int = 0,
    policy: str = "BetaTSPolicy@1",
) -> Scene:
    """Nothing has happened yet."""
    record = await create(stores, n_arms=2, attribution=attribution, shard=shard, policy=policy)
    clock = FakeClock()
    return Scene(stores, record, clock, cortex_of(stores, shards=[shard], clock=clock))


def retraction(event: FeedbackEvent, *, after_ms: int = 100) -> FeedbackEvent:
    """What takes a reward back, as a proxy sends it."""
    return replace(
        event,
        feedback_id=retraction_id(event.feedback_id),
        reward=math.nan,
        received_ms=event.received_ms + after_ms,
    )
