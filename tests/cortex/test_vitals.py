"""What a cortex tells of itself: counts, lag, what hinders a shard, under whose name it acted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from serving.cortex.learn import Learned, learn
from serving.cortex.service import Cortex
from serving.cortex.times import now_ms
from serving.cortex.told import Told
from serving.failpoints import FailpointReached, armed
from serving.readiness import Pulses
from serving.storage import codec
from serving.storage.audit import Actor, acting
from serving.storage.base import ControlRequest
from serving.storage.memory import memory_stores
from serving.telemetry import CortexMetrics
from tests.cortex.test_poison import OVERFLOWS, RAISES, OnlyTouchy, _events, _start
from tests.cortex.world import TENANT, cortex_of, create, event
from tests.proxy.outage import AWAY, Switch
from tests.waiting import eventually


def counted(metrics: CortexMetrics) -> dict[str, int]:
    names = ("folded", "gate", "late", "old_epoch", "duplicate", "dead", "damaged")
    return {name: count for name in names if (count := metrics.events.total(name))}


async def test_every_event_is_counted_once_by_what_became_of_it() -> None:
    stores = memory_stores()
    record = await create(stores)
    events = [event(record, n) for n in (0, 1, 2, 2)]
    events += [event(record, 3, gate=True), event(record, 4, arm=99)]
    await stores.intake.append_feedback(0, events)
    cortex = cortex_of(stores)
    await cortex.drain()
    assert counted(cortex.metrics) == {"folded": 3, "duplicate": 1, "gate": 1, "dead": 1}
    assert cortex.metrics.dead_letters.total("event") == 1
    assert cortex.metrics.step_events.count == cortex.metrics.step_s.count == 1


async def test_a_step_that_was_not_committed_counts_nothing() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, n) for n in range(3)])
    cortex = cortex_of(stores)
    with armed("cortex.after_fold:raise"), pytest.raises(FailpointReached):
        await cortex.drain()
    assert counted(cortex.metrics) == {}
    await cortex.drain()
    assert counted(cortex.metrics) == {"folded": 3}


def test_an_update_that_fails_is_told_until_one_goes_well() -> None:
    metrics = CortexMetrics()
    learned = learn(_start(), _events([1.0, RAISES, OVERFLOWS]), known=(), resolver=OnlyTouchy())
    told = Told()
    told.learned("a", learned)
    told.tell(metrics, dead=2, damaged=0)
    assert metrics.updates_failed.total() == 2
    assert metrics.failing.reasons == {"a": learned.dead[-1].reason}
    assert b'qbrix_updates_failing{experiment="a"} 1.0' in metrics.expose()
    told = Told()
    told.learned("a", Learned(learned.deployment))
    told.tell(metrics, dead=0, damaged=0)
    assert metrics.failing.reasons == {}


def test_labels_of_experiments_are_bounded() -> None:
    metrics = CortexMetrics()
    for number in range(1000):
        metrics.failing.note(f"{number}", "broken")
    assert len(metrics.failing.reasons) == 100
    assert "999" in metrics.failing.reasons


async def test_a_leader_tells_how_much_waits_and_for_how_long() -> None:
    stores = memory_stores()
    record = await create(stores)
    cortex = cortex_of(stores, lease_ttl_s=60.0)
    await stores.intake.append_feedback(0, [event(record, 0)])
    await cortex.drain()
    waiting = [event(record, n) for n in (1, 2, 3)]
    await stores.intake.append_feedback(0, waiting)
    await cortex.vitals.look()
    (shard,) = cortex.vitals.shards
    assert (shard.leads, shard.unread) == (True, 3)
    assert shard.behind_s == pytest.approx((now_ms() - waiting[0].received_ms) / 1000, abs=30.0)
    assert not cortex.readiness(Pulses({})).ready  # these rewards are older than any limit
    await cortex.drain()
    await cortex.vitals.look()
    (shard,) = cortex.vitals.shards
    assert (shard.unread, shard.behind_s, shard.hindrance) == (0, 0.0, None)
    assert cortex.readiness(Pulses({})).ready
    assert b'qbrix_stream_unread{shard="0"} 0.0' in cortex.metrics.expose()


async def test_who_stands_by_knows_no_lag_and_is_well() -> None:
    stores = memory_stores()
    leader, other = (cortex_of(stores, lease_ttl_s=60.0) for _ in range(2))
    await leader.start()
    await eventually(lambda: leader.leads == 1)
    await other.start()
    await eventually(lambda: other.healthy)
    await other.vitals.look()
    (shard,) = other.vitals.shards
    assert (shard.leads, shard.unread, shard.behind_s) == (False, None, None)
    for cortex in (other, leader):
        await cortex.stop()


async def test_what_keeps_a_shard_from_moving_is_told_and_ends() -> None:
    stores = memory_stores()
    ledger: Any = Switch(stores.ledger)
    cortex = cortex_of(replace(stores, ledger=ledger))
    await cortex.start()
    await eventually(lambda: hindrance(cortex) is None)
    ledger.failure = AWAY
    await eventually(lambda: hindrance(cortex) is not None)
    ledger.failure = None
    await eventually(lambda: hindrance(cortex) is None and cortex.healthy)
    await cortex.stop()


def hindrance(cortex: Cortex) -> str | None:
    (shard,) = cortex.vitals.shards
    return shard.hindrance


async def test_a_control_change_is_logged_under_the_name_of_the_request_that_asked_for_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stores = memory_stores()
    record = await create(stores)
    for name, change in (("good", {"floor": 0.1}), ("bad", {"n_arms": 1})):
        request = ControlRequest(
            id=0, experiment=record.id, reason="configure", change=change, start="keep"
        )
        with acting(Actor(tenant=TENANT, request_id=name)):
            await stores.catalog.request_control(request)
    cortex = cortex_of(stores)
    await cortex.drain()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {line["event"]: line for line in lines}
    assert told["control_applied"]["request"] == "good"
    assert told["control_rejected"]["request"] == "bad"
    assert "arms are retired, never removed" in told["control_rejected"]["why"]
    assert cortex.metrics.controls.total("configure", "applied") == 1


async def test_a_dead_letter_leads_back_to_its_request(capsys: pytest.CaptureFixture[str]) -> None:
    stores = memory_stores()
    record = await create(stores)
    poison = msgspec.structs.replace(event(record, 0, arm=99), request="r-17")
    await stores.intake.append_feedback(0, [poison])
    await cortex_of(stores).drain()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if line["event"] == "dead_letters"]
    assert told["requests"] == ["r-17"]
    (letter,) = await stores.archive.dead_letters(record.id, limit=9)
    assert codec.unpack_feedback(letter.payload)[0].request == "r-17"
