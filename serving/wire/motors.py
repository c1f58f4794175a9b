"""Several motors elsewhere, and one in this process for the time when none of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog

from qbrix.errors import QbrixError, Unavailable
from serving.telemetry import Meters
from serving.wire.motor_client import MotorClient
from serving.wire.selection import Outcome, Query, Selector, Unreachable

__all__ = ["Motors"]

_log = structlog.get_logger("motors")

_PROBE_S = (0.1, 2.0)


class Motors:
    """Asks the motor with the least to do among those that answer.

    One that does not answer gets nothing until it answers a ping again; what it was asked is asked
    of another, and of ``here``, a motor in this process, when all are away.
    """

    def __init__(self, clients: Sequence[MotorClient], *, here: Selector) -> None:
        self.metrics = Meters()
        self._clients = tuple(clients)
        self._here = here
        self._away: dict[MotorClient, asyncio.Task[None]] = {}
        self.calls = self.metrics.tally(
            "qbrix_motor_calls",
            "groups of decisions by who answered them",
            "motor",
            "result",
            private=True,
        )

    async def start(self) -> None:
        """Open the ways."""
        await self._here.start()
        for client in self._clients:
            await client.start()

    async def wait(self) -> None:
        """Until the one in this process ends."""
        await self._here.wait()

    async def stop(self) -> None:
        """Close the ways."""
        for probe in self._away.values():
            probe.cancel()
        if self._away:
            await asyncio.wait(self._away.values())
        for client in self._clients:
            await client.stop()
        await self._here.stop()

    def facts(self) -> dict[str, Any]:
        """Who has the states, and who is away."""
        return {
            "elsewhere": [client.address for client in self._clients],
            "away": [client.address for client in self._away],
            "known": self._here.facts().get("known", 0),
        }

    async def ping(self) -> None:
        """Raises Unavailable when no motor elsewhere answers."""
        answers = await asyncio.gather(
            *(client.ping() for client in self._clients), return_exceptions=True
        )
        silent = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(silent) == len(answers):
            raise silent[0]

    async def decide(self, queries: Sequence[Query]) -> list[Outcome | QbrixError]:
        """One outcome or error per query, in order; raises Unavailable."""
        tried: set[MotorClient] = set()
        while (client := self._next(tried)) is not None:
            try:
                answers = await client.decide(queries)
            except Unreachable as error:
                self.calls.add(client.address, "unreachable")
                self._leave_out(client, error)
                tried.add(client)
            else:
                self.calls.add(client.address, "answered")
                return answers
        self.calls.add("here", "answered")
        return await self._here.decide(queries)

    def at_hand(self, experiment: str) -> int | None:
        """Nothing: whoever decides is asked."""
        return None

    def decide_at_once(self, query: Query) -> Outcome | QbrixError:
        """Nobody can."""
        return Unavailable(f"motors elsewhere decide for experiment {query.experiment}")

    def _next(self, tried: set[MotorClient]) -> MotorClient | None:
        able = [one for one in self._clients if one not in self._away and one not in tried]
        return min(able, key=lambda client: client.load, default=None)

    def _leave_out(self, client: MotorClient, error: Unreachable) -> None:
        if client not in self._away:
            _log.warning("motor_away", motor=client.address, error=str(error))
            self._away[client] = asyncio.create_task(self._probe(client))

    async def _probe(self, client: MotorClient) -> None:
        """Ask until it answers."""
        pause_s = _PROBE_S[0]
        while True:
            await asyncio.sleep(pause_s)
            try:
                await client.ping()
            except Unavailable:
                pause_s = min(2 * pause_s, _PROBE_S[1])
            else:
                break
        del self._away[client]
        _log.info("motor_back", motor=client.address)
