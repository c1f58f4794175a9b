"""What memory says while the store is slow, away or ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from qbrix.errors import Unavailable
from serving.proxy.stale_cache import StaleCache
from tests.waiting import PATIENCE_S, eventually


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Store:
    """A dictionary that can be away or slow."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.asked = 0
        self.compared: list[list[str]] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def find(self, key: str) -> str | None:
        self.asked += 1
        found = self.values.get(key)
        await self.open.wait()
        if self.away:
            raise Unavailable("the store is away")
        return found

    async def still(self, values: Mapping[str, str]) -> set[str]:
        self.compared.append(sorted(values))
        same = {key for key, value in values.items() if self.values.get(key) == value}
        await self.open.wait()
        if self.away:
            raise Unavailable("the store is away")
        return same


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def cache(store: Store, clock: Clock) -> StaleCache[str]:
    return StaleCache(store.find, ttl_s=5.0, limit=10, grace_s=0.02, clock=clock)


@pytest.fixture
def gathering(store: Store, clock: Clock) -> StaleCache[str]:
    """A cache whose store compares many values at once."""
    return StaleCache(store.find, ttl_s=5.0, still=store.still, grace_s=0.02, clock=clock)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_value_is_looked_up_once_however_many_ask(
    cache: StaleCache[str], store: Store
) -> None:
    store.values["k"] = "v"
    assert await asyncio.gather(*(cache.get("k") for _ in range(50))) == ["v"] * 50
    assert await cache.get("k") == "v"
    assert store.asked == 1


async def test_an_old_value_is_answered_at_once_and_looked_up_behind(
    cache: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values["k"] = "old"
    await cache.get("k")
    store.values["k"] = "new"
    clock.now_s += 6
    assert cache.peek("k") == "old"
    await settle()
    assert cache.peek("k") == "new"


async def test_a_value_outlives_the_store(
    cache: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values["k"] = "v"
    await cache.get("k")
    store.away = True
    clock.now_s += 3600
    assert await cache.get("k") == "v"
    clock.now_s += 3600
    assert cache.peek("k") == "v"
    await settle()
    store.away = False
    store.values["k"] = "back"
    clock.now_s += 10
    cache.peek("k")
    await settle()
    assert cache.peek("k") == "back"


async def test_a_silent_store_costs_one_caller_the_grace_time_and_the_others_nothing(
    cache: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values["k"] = "v"
    await cache.get("k")
    store.open.clear()
    clock.now_s += 60
    assert cache.peek("k") is None
    assert await asyncio.wait_for(cache.get("k"), timeout=PATIENCE_S) == "v"
    assert cache.peek("k") == "v"
    store.values["k"] = "w"
    store.open.set()
    clock.now_s += 60
    await cache.get("k")
    await settle()
    clock.now_s += 60
    assert await cache.get("k") == "w"


async def test_a_key_never_seen_fails_when_the_store_is_away(
    cache: StaleCache[str], store: Store
) -> None:
    store.away = True
    with pytest.raises(Unavailable):
        await cache.get("k")


async def test_absence_is_remembered_for_a_while(
    cache: StaleCache[str], store: Store, clock: Clock
) -> None:
    assert await cache.get("k") is None
    assert await cache.get("k") is None
    assert store.asked == 1
    clock.now_s += 6
    store.values["k"] = "v"
    assert await cache.get("k") == "v"


async def test_after_an_invalidation_the_next_one_waits_for_the_store(
    cache: StaleCache[str], store: Store
) -> None:
    store.values["k"] = "old"
    await cache.get("k")
    store.values["k"] = "new"
    cache.invalidate("k")
    assert cache.peek("k") is None
    assert await cache.get("k") == "new"
    store.values["k"] = "newest"
    cache.invalidate_all()
    assert await cache.get("k") == "newest"


async def test_a_change_heard_during_the_look_up_is_not_overlooked(
    cache: StaleCache[str], store: Store
) -> None:
    store.values["k"] = "old"
    store.open.clear()
    asked = asyncio.create_task(cache.get("k"))
    await settle()
    store.values["k"] = "new"
    cache.invalidate("k")
    store.open.set()
    assert await asked == "new"


async def test_what_is_written_during_a_look_up_stays(cache: StaleCache[str], store: Store) -> None:
    store.values["k"] = "old"
    await cache.get("k")
    cache.invalidate("k")
    store.open.clear()
    asked = asyncio.create_task(cache.get("k"))
    await settle()
    cache.put("k", "written")
    store.open.set()
    await asked
    assert cache.peek("k") == "written"


async def test_what_ended_is_gone_at_once(cache: StaleCache[str], store: Store) -> None:
    store.values["k"] = "v"
    await cache.get("k")
    cache.put("k", None)
    assert await cache.get("k") is None


async def test_the_oldest_is_forgotten_when_there_are_too_many(
    cache: StaleCache[str], store: Store
) -> None:
    for number in range(11):
        cache.put(str(number), "v")
    assert cache.peek("0") is None
    assert cache.peek("10") == "v"


async def test_unknown_keys_do_not_push_known_ones_out(
    cache: StaleCache[str], store: Store
) -> None:
    cache.put("k", "v")
    for number in range(100):
        await cache.get(f"unknown {number}")
    assert cache.peek("k") == "v"


async def test_values_that_fall_due_together_are_compared_together_and_only_changes_looked_up(
    gathering: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values = {str(number): "v" for number in range(100)}
    for key in store.values:
        await gathering.get(key)
    store.values["7"] = "new"
    clock.now_s += 6
    assert [gathering.peek(key) for key in store.values] == ["v"] * 100
    await eventually(lambda: gathering.peek("7") == "new")
    assert store.compared == [sorted(store.values)]
    assert store.asked == 100 + 1
    clock.now_s += 4  # younger than the lifetime since they were compared
    assert gathering.peek("8") == "v"
    await gathering.close()
    assert len(store.compared) == 1


async def test_what_ended_meanwhile_is_found_by_the_comparison(
    gathering: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values["k"] = "v"
    await gathering.get("k")
    store.values.clear()
    clock.now_s += 6
    assert gathering.peek("k") == "v"
    await eventually(lambda: gathering.peek("k") is None)
    assert await gathering.get("k") is None


@pytest.mark.parametrize("heard", ["a change", "a write"])
async def test_a_comparison_does_not_confirm_what_changed_meanwhile(
    gathering: StaleCache[str], store: Store, clock: Clock, heard: str
) -> None:
    store.values["k"] = "old"
    await gathering.get("k")
    clock.now_s += 6
    store.open.clear()
    gathering.peek("k")
    await eventually(lambda: bool(store.compared))
    store.values["k"] = "new"
    if heard == "a change":
        gathering.invalidate("k")
    else:
        gathering.put("k", "new")
    store.open.set()
    await settle()
    assert await gathering.get("k") == "new"


async def test_values_outlive_a_store_that_cannot_compare(
    gathering: StaleCache[str], store: Store, clock: Clock
) -> None:
    store.values["k"] = "v"
    await gathering.get("k")
    store.away = True
    clock.now_s += 6
    gathering.peek("k")
    await eventually(lambda: bool(store.compared))
    await settle()
    clock.now_s += 3600
    assert gathering.peek("k") == "v"
    store.away = False
    store.values["k"] = "back"
    await eventually(lambda: gathering.peek("k") == "back")
    assert store.asked == 2
