"""`Channel`, over every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from serving.storage import keys
from serving.storage.base import Channel
from tests.storage.records import make_state
from tests.waiting import PATIENCE_S


async def _next(heard: AsyncIterator[tuple[str, str]]) -> tuple[str, str]:
    async with asyncio.timeout(PATIENCE_S):
        return await anext(heard)


async def test_a_copy_is_what_was_published(channel: Channel) -> None:
    state = make_state("e", version=3, term=2)
    assert await channel.fetch("e") is None
    assert await channel.publish(state)
    assert await channel.fetch("e") == state
    assert await channel.fetch("f") is None


async def test_versions_are_told_in_the_order_in_which_they_were_asked_for(
    channel: Channel,
) -> None:
    await channel.publish(make_state("e", version=3))
    await channel.publish(make_state("f", version=10))
    assert await channel.versions(["f", "g", "e"]) == [10, None, 3]
    assert await channel.versions([]) == []


async def test_a_copy_never_falls_back(channel: Channel) -> None:
    assert await channel.publish(make_state("e", version=9, term=2))
    assert not await channel.publish(make_state("e", version=8, term=2))
    assert not await channel.publish(make_state("e", version=99, term=1))
    assert await channel.publish(make_state("e", version=9, term=2))
    assert await channel.publish(make_state("e", version=10, term=2))
    assert await channel.publish(make_state("e", version=10, term=3))
    held = await channel.fetch("e")
    assert held is not None
    assert (held.term, held.version) == (3, 10)


async def test_who_listens_hears_of_publications_and_calls(channel: Channel) -> None:
    heard = aiter(channel.listen(keys.STATES, keys.CONTROLS))
    assert {await _next(heard), await _next(heard)} == {(keys.STATES, ""), (keys.CONTROLS, "")}
    await channel.publish(make_state("e", version=1))
    assert await _next(heard) == (keys.STATES, "e")
    await channel.announce(keys.RECORDS, "not for us")
    await channel.announce(keys.CONTROLS, "3")
    assert await _next(heard) == (keys.CONTROLS, "3")


async def test_a_publication_that_is_refused_calls_nobody(channel: Channel) -> None:
    await channel.publish(make_state("e", version=2))
    heard = aiter(channel.listen(keys.STATES))
    assert await _next(heard) == (keys.STATES, "")
    await channel.publish(make_state("e", version=1))
    await channel.announce(keys.STATES, "next")
    assert await _next(heard) == (keys.STATES, "next")


async def test_every_listener_hears(channel: Channel) -> None:
    listeners = [aiter(channel.listen(keys.CONTROLS)) for _ in range(3)]
    for heard in listeners:
        await _next(heard)
    await channel.announce(keys.CONTROLS, "0")
    assert [await _next(heard) for heard in listeners] == [(keys.CONTROLS, "0")] * 3


async def test_the_channel_answers_a_ping(channel: Channel) -> None:
    await channel.ping()
