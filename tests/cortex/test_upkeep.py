"""Upkeep: what is kept at least, and what is told."""

from __future__ import annotations

import pytest

from serving.cortex.upkeep import Upkeep, retention
from serving.settings import CortexSettings
from serving.storage.memory import memory_stores
from serving.telemetry import CortexMetrics
from tests.cortex.world import create, decided

DAY_S = 86_400.0


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
    upkeep = Upkeep(stores.archive, retention(CortexSettings()), metrics, every_s=60.0)
    assert b"qbrix_decisions_lost_total 0.0" in metrics.expose()
    record = await create(stores)
    term = await stores.ledger.acquire(0, holder="me", ttl_s=60.0)
    assert term is not None
    async with stores.ledger.step(0, term=term) as step:
        await step.put_decisions([decided(record, number) for number in (1, 2, 6)])
    await upkeep.round()
    assert b"qbrix_decisions_lost_total 3.0" in metrics.expose()
