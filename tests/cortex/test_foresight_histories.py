"""What is learned ahead is what would have been learned in turn, whatever happens in between.

Every history is lived twice: by a leader that reads one portion ahead and relies on the ledger's
keys, and by one that forgets everything after each round, who therefore has nothing learned ahead,
and asks the ledger about everything. Portions are three events.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qbrix.bundle import TrustedKeys
from qbrix.ledger import Attribution
from qbrix.ledger.names import retraction_id
from serving.cortex import asking, pace
from serving.cortex.publisher import Publisher
from serving.cortex.shard import Shard
from serving.cortex.times import Timing
from serving.failpoints import FailpointReached, armed
from serving.loading import PolicyLoader
from serving.storage.base import ControlRequest, ExperimentRecord, FeedbackEvent, Stores
from serving.storage.memory import memory_stores
from serving.storage.memory.intake import MemoryIntake
from serving.storage.records_windows import Progress
from serving.storage.rows import batch_keys
from serving.telemetry import CortexMetrics
from tests.cortex.scene import FakeClock, replace
from tests.cortex.world import create, decided, event, refolded

PORTION = 3
WINDOW_MS = 20
DECISIONS = 12
ROUNDS = 12
EVENTS = PORTION * ROUNDS
IN_TIME_MS, LATE_MS = 5, WINDOW_MS + 1
ACTS = ("", "", "", "floor", "reset", "lost", "fails before", "fails after", "another leads")


@dataclass(frozen=True)
class Sent:
    """What somebody sends about a decision of one of the two experiments."""

    of: int
    number: int
    name: str = ""
    takes: bool = False
    epoch: int = 0
    waited_ms: int = IN_TIME_MS

    def event(self, record: ExperimentRecord) -> FeedbackEvent:
        """As it travels."""
        made = event(
            record,
            DECISIONS * self.of + self.number,
            arm=self.number % 3,
            reward=self.number / 16,
            epoch=self.epoch,
            feedback_id=retraction_id(self.name) if self.takes else self.name,
            waited_ms=self.waited_ms,
        )
        return replace(made, reward=math.nan) if self.takes else made


@dataclass(frozen=True)
class Outcome:
    """All that cortex wrote and told, without the names that chance gave."""

    batches: list[list[bytes]]
    dead: Counter[tuple[int, str]]
    progress: list[Progress | None]
    told: dict[str, int]


@dataclass
class Life:
    """Two experiments of one shard, led in rounds."""

    stores: Stores
    records: list[ExperimentRecord]
    sent: Sequence[Sent]
    forgetful: bool
    clock: FakeClock = field(default_factory=FakeClock)
    metrics: CortexMetrics = field(default_factory=CortexMetrics)
    term: int = 0

    def __post_init__(self) -> None:
        loader = PolicyLoader(self.stores.ledger.bundle, TrustedKeys())
        self.publisher = Publisher(self.stores.channel)
        timing = Timing(clock=self.clock, window_grace_s=0.0)
        self.shard = Shard(
            self.stores, loader, self.publisher, number=0, metrics=self.metrics, timing=timing
        )

    async def send(self) -> None:
        """Everything, each event in an entry of its own, and the decisions of the second."""
        for one in self.sent:
            await self.stores.intake.append_feedback(0, [one.event(self.records[one.of])])
        for number in range(DECISIONS):
            logged = decided(self.records[1], DECISIONS + number)
            await self.stores.intake.append_decisions(0, [replace(logged, arm=number % 3)])

    async def leads(self) -> None:
        """From now on, in a term of its own."""
        for holder in ("somebody", "me"):
            term = await self.stores.ledger.acquire(0, holder=holder, ttl_s=1000.0)
            assert term is not None
            self.term = term
            if holder != "me":
                await self.stores.ledger.release(0, holder=holder)

    async def act(self, what: str, wishes: ExitStack) -> None:
        """What happens between two rounds."""
        wishes.close()
        if what == "floor":
            await self._ask("configure", floor=0.25)
        elif what == "reset":
            await self._ask("reset")
        elif what == "lost":
            assert isinstance(self.stores.intake, MemoryIntake)
            self.stores.intake.lose()
            await self.send()
        elif what == "another leads":
            await self.stores.ledger.release(0, holder="me")
            await self.leads()
        elif what:
            point = {"fails before": "cortex.after_fold", "fails after": "cortex.after_commit"}[
                what
            ]
            wishes.enter_context(armed(f"{point}:raise"))

    async def _ask(self, reason: str, **change: Any) -> None:
        for record in self.records:
            request = ControlRequest(
                id=0, experiment=record.id, reason=reason, change=change, start="keep"
            )
            await self.stores.catalog.request_control(request)

    async def round(self) -> bool:
        """One more; the forgetful one comes to it without a memory."""
        if self.forgetful:
            self.shard.forget()
        with suppress(FailpointReached):
            return await self.shard.round(self.term, controls=True)
        return True

    async def outcome(self) -> Outcome:
        """Once ledger, snapshots and published copies are seen to agree."""
        await self.publisher.flush()
        for record in self.records:
            head = await refolded(self.stores, record.id)
            stored = await self.stores.ledger.batches(record.id, after=0, limit=999)
            keys = [key for one in stored for key in batch_keys(record.id, one.batch)]
            assert len(keys) == len(set(keys))
            for copy in (
                await self.stores.ledger.snapshot(record.id),
                await self.stores.channel.fetch(record.id),
            ):
                assert copy is not None
                assert (copy.version, copy.state_digest) == (head.version, head.state_digest)
        names = [record.id for record in self.records]
        ledger, archive = self.stores.ledger, self.stores.archive
        windows = {one.experiment: one.progress for one in await self.stores.windows.windows(0)}
        kinds = ("folded", "held", "late", "old_epoch", "retraction", "withdrawal", "duplicate")
        return Outcome(
            batches=[
                [one.batch.to_bytes() for one in await ledger.batches(name, after=0, limit=999)]
                for name in names
            ],
            dead=Counter(
                [
                    (names.index(name), one.reason)
                    for name in names
                    for one in await archive.dead_letters(name, limit=999)
                ]
            ),
            progress=[windows.get(name) for name in names],
            told={kind: self.metrics.events.total(kind) for kind in kinds},
        )


class Asked:
    """A ledger whose keys are never relied on."""

    def __init__(self, stores: Stores) -> None:
        self._ledger = stores.ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    async def marked(self, experiments: Sequence[str]) -> set[str]:
        """All of them."""
        return set(experiments)


async def lived(
    sent: Sequence[Sent], acts: Sequence[str], how: Attribution, *, forgetful: bool
) -> Outcome:
    """What comes of events and of what happens after each round."""
    stores = memory_stores()
    if forgetful:
        stores = dataclasses.replace(stores, ledger=Asked(stores))  # type: ignore[arg-type]
    records = [await create(stores), await create(stores, attribution=how)]
    life = Life(stores, records, sent, forgetful)
    await life.leads()
    await life.send()
    with pytest.MonkeyPatch.context() as patch, ExitStack() as wishes:
        patch.setattr(pace, "_LONG_S", math.inf)  # portions are cut by numbers only
        for act in acts:
            await life.round()
            await life.act(act, wishes)
        await life.round()
    for hour in (0, 1):
        life.clock.now_ms = 3_600_000 * hour
        for _ in range(9 * ROUNDS):
            if not await life.round():
                break
    return await life.outcome()


sends = st.builds(
    Sent,
    of=st.integers(0, 1),
    number=st.integers(0, DECISIONS - 1),
    name=st.sampled_from(("", "b")),
    takes=st.sampled_from((False, False, False, False, True)),
    epoch=st.sampled_from((0, 0, 0, 1)),
    waited_ms=st.sampled_from((IN_TIME_MS, IN_TIME_MS, LATE_MS)),
)
attributions = st.builds(
    Attribution,
    window_s=st.just(WINDOW_MS / 1000),
    default_reward=st.sampled_from((None, 0.125)),
    aggregation=st.sampled_from(("first", "sum", "max", "last")),
)


@settings(max_examples=12)
@given(
    sent=st.lists(sends, min_size=PORTION, max_size=EVENTS),
    acts=st.lists(st.sampled_from(ACTS), max_size=ROUNDS),
    how=attributions,
    wary=st.sampled_from((0, 2)),
)
def test_who_learns_ahead_writes_what_who_forgets_after_each_round_writes(
    sent: list[Sent], acts: list[str], how: Attribution, wary: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "_MOST", PORTION)
        patch.setattr(asking, "_WARY", wary)
        ahead = asyncio.run(lived(sent, acts, how, forgetful=False))
        in_turn = asyncio.run(lived(sent, acts, how, forgetful=True))
    assert ahead == in_turn
