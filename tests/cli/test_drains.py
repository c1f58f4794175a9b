"""Motor and cortex as processes: what they answer to who watches, and how they go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx

from qbrix.errors import QbrixError
from serving.storage.base import ExperimentRecord, Stores
from serving.wire.gen import common_pb2, cortex_pb2
from serving.wire.health import check_health
from serving.wire.motor_client import MotorClient
from serving.wire.selection import Query, Unreachable
from tests.cli.processes import role
from tests.cli.stores import over
from tests.cli.test_grpc import learned
from tests.cortex.world import TENANT, create, event
from tests.waiting import PATIENCE_S, until

CALLERS = 8
ENOUGH = 100
SHARDS = 4
SENT = 500


def watched(ports: Mapping[str, int]) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{ports['http']}", timeout=PATIENCE_S)


class Caller:
    """Asks a motor over and over, until it hangs up."""

    def __init__(self, address: str, experiment: str) -> None:
        self._client = MotorClient(address, deadline_s=PATIENCE_S)
        self._queries = [Query(TENANT, experiment, "0" * 32)] * 3
        self.answered = 0

    def play(self) -> str:
        return asyncio.run(self._asked())

    async def _asked(self) -> str:
        await self._client.start()
        try:
            while True:
                made = await self._client.decide(self._queries)
                assert not any(isinstance(one, QbrixError) for one in made)
                self.answered += 1
        except Unreachable as error:
            return str(error)
        finally:
            await self._client.stop()


def test_a_motor_that_is_asked_to_go_under_load_answers_whom_it_let_in(
    environment: dict[str, str],
) -> None:
    made: ExperimentRecord = over(environment, create)
    with ThreadPoolExecutor(CALLERS) as threads:
        with role("motor", environment=environment) as motor:
            address = f"127.0.0.1:{motor['ports']['grpc']}"
            asyncio.run(check_health(address, deadline_s=PATIENCE_S))
            callers = [Caller(address, made.id) for _ in range(CALLERS)]
            ended = [threads.submit(caller.play) for caller in callers]
            until(lambda: sum(caller.answered for caller in callers) > ENOUGH)
            with watched(motor["ports"]) as http:
                ready, counted = http.get("/readyz").json(), http.get("/metrics").text
        assert Counter(future.result() for future in ended) == {
            f"motor at {address} hung up": CALLERS
        }
    assert (ready["status"], ready["states"]["known"]) == ("ready", 1)
    assert ready["answered_s"]["redis"] >= 0 <= ready["answered_s"]["postgres"]
    assert f'qbrix_motor_state_version{{experiment="{made.id}"}} 0.0' in counted
    assert 'qbrix_motor_answers_total{result="decided"}' in counted
    assert 'qbrix_info{role="motor"' in counted


def shards_of(ports: Mapping[str, int]) -> list[dict[str, Any]]:
    with watched(ports) as http:
        told: list[dict[str, Any]] = http.get("/readyz").json()["shards"]
    return told


def test_a_cortex_that_is_asked_to_go_finishes_its_step_and_leaves_its_leases(
    environment: dict[str, str],
) -> None:
    environment["QBRIX_SHARDS"] = str(SHARDS)
    made: ExperimentRecord = over(environment, create)

    async def send(stores: Stores) -> None:
        for start in range(0, SENT, 50):
            events = [event(made, number) for number in range(start, start + 50)]
            await stores.intake.append_feedback(made.shard, events)

    async def take(stores: Stores) -> list[int | None]:
        """The leases, which nobody may hold any more; then let them go again."""
        ledger = stores.ledger
        terms = [await ledger.acquire(n, holder="t", ttl_s=60.0) for n in range(SHARDS)]
        for shard in range(SHARDS):
            await ledger.release(shard, holder="t")
        return terms

    with role("cortex", environment=environment) as cortex:
        until(lambda: all(one["leads"] for one in shards_of(cortex["ports"])))
        over(environment, send)  # and at once
    assert None not in over(environment, take)
    with role("cortex", environment=environment) as cortex:
        until(lambda: asyncio.run(learned(environment, made.id)) >= SENT)
        until(lambda: [one["unread"] for one in shards_of(cortex["ports"])] == [0] * SHARDS)
        health = told_by(f"127.0.0.1:{cortex['ports']['grpc']}")
        with watched(cortex["ports"]) as http:
            counted = http.get("/metrics").text
    assert asyncio.run(learned(environment, made.id)) == SENT
    assert health.status == common_pb2.HealthCheckResponse.Status.SERVING
    assert [(one.leads, one.unread, one.hindrance) for one in health.shards] == [
        (True, 0, "")
    ] * SHARDS
    assert "qbrix_decisions_lost_total 0.0" in counted
    assert 'qbrix_stream_unread{shard="0"} 0.0' in counted


def told_by(address: str) -> cortex_pb2.CortexHealth:
    with grpc.insecure_channel(address) as channel:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/qbrix.cortex.CortexService/Health"
        )
        return cortex_pb2.CortexHealth.FromString(ask(b"", timeout=PATIENCE_S))
