"""The name of a request: given or made up, echoed, logged, on its way to motor and cortex."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from qbrix.errors import QbrixError, Unavailable
from serving.telemetry import begin_request, given_name
from serving.wire.selection import Outcome, Query
from tests.proxy.world import open_world

NAME = "checkout-7f3a"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"  # the example of W3C Trace Context, section 3.2.2.5
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.mark.parametrize("path", ["/info", "/api/v1/pools", "/api/v1/agent/select", "/nowhere"])
async def test_a_given_name_is_echoed_whatever_becomes_of_the_request(path: str) -> None:
    async with open_world() as world:
        for method in ("GET", "POST"):
            answer = await world.http.request(method, path, headers={"X-Request-ID": NAME})
            assert answer.headers["X-Request-ID"] == NAME


async def test_a_select_and_a_feedback_that_go_well_echo_the_name_too() -> None:
    async with open_world() as world:
        made = await world.experiment()
        world.http.headers["X-Request-ID"] = NAME
        chosen = await world.select(made["id"])
        assert chosen.status_code == 200
        assert chosen.headers["X-Request-ID"] == NAME
        given = await world.feedback(chosen.json()["request_id"])
        assert given.status_code == 201
        assert given.headers["X-Request-ID"] == NAME


async def test_a_trace_names_a_request_that_has_no_other_name() -> None:
    async with open_world() as world:
        trace = {"traceparent": TRACEPARENT}
        assert (await world.http.get("/info", headers=trace)).headers["X-Request-ID"] == TRACE
        both = trace | {"X-Request-ID": NAME}
        assert (await world.http.get("/info", headers=both)).headers["X-Request-ID"] == NAME


async def test_requests_without_a_name_get_names_of_their_own() -> None:
    async with open_world() as world:
        answers = [await world.http.get("/info") for _ in range(3)]
        answers += [await world.select("0" * 32) for _ in range(3)]
        names = {answer.headers["X-Request-ID"] for answer in answers}
        assert len(names) == 6
        assert all(len(name) == 32 for name in names)


@pytest.mark.parametrize("name", ["", " ", "x" * 129, "a\tb", "ä"])
def test_what_would_spoil_a_log_or_a_header_is_no_name(name: str) -> None:
    assert given_name(name) == ""
    assert given_name(name, TRACEPARENT) == TRACE


@pytest.mark.parametrize(
    "trace", ["", TRACE, "00-short-1-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", TRACEPARENT.upper()]
)
def test_what_is_no_trace_names_nothing(trace: str) -> None:
    assert given_name(None, trace) == ""


async def test_feedback_carries_the_name_to_cortex() -> None:
    async with open_world() as world:
        made = await world.experiment()
        chosen = (await world.select(made["id"])).json()
        world.http.headers["X-Request-ID"] = NAME
        await world.feedback(chosen["request_id"])
        assert [event.request for event in await world.events(made["id"])] == [NAME]


class Deaf:
    """A selector elsewhere that remembers what it was asked, and answers nobody."""

    def __init__(self) -> None:
        self.asked: list[Query] = []

    async def start(self) -> None:
        """There is nothing to start."""

    async def stop(self) -> None:
        """Nor to stop."""

    async def wait(self) -> None:
        await asyncio.Event().wait()

    async def decide(self, queries: Sequence[Query]) -> list[Outcome | QbrixError]:
        self.asked += queries
        return [Unavailable("nobody is here")] * len(queries)

    def at_hand(self, experiment: str) -> int | None:
        return None

    def decide_at_once(self, query: Query) -> Outcome | QbrixError:
        return Unavailable("nobody is here")

    def facts(self) -> dict[str, Any]:
        return {"elsewhere": "nowhere"}

    async def ping(self) -> None:
        """It is there."""


async def test_every_query_to_a_motor_carries_the_name() -> None:
    deaf = Deaf()
    async with open_world(selector=deaf) as world:
        made = await world.experiment()
        world.http.headers["X-Request-ID"] = NAME
        await world.select(made["id"])
        batch = {"experiment_id": made["id"], "contexts": [{"id": "a"}, {"id": "b"}]}
        await world.http.post("/api/v1/agent/select/batch", json=batch)
    assert [query.request for query in deaf.asked] == [NAME] * 3


async def test_a_name_ends_with_its_request() -> None:
    async with open_world() as world:
        made = await world.experiment()
        first = await world.http.get("/info", headers={"X-Request-ID": NAME})
        assert first.headers["X-Request-ID"] == NAME
        assert "X-Request-ID" not in (await world.select(made["id"])).headers
    begin_request("")
