"""Upkeep: what is kept at least, and what is told."""

from __future__ import annotations

import time

import msgspec
import pytest

from serving.cortex.upkeep import Upkeep, retention
from serving.settings import CortexSettings
from serving.storage.base import Retention
from serving.storage.memory import memory_stores
from serving.telemetry import CortexMetrics
from tests.cortex.world import cortex_of, create, decided, event

DAY_S = 86_400.0

replace = msgspec.structs.replace


@pytest.mark.parametrize("asked_s", [1.0, 40 * DAY_S])
def test_nothing_goes_while_a_token_may_come(asked_s: float) -> None:
    settings = CortexSettings(
        key_retention_s=asked_s, decision_retention_s=asked_s, ledger_retention_s=asked_s
    )
    for lifetime_s in (30 * DAY_S, 90 * DAY_S):
        keep = retention(settings, token_lifetime_s=lifetime_s)
        least_ms = 1000 * max(asked_s, lifetime_s + DAY_S)
        assert keep.keys_ms == keep.decisions_ms == keep.ledger_ms == least_ms


def test_without_settings_only_keys_go() -> None:
    keep = retention(CortexSettings())
    assert (keep.keys_ms, keep.decisions_ms, keep.ledger_ms) == (31 * 86_400_000, None, None)


async def test_lost_decisions_are_told_to_whoever_looks() -> None:
    stores, metrics = memory_stores(), CortexMetrics()
    upkeep = Upkeep(stores, retention(CortexSettings()), metrics, shards=[0], every_s=60.0)
    assert b"qbrix_decisions_lost_total 0.0" in metrics.expose()
    record = await create(stores)
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.put_decisions([decided(record, number) for number in (1, 2, 6)])
    await upkeep.round()
    assert b"qbrix_decisions_lost_total 3.0" in metrics.expose()


async def test_what_a_stream_may_still_bring_is_not_put_back() -> None:
    stores, metrics = memory_stores(), CortexMetrics()
    record = await create(stores)
    keep = Retention(keys_ms=31 * 86_400_000, restore_after_ms=-60_000)  # at once
    upkeep = Upkeep(stores, keep, metrics, shards=[0, 1], every_s=60.0)
    now_ms = time.time_ns() // 1_000_000
    reward = replace(event(record, 1), decided_ms=now_ms)
    await stores.intake.append_feedback(0, [reward])
    cortex = cortex_of(stores)
    await cortex.drain()
    waits = replace(decided(record, 1), decided_ms=now_ms)
    await stores.intake.append_decisions(0, [waits])
    await upkeep.round()
    assert await stores.ledger.decisions(record.id, after=0, limit=9) == ([], None)
    await cortex.drain()
    await upkeep.round()
    assert await stores.ledger.decisions(record.id, after=0, limit=9) == ([waits], None)


async def test_what_no_stream_brings_is_put_back() -> None:
    stores = memory_stores()
    record = await create(stores)
    await stores.intake.append_feedback(0, [event(record, 1)])
    await cortex_of(stores).drain()
    keep = Retention(keys_ms=31 * 86_400_000, restore_after_ms=-60_000)
    await Upkeep(stores, keep, CortexMetrics(), shards=[0], every_s=60.0).round()
    (found,), _ = await stores.ledger.decisions(record.id, after=0, limit=9)
    assert (found.proxy, found.decision_id) == ("", event(record, 1).decision_id)
