"""Whatever kills cortex wherever: every event counts once, and the state is the folded ledger."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

import serving
from qbrix.errors import Conflict
from qbrix.state import to_bytes
from serving.storage import keys
from serving.storage.base import ControlRequest, ExperimentRecord, Stores
from tests.cortex.crashing import cortex_process
from tests.cortex.world import cortex_of, create, decided, decision, event, refolded
from tests.waiting import PATIENCE_S

# Where cortex is killed, and at which passage. It publishes both experiments when it starts, so
# the third publication is one of a state that it has learned.
POINTS = {
    "cortex.before_step": 1,
    "cortex.after_known": 1,
    "cortex.after_fold": 1,
    "ledger.after_batches": 2,
    "ledger.after_keys": 1,
    "ledger.after_rows": 2,
    "ledger.before_commit": 2,
    "cortex.after_commit": 1,
    "cortex.before_publish": 3,
    "cortex.after_publish": 3,
    "cortex.after_trim": 1,
    "cortex.control_before_commit": 1,
    "cortex.control_after_commit": 1,
}
SHARDS = count(100)  # every test has a shard of its own
TAKEN_OVER_S = 28.0  # it takes 5; a session that nobody ended would keep the shard for 30


def test_every_failpoint_of_learning_is_tried() -> None:
    source = Path(serving.__file__).parent
    named = {
        name
        for file in source.rglob("*.py")
        for name in re.findall(r'failpoint\("([^"]+)"\)', file.read_text("utf-8"))
    }
    elsewhere = ("intake.", "cortex.closing_")  # tests/faults, test_window_crashes.py
    assert {name for name in named if not name.startswith(elsewhere)} == set(POINTS)


async def _ended(process: ForkServerProcess) -> int | None:
    await asyncio.to_thread(process.join, PATIENCE_S)
    return process.exitcode


async def _send(stores: Stores, record: ExperimentRecord, numbers: range) -> None:
    """Each event twice, in entries of two sizes."""
    events = [event(record, n, arm=n % 3, reward=n % 5 / 4) for n in numbers]
    await stores.intake.append_feedback(record.shard, events)
    for one in events:
        await stores.intake.append_feedback(record.shard, [one])
    await stores.intake.append_decisions(record.shard, [decided(record, n) for n in numbers])


async def _check(stores: Stores, record: ExperimentRecord, *, events: int) -> None:
    """Once each, and everything that is kept agrees with the ledger folded from zero."""
    deployment = await refolded(stores, record.id)
    batches = await stores.ledger.batches(record.id, after=-1, limit=9999)
    counted = [
        one for stored in batches if stored.batch.rows for one in stored.batch.rows.decision_ids
    ]
    assert sorted(counted) == [decision(number) for number in range(events)]
    published = await stores.channel.fetch(record.id)
    snapshot = await stores.ledger.snapshot(record.id)
    assert published is not None
    assert snapshot is not None
    for copy in (published, snapshot):
        assert copy.version == deployment.version
        assert copy.state == to_bytes(deployment.state)
        assert (copy.ledger_digest, copy.state_digest) == (
            deployment.ledger_digest,
            deployment.state_digest,
        )
    archived, _ = await stores.ledger.decisions(record.id, after=0, limit=9999)
    assert sorted(one.number for one in archived) == list(range(events))
    assert await stores.intake.backlog(record.shard) == 0


@pytest.mark.parametrize("point", POINTS)
async def test_killed_at_any_point_nothing_is_lost_and_nothing_counted_twice(
    stores: Stores, servers: tuple[str, str], point: str
) -> None:
    shard = next(SHARDS)
    records = [
        await create(stores, policy=policy, shard=shard)
        for policy in ("BetaTSPolicy@1", "EXP3Policy@1")
    ]
    request = await stores.catalog.request_control(
        ControlRequest(
            id=0, experiment=records[0].id, reason="configure", change={"floor": 0.1}, start="keep"
        )
    )
    for record in records:
        await _send(stores, record, range(12))
    with cortex_process(
        postgres_url=servers[0],
        redis_url=servers[1],
        shard=shard,
        failpoint=f"{point}:kill@{POINTS[point]}",
    ) as process:
        assert await _ended(process) == -signal.SIGKILL
    for record in records:
        await _send(stores, record, range(6, 20))
    async with asyncio.timeout(PATIENCE_S):
        await cortex_of(stores, shards=[shard]).drain()
    for record in records:
        await _check(stores, record, events=20)
    settled = await stores.catalog.get_control(request.id)
    assert settled.status == "applied"
    changes = await stores.ledger.batches(records[0].id, after=0, limit=9999)
    assert [one.batch.version for one in changes if one.batch.control] == [
        settled.outcome["version"]
    ]


@pytest.mark.parametrize(
    "point",
    [
        "cortex.before_step",
        "cortex.after_known",
        "cortex.after_fold",
        "ledger.before_commit",
        "cortex.control_before_commit",
    ],
)
async def test_who_was_paused_while_another_took_over_writes_nothing(
    stores: Stores, servers: tuple[str, str], point: str
) -> None:
    shard = next(SHARDS)
    record = await create(stores, policy="EXP3Policy@1", shard=shard)
    request = await stores.catalog.request_control(
        ControlRequest(
            id=0, experiment=record.id, reason="configure", change={"floor": 0.1}, start="keep"
        )
    )
    await _send(stores, record, range(10))
    with cortex_process(
        postgres_url=servers[0], redis_url=servers[1], shard=shard, failpoint=f"{point}:pause"
    ) as process:
        assert process.pid is not None
        async with asyncio.timeout(PATIENCE_S):
            await _stopped(process.pid)
        cortex = cortex_of(stores, shards=[shard], lease_ttl_s=60.0)
        async with asyncio.timeout(TAKEN_OVER_S):
            await cortex.start()
            await cortex.drain()
        os.kill(process.pid, signal.SIGCONT)
        # The step of the one that wakes is refused; the shard goes on with the other.
        await _send(stores, record, range(10, 20))
        await cortex.drain()
        await _check(stores, record, events=20)
        assert (await stores.catalog.get_control(request.id)).status == "applied"
        await cortex.stop()


async def _stopped(pid: int) -> None:
    """Until the process has stopped itself."""
    state = ""
    while not state.startswith("T"):
        listing = await asyncio.create_subprocess_exec(
            "ps", "-o", "state=", "-p", str(pid), stdout=asyncio.subprocess.PIPE
        )
        state = (await listing.communicate())[0].decode()


@pytest.mark.parametrize("shards", [[0], [0, 1]])
async def test_of_two_cortexes_one_leads_a_shard_and_the_other_takes_over(
    stores: Stores, shards: list[int]
) -> None:
    places = [next(SHARDS) for _ in shards]
    records = [await create(stores, shard=shard) for shard in places]
    first, second = (cortex_of(stores, shards=places, lease_ttl_s=60.0) for _ in range(2))
    await first.start()
    await first.drain()
    await second.start()
    for record in records:
        await _send(stores, record, range(5))
    await first.drain()
    assert (first.leads, second.leads) == (len(places), 0)
    await first.stop()
    for record in records:
        await _send(stores, record, range(5, 9))
    async with asyncio.timeout(PATIENCE_S):
        await second.drain()
    for record in records:
        await _check(stores, record, events=9)
    assert (first.leads, second.leads) == (0, len(places))
    await second.stop()


async def test_a_leader_that_does_not_know_it_was_replaced_is_refused(stores: Stores) -> None:
    shard = next(SHARDS)
    record = await create(stores, shard=shard)
    old, new = (cortex_of(stores, shards=[shard], lease_ttl_s=60.0) for _ in range(2))
    await _send(stores, record, range(3))
    await old.drain()
    await stores.ledger.release(shard, holder=old.holder)
    await new.drain()
    await _send(stores, record, range(3, 8))
    assert old.leads == 1
    with pytest.raises(Conflict, match="term"):
        await old.drain()
    await new.drain()
    await _check(stores, record, events=8)


def test_streams_of_a_shard_share_a_hash_tag() -> None:
    names = (keys.feedback_stream(3), keys.decision_stream(3), keys.streams(3))
    assert {re.search(r"{(.*?)}", name).group(1) for name in names} == {"s3"}  # type: ignore[union-attr]
