"""Leadership as one process sees it."""

from __future__ import annotations

from serving.cortex.lease import Lease
from serving.storage.base import Ledger
from serving.storage.memory import memory_stores
from tests.cortex.test_publisher import Clock


def _lease(ledger: Ledger, clock: Clock, holder: str) -> Lease:
    return Lease(ledger, 0, holder=holder, ttl_s=5.0, renew_s=1.0, clock=clock)


async def test_a_lease_that_was_not_renewed_in_time_is_nobodys() -> None:
    clock = Clock()
    lease = _lease(memory_stores(clock=clock).ledger, clock, "a")
    assert lease.term is None
    assert await lease.renew() == 1
    clock.now_s = 4.9
    assert lease.term == 1
    clock.now_s = 5.0
    assert lease.term is None
    assert not lease.known


async def test_a_renewed_lease_keeps_its_term() -> None:
    clock = Clock()
    lease = _lease(memory_stores(clock=clock).ledger, clock, "a")
    for clock.now_s in (0.0, 4.0, 8.0, 30.0):
        assert await lease.renew() == 1


async def test_the_term_rises_when_the_holder_changes() -> None:
    clock = Clock()
    ledger = memory_stores(clock=clock).ledger
    a, b = _lease(ledger, clock, "a"), _lease(ledger, clock, "b")
    assert await a.renew() == 1
    assert await b.renew() is None
    assert b.known
    clock.now_s = 6.0
    assert await b.renew() == 2
    assert await a.renew() is None
    assert a.term is None
    await b.release()
    assert b.term is None
    assert await a.renew() == 3


async def test_whoever_follows_the_dead_need_not_wait() -> None:
    clock = Clock()
    ledger = memory_stores(clock=clock).ledger
    dead, other = _lease(ledger, clock, "dead"), _lease(ledger, clock, "other")
    assert await dead.renew() == 1
    assert await other.renew() is None
    heir = Lease(ledger, 0, holder="heir", ttl_s=5.0, renew_s=1.0, predecessor="dead", clock=clock)
    assert await heir.renew() == 2
    late = Lease(ledger, 0, holder="late", ttl_s=5.0, renew_s=1.0, predecessor="dead", clock=clock)
    assert await late.renew() is None
    assert await heir.renew() == 2
