"""The gRPC side of a proxy as a process: the loop, and a drain under load."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from serving.storage.connect import open_stores
from serving.wire.gen import common_pb2, proxy_pb2
from serving.wire.health import check_health
from tests.cli.processes import role
from tests.cli.test_roles import admin
from tests.waiting import PATIENCE_S, until

CALLERS = 8
ENOUGH = 100


class Client:
    """Select and feedback over one channel, until the server has enough of it."""

    def __init__(self, address: str, key: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._metadata = (("x-api-key", key),)
        self.taken = 0

    def call(self, method: str, request: Any, answer: Any) -> Any:
        send = self._channel.unary_unary(
            f"/qbrix.proxy.ProxyService/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return send(request, metadata=self._metadata, timeout=PATIENCE_S)

    def experiment(self, name: str) -> str:
        arms = [common_pb2.Arm(name=arm) for arm in ("a", "b")]
        asked = proxy_pb2.CreatePoolRequest(name=name, arms=arms)
        pool = self.call("CreatePool", asked, proxy_pb2.CreatePoolResponse).pool
        wanted = proxy_pb2.CreateExperimentRequest(
            name=name, pool_id=pool.id, policy="BetaTSPolicy", enabled=True
        )
        made = self.call("CreateExperiment", wanted, proxy_pb2.CreateExperimentResponse)
        return str(made.experiment.id)

    def play(self, experiment: str) -> str:
        """Until a call is refused; the status then."""
        context = common_pb2.Context(id="u")
        select = proxy_pb2.SelectRequest(experiment_id=experiment, context=context)
        try:
            while True:
                chosen = self.call("Select", select, proxy_pb2.SelectResponse)
                reward = proxy_pb2.FeedbackRequest(request_id=chosen.request_id, reward=1)
                if self.call("Feedback", reward, proxy_pb2.FeedbackResponse).accepted:
                    self.taken += 1
        except grpc.RpcError as error:
            return str(error.code().name)

    def close(self) -> None:
        self._channel.close()


async def learned(environment: Mapping[str, str], experiment: str) -> int:
    """How many rewards the ledger has counted."""
    stores = await open_stores(
        postgres_url=environment["QBRIX_POSTGRES_URL"], redis_url=environment["QBRIX_REDIS_URL"]
    )
    try:
        committed = await stores.ledger.batches(experiment, after=-1, limit=1000)
    finally:
        await stores.close()
    return sum(len(one.batch.rows) for one in committed if one.batch.rows is not None)


def test_a_proxy_that_is_asked_to_go_under_load_loses_no_answer(
    environment: dict[str, str],
) -> None:
    key = admin(environment)
    with role("cortex", environment=environment), ThreadPoolExecutor(CALLERS) as threads:
        with role("proxy", "--fused", environment=environment) as proxy:
            address = f"127.0.0.1:{proxy['ports']['grpc']}"
            asyncio.run(check_health(address, deadline_s=PATIENCE_S))
            clients = [Client(address, key) for _ in range(CALLERS)]
            experiment = clients[0].experiment("e")
            ended = [threads.submit(client.play, experiment) for client in clients]
            until(lambda: sum(client.taken for client in clients) > ENOUGH)
        assert Counter(future.result() for future in ended) == {"UNAVAILABLE": CALLERS}
        for client in clients:
            client.close()
        taken = sum(client.taken for client in clients)
        until(lambda: asyncio.run(learned(environment, experiment)) >= taken)
        assert asyncio.run(learned(environment, experiment)) == taken
