"""Over real sockets: a select that came in one piece is answered at once, like any other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from serving.proxy.http.app import build_app
from serving.proxy.http.connections import Connection
from serving.proxy.http.server import HttpServer
from serving.settings import ProxySettings
from tests.proxy.world import World, open_world
from tests.waiting import PATIENCE_S

Answer = tuple[int, dict[str, str], Any]


class Client:
    """One connection that shows what really came back, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *pieces: bytes) -> None:
        """Each piece in a segment of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.02)

    async def answer(self) -> Answer:
        """The next answer on this connection."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), timeout=PATIENCE_S)
        status, *lines = head.decode().split("\r\n")[:-2]
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        headers.pop("date")
        return int(status.split()[1]), headers, json.loads(body)


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[Client]:
    server = HttpServer(build_app(world.gateway), ProxySettings(http_port=0))
    port = await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        world.gateway.drain()
        await server.stop()


def request(
    world: World, body: bytes, *, path: str = "/api/v1/agent/select", **headers: str
) -> tuple[bytes, bytes]:
    given = {"X-API-Key": world.http.headers["X-API-Key"], "X-Request-ID": "r"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n", body


def asking(experiment: str, **more: Any) -> bytes:
    return json.dumps({"experiment_id": experiment, "context": {"id": "u"}, **more}).encode()


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Statuses of the answers that were given without the server's help."""
    given: list[int] = []
    answer = Connection._answer

    def noted(self: Connection, done: Any) -> None:
        given.append(done.status)
        answer(self, done)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "_answer", noted)
        yield given


async def test_whole_or_in_pieces_the_same_question_gets_the_same_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)  # everything is in memory from now on
        async with connected(world) as client:
            head, body = request(world, asking(experiment, decision_id="0" * 31 + "7"))
            answers = []
            with counted(monkeypatch) as at_once:
                for pieces in ([head + body], [head, body], [head, body[:9], body[9:]]):
                    await client.send(*pieces)
                    answers.append(await client.answer())
            assert at_once == [200]
        for status, headers, answer in answers:
            assert status == 200
            assert list(headers) == list(answers[0][1])
            arms = [(one["arm"], one["is_default"]) for one in (answer, answers[0][2])]
            assert arms[0] == arms[1]


async def test_requests_sent_one_behind_the_other_are_answered_in_order() -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            good = b"".join(request(world, asking(experiment)))
            missing = b"".join(request(world, asking("f" * 32)))  # asks the stores: takes longer
            await client.send(missing + good + missing + good)
            assert [(await client.answer())[0] for _ in range(4)] == [404, 200, 404, 200]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 422),
        (b'{"experiment_id": 7}', {}, 422),
        (b"{", {"X_API_Key": "optiq_nobody"}, 401),
        (None, {"X_API_Key": "optiq_nobody"}, 401),
        (None, {"X_API_Key": "", "Authorization": "Bearer nothing.of.ours"}, 401),
    ],
)
async def test_what_is_refused_is_refused_alike(
    body: bytes | None, headers: dict[str, str], status: int
) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            head, sent = request(world, body or asking(experiment), **headers)
            await client.send(head + sent)
            at_once = await client.answer()
            await client.send(head, sent)
            assert at_once == await client.answer()
            assert at_once[0] == status


async def test_a_key_that_may_not_select_is_told_so_at_once_and_counted_once() -> None:
    async with open_world(rate_limit_per_minute=3) as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        async with connected(world) as client:
            whole = b"".join(request(world, asking(experiment)))
            before = world.gateway.metrics.requests.total("/api/v1/agent/select", 429)
            statuses = []
            for _ in range(5):
                await client.send(whole)
                statuses.append((await client.answer())[0])
            assert statuses == sorted(statuses)
            refused = statuses.count(429)
            assert refused >= 2
            after = world.gateway.metrics.requests.total("/api/v1/agent/select", 429)
            assert after - before == refused


async def test_who_drains_says_so_and_hangs_up_after_the_answer() -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            world.gateway.drain()
            await client.send(b"".join(request(world, asking(experiment))))
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await asyncio.wait_for(client.reader.read(), timeout=PATIENCE_S) == b""


async def test_a_page_of_another_origin_may_read_the_answer() -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            await client.send(b"".join(request(world, asking(experiment), Origin="http://x")))
            status, headers, _ = await client.answer()
            assert (status, headers["access-control-allow-origin"]) == (200, "*")


async def test_what_is_waited_for_is_answered_in_order_with_what_came_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_world() as world:
        contextual = (await world.experiment("LinUCBPolicy", dim=2))["id"]
        other = (await world.experiment("BetaTSPolicy", name="other"))["id"]
        await world.select(other)
        context = {"id": "u", "vector": [1.0, 0.5]}
        asked = [asking(contextual, context=context), asking(other), asking(contextual)]
        async with connected(world) as client:
            piece = b"".join(
                b"".join(request(world, body, X_Request_ID=f"r{number}"))
                for number, body in enumerate(asked)
            )
            with counted(monkeypatch) as here:
                await client.send(piece)
                answers = [await client.answer() for _ in asked]
            assert here == [200]
            assert [status for status, _, _ in answers] == [200, 200, 400]
            assert [headers["x-request-id"] for _, headers, _ in answers] == ["r0", "r1", "r2"]


async def test_who_drains_answers_what_it_waited_for_and_hangs_up() -> None:
    async with open_world() as world:
        experiment = (await world.experiment("LinUCBPolicy", dim=2))["id"]
        async with connected(world) as client:
            context = {"id": "u", "vector": [1.0, 0.5]}
            client.writer.write(b"".join(request(world, asking(experiment, context=context))))
            world.gateway.drain()
            status, headers, _ = await client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert await asyncio.wait_for(client.reader.read(), timeout=PATIENCE_S) == b""


async def test_a_failure_of_ours_is_500_and_the_connection_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            whole = b"".join(request(world, asking(experiment)))
            with monkeypatch.context() as patch, counted(monkeypatch) as at_once:
                patch.setattr("serving.proxy.agent.service.wall_ms", lambda: 1 / 0)
                await client.send(whole)
                status, _, error = await client.answer()
                assert (status, error["code"]) == (500, "INTERNAL")
                assert at_once == [500]
            await client.send(whole)
            assert (await client.answer())[0] == 200


async def test_of_many_in_one_piece_the_first_is_answered_at_once_and_all_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_world() as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            ids = [f"{number:032x}" for number in range(20)]
            piece = b"".join(
                b"".join(request(world, asking(experiment, decision_id=one), X_Request_ID=one))
                for one in ids
            )
            with counted(monkeypatch) as at_once:
                await client.send(piece)
                answers = [await client.answer() for _ in ids]
            assert at_once == [200]
            assert [headers["x-request-id"] for _, headers, _ in answers] == ids


async def test_who_sends_on_without_reading_has_to_wait() -> None:
    """Neither requests nor answers pile up; whoever begins to read gets them."""
    async with open_world(rate_limit_per_minute=0) as world:
        experiment = (await world.experiment("BetaTSPolicy"))["id"]
        await world.select(experiment)
        async with connected(world) as client:
            many = b"".join(request(world, asking(experiment))) * 100
            sent = 0
            while sent < _FLOOD and await _taken(client, many):
                sent += 100
            assert sent < _FLOOD
            for _ in range(min(sent, 1000)):
                assert (await client.answer())[0] == 200
            client.writer.transport.abort()


_FLOOD = 200_000


async def _taken(client: Client, data: bytes) -> bool:
    """Whether the server takes the data within three seconds."""
    client.writer.write(data)
    try:
        await asyncio.wait_for(client.writer.drain(), timeout=3)
    except TimeoutError:
        return False
    return True
