"""Over real sockets: a head that came before is not read again, and nobody can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serving.proxy.http.connections import Connection
from serving.proxy.http.heads import Head, Heads
from tests.proxy.test_decision_log import logged
from tests.proxy.test_prompt_answers import Client, asking, connected, request
from tests.proxy.world import World, open_world
from tests.waiting import PATIENCE_S


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The addresses of requests of which the parser read the head."""
    addresses: list[bytes] = []
    complete = Connection.on_headers_complete

    def noted(self: Connection) -> None:
        addresses.append(self.url)
        complete(self)

    monkeypatch.setattr(Connection, "on_headers_complete", noted)
    return addresses


@asynccontextmanager
async def prepared() -> AsyncIterator[tuple[World, str, Client]]:
    """An experiment that is in memory, and one connection."""
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            yield world, experiment, client


def of_user(world: World, experiment: str, user: str, **headers: str) -> bytes:
    return b"".join(request(world, asking(experiment, context={"id": user}), **headers))


async def test_only_the_first_of_equal_heads_is_read(read: list[bytes]) -> None:
    async with prepared() as (world, experiment, client):
        for user in ("ann", "bob", "cid", "dorothy", "eve"):
            await client.send(of_user(world, experiment, user))
            status, headers, answer = await client.answer()
            assert (status, headers["x-request-id"]) == (200, "r")
            assert answer["arm"]["name"] in "abc"
        assert len(read) == 2  # ann's, and dorothy's longer one
        users = [event.context_id for event in await logged(world)]
        assert users[-5:] == ["ann", "bob", "cid", "dorothy", "eve"]


async def test_a_policy_that_is_waited_for_is_answered_from_a_known_head(
    read: list[bytes],
) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("LinUCBPolicy", dim=2))["id"]
        body = asking(experiment, context={"id": "u", "vector": [1.0, 0.5]})
        async with connected(world) as client:
            for _ in range(3):
                await client.send(b"".join(request(world, body)))
                assert (await client.answer())[0] == 200
            assert len(read) == 1


@pytest.mark.parametrize("cut", [1, 9, 60, -1, -20])
async def test_in_pieces_it_is_read_as_ever(cut: int, read: list[bytes]) -> None:
    async with prepared() as (world, experiment, client):
        whole = of_user(world, experiment, "ann")
        for pieces in ([whole], [whole[:cut], whole[cut:]], [whole]):
            await client.send(*pieces)
            assert (await client.answer())[0] == 200
        assert len(read) == 2


async def test_more_behind_a_known_request_is_answered_in_order() -> None:
    async with prepared() as (world, experiment, client):
        whole = of_user(world, experiment, "ann")
        missing = of_user(world, "f" * 32, "ann")
        await client.send(whole)
        assert (await client.answer())[0] == 200
        await client.send(missing + whole, whole + missing, whole)
        statuses = [(await client.answer())[0] for _ in range(5)]
        assert statuses == [404, 200, 200, 404, 200]


async def test_a_known_head_with_a_shorter_body_waits_for_the_rest() -> None:
    async with prepared() as (world, experiment, client):
        whole = of_user(world, experiment, "ann")
        await client.send(whole)
        assert (await client.answer())[0] == 200
        client.writer.write(whole[:-3])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), timeout=0.2)
        client.writer.write(whole[-3:])
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize("begun", ["POST /nowhere HTTP/1.1\r\nX-A: ", "whole head"])
async def test_what_looks_like_a_known_request_inside_another_is_none(begun: str) -> None:
    async with prepared() as (world, experiment, client):
        known = of_user(world, experiment, "ann")
        await client.send(known)
        assert (await client.answer())[0] == 200
        first = request(world, known)[0] if begun == "whole head" else begun.encode()
        await client.send(first, known)
        assert (await client.answer())[0] in (404, 422)


async def test_the_second_piece_of_a_request_is_no_known_request() -> None:
    async with prepared() as (world, experiment, client):
        whole = of_user(world, experiment, "ann")
        await client.send(whole[:6], whole[6:])
        assert (await client.answer())[0] == 200
        await client.send(whole[6:])
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 400 ")


async def test_a_chunked_body_is_taken_apart_each_time(read: list[bytes]) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        key = world.http.headers["X-API-Key"]
        async with connected(world) as client:
            body = asking(experiment)
            whole = (
                b"POST /api/v1/agent/select HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                b"X-API-Key: %b\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (key.encode(), len(body), body)
            )
            for _ in range(3):
                await client.send(whole)
                assert (await client.answer())[0] == 200
            assert len(read) == 3


async def test_a_key_that_ended_is_refused_though_its_head_is_known() -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        made = (await world.http.post("/api/auth/api-keys", json={"name": "short"})).json()
        async with connected(world) as client:
            whole = of_user(world, experiment, "ann", X_API_Key=made["key"])
            for _ in range(2):
                await client.send(whole)
                assert (await client.answer())[0] == 200
            deleted = await world.http.delete(f"/api/auth/api-keys/{made['id']}")
            assert deleted.status_code < 300
            await client.send(whole)
            assert (await client.answer())[0] == 401


async def test_a_bad_body_behind_a_known_head_is_told_what_is_wrong() -> None:
    async with prepared() as (world, experiment, client):
        head, body = request(world, asking(experiment))
        answers = []
        for sent in (body, b"{" * len(body), body):
            await client.send(head + sent)
            answers.append(await client.answer())
        assert [status for status, _, _ in answers] == [200, 422, 200]


async def test_who_drains_hangs_up_on_a_known_head_too() -> None:
    async with prepared() as (world, experiment, client):
        whole = of_user(world, experiment, "ann")
        await client.send(whole)
        assert "connection" not in (await client.answer())[1]
        world.gateway.drain()
        await client.send(whole)
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await asyncio.wait_for(client.reader.read(), timeout=PATIENCE_S) == b""


async def test_who_asks_again_and_again_owes_something_new_each_time() -> None:
    """A client that is busy is not taken for one that wants nothing more."""
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        made: list[Connection] = []
        accept = Connection.connection_made

        def noted(self: Connection, transport: Any) -> None:
            made.append(self)
            accept(self, transport)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Connection, "connection_made", noted)
            async with connected(world) as client:
                owed = []
                for _ in range(3):
                    await client.send(of_user(world, experiment, "ann"))
                    await client.answer()
                    owed.append(made[0].awaited())
        parts, requests = zip(*filter(None, owed), strict=True)
        assert parts == ("next",) * 3
        assert len({id(one) for one in requests}) == 3


def test_few_heads_are_kept_and_no_long_ones() -> None:
    def sent(number: int, length: int = 10) -> bytes:
        return b"POST / HTTP/1.1\r\nX: %d%b\r\n\r\nbody" % (number, b"x" * length)

    heads, head = Heads(), Head(object(), object(), 4)  # type: ignore[arg-type]
    for number in range(6):
        heads.remember(sent(number), head)
    heads.remember(sent(7, length=5000), head)
    found = [number for number in range(6) if heads.find(sent(number)) is not None]
    assert found == [2, 3, 4, 5]
    assert heads.find(sent(7, length=5000)) is None
    assert heads.find(sent(5)) == (head, b"body")
    assert heads.find(sent(5) + b"y") is None
    assert heads.find(b"") is None


def test_what_is_not_one_head_and_its_body_is_not_kept() -> None:
    heads, head = Heads(), Head(object(), object(), 4)  # type: ignore[arg-type]
    for data in (
        b"POST / HTTP/1.1\r\n\r\nbody\r\n\r\nbody",
        b"POST / HTTP/1.1\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        b"body",
        b"",
    ):
        heads.remember(data, head)
        assert heads.find(data) is None


def test_json_of_the_body_is_not_part_of_what_is_kept() -> None:
    heads, head = Heads(), Head(object(), object(), 2)  # type: ignore[arg-type]
    heads.remember(b"POST / HTTP/1.1\r\n\r\n{}", head)
    found = heads.find(b"POST / HTTP/1.1\r\n\r\n[]")
    assert found is not None
    assert json.loads(found[1]) == []
