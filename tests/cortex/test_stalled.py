"""Promoted code that never returns: it is given up, its experiment says so, the others go on."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from qbrix.bundle import Bundle, TrustedKeys, export
from qbrix.errors import BundleError
from qbrix.state import to_bytes
from serving.cortex.service import Cortex
from serving.limited import Limit
from serving.loading import PolicyLoader
from serving.readiness import Pulses
from serving.storage.base import CommittedBatch, ControlRequest, ExperimentRecord, Stores
from serving.storage.memory import memory_stores
from tests.bundle.sources import importer
from tests.bundle.stalling import STALLS_IN_UPDATE, SWITCH
from tests.cortex.conftest import KEY
from tests.cortex.test_publisher import Clock
from tests.cortex.world import TENANT, create, event, refolded
from tests.waiting import PATIENCE_S, until


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Shares whose update loops when it is told to."""
    folder: Path = tmp_path_factory.mktemp("stalling")
    policy = importer(folder)(STALLS_IN_UPDATE)()
    return export(policy, path=folder / "stalling.qbrix", arms=3, key=KEY)


def _impatient(clock: Clock) -> Limit:
    return Limit(busy_s=0.2, passed_s=PATIENCE_S, pause_s=60.0, clock=clock)


def _cortex(stores: Stores, trusted: TrustedKeys, limit: Limit) -> Cortex:
    loader = PolicyLoader(stores.ledger.bundle, trusted, limit=limit)
    return Cortex(stores, loader, shards=[0], holder="holder")


async def _promote(stores: Stores, record: ExperimentRecord, bundle: Bundle) -> ControlRequest:
    await stores.catalog.put_bundle(TENANT, bundle.sha256, bundle.data)
    return await stores.catalog.request_control(
        ControlRequest(
            id=0,
            experiment=record.id,
            reason="promote",
            change={"bundle": bundle.sha256},
            start="init",
        )
    )


def _loop() -> None:
    while True:
        pass


def test_what_loops_for_ever_is_ended_and_left_alone_for_a_while() -> None:
    clock = Clock()
    limit = _impatient(clock)
    before = threading.active_count()
    with pytest.raises(BundleError, match="given up") as caught:
        limit.call("a" * 64, _loop)
    assert caught.value.reason == "stalled"
    assert limit.stalled == ["a" * 64]
    with pytest.raises(BundleError, match="left alone"):
        limit.call("a" * 64, lambda: pytest.fail("it was called"))
    assert limit.call("b" * 64, lambda: 2) == 2
    clock.now_s += 60.0
    assert limit.call("a" * 64, lambda: 3) == 3
    assert limit.stalled == []
    until(lambda: threading.active_count() <= before)


def test_what_sleeps_is_given_up_by_the_clock_and_too_many_of_them_are_not_called() -> None:
    limit = Limit(busy_s=2.0, passed_s=30.0, pause_s=60.0)
    wakes = threading.Event()
    before = threading.active_count()
    for number in range(4):
        with pytest.raises(BundleError, match="given up"):
            limit.call(f"{number:064x}", wakes.wait, times=0.01)
    with pytest.raises(BundleError, match="4 calls"):
        limit.call("e" * 64, lambda: 1)
    wakes.set()
    until(lambda: threading.active_count() <= before)
    assert limit.call("e" * 64, lambda: 1) == 1


def test_what_code_raises_is_raised_and_calls_within_calls_share_the_limit() -> None:
    limit = _impatient(Clock())
    with pytest.raises(ZeroDivisionError):
        limit.call("a" * 64, lambda: 1 / 0)
    assert limit.call("a" * 64, lambda: limit.call("a" * 64, threading.get_ident)) != (
        threading.get_ident()
    )


async def test_an_update_that_never_returns_keeps_the_last_state_and_nobody_else(
    bundle: Bundle, trusted: TrustedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores, clock = memory_stores(), Clock()
    stalling, neighbour = await create(stores), await create(stores)
    await _promote(stores, stalling, bundle)
    limit = _impatient(clock)
    cortex = _cortex(stores, trusted, limit)
    await stores.intake.append_feedback(0, [event(stalling, 1)])
    await cortex.drain()
    await stores.intake.append_feedback(0, [event(stalling, 2, arm=1, epoch=1)])
    await cortex.drain()
    good = await stores.channel.fetch(stalling.id)
    assert good is not None

    monkeypatch.setenv(SWITCH, "update")
    both = [one for n in range(3, 9) for one in (event(stalling, n, epoch=1), event(neighbour, n))]
    await stores.intake.append_feedback(0, both)
    async with asyncio.timeout(PATIENCE_S):
        await cortex.drain()
    assert await stores.channel.fetch(stalling.id) == good
    assert sum(len(one.batch.rows or ()) for one in await _batches(stores, neighbour)) == 6
    letters = await stores.archive.dead_letters(stalling.id, limit=99)
    assert len(letters) == 6
    assert all("did not return" in letter.reason for letter in letters)
    told = cortex.readiness(Pulses({})).facts
    assert "did not return" in told["failing_updates"][stalling.id]
    assert told["stalled_bundles"] == [bundle.sha256]

    monkeypatch.delenv(SWITCH)
    clock.now_s += 60.0
    await stores.intake.append_feedback(0, [event(stalling, 9, epoch=1)])
    await cortex.drain()
    after = await stores.channel.fetch(stalling.id)
    assert after is not None
    assert after.version == good.version + 1
    assert stalling.id not in cortex.readiness(Pulses({})).facts["failing_updates"]
    await cortex.stop()


async def test_a_bundle_that_does_not_finish_its_golden_trace_is_rejected(
    bundle: Bundle, trusted: TrustedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = memory_stores()
    record, neighbour = await create(stores), await create(stores)
    cortex = _cortex(stores, trusted, Limit(busy_s=0.04, passed_s=0.2, pause_s=60.0))
    monkeypatch.setenv(SWITCH, "update")
    request = await _promote(stores, record, bundle)
    await stores.intake.append_feedback(0, [event(neighbour, 1)])
    await cortex.drain()
    settled = await stores.catalog.get_control(request.id)
    assert (settled.status, settled.outcome["reason"]) == ("rejected", "stalled")
    published = await stores.channel.fetch(neighbour.id)
    assert published is not None
    assert published.state == to_bytes((await refolded(stores, neighbour.id)).state)
    await cortex.stop()


async def _batches(stores: Stores, record: ExperimentRecord) -> list[CommittedBatch]:
    return await stores.ledger.batches(record.id, after=0, limit=999)
