"""Motor: answers which arm, from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from qbrix.errors import NotFound, QbrixError, Unavailable
from serving.loading import PolicyLoader
from serving.motor.cache import Prepared, StateCache
from serving.motor.deciding import Answer, decide_one, decide_together
from serving.motor.vitals import facts_of, show_states
from serving.readiness import Pulses, Readiness
from serving.settings import MotorSettings
from serving.storage import keys
from serving.storage.base import Channel, Ledger
from serving.telemetry import MotorMetrics
from serving.wire.selection import Query

__all__ = ["Motor"]


class Motor:
    """Decides from prepared states; keeps deciding from the last ones when the stores are away."""

    def __init__(
        self,
        settings: MotorSettings,
        *,
        channel: Channel,
        ledger: Ledger,
        loader: PolicyLoader,
        draw_key: bytes,
        metrics: MotorMetrics | None = None,
    ) -> None:
        self.metrics = metrics or MotorMetrics()
        self._channel = channel
        self._draw_key = draw_key
        self._states = StateCache(
            settings, channel=channel, ledger=ledger, loader=loader, metrics=self.metrics
        )
        show_states(self._states, self.metrics)
        self._riding: dict[Prepared, list[tuple[Query, asyncio.Future[Answer]]]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow state changes."""
        self._listener = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        """Stop following."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
        await self._states.close()

    async def decide(self, queries: Sequence[Query]) -> list[Answer]:
        """One outcome or error per query, in order.

        A policy that needs the context is asked once for all who wait: queries ride together until
        the event loop has gone round, so that nobody waits for a timer.
        """
        rides: list[Answer | asyncio.Future[Answer]] = []
        loaded: dict[str, Prepared | QbrixError] | None = None
        for query in queries:
            entry: Prepared | QbrixError | None = self._states.get(query.experiment)
            if entry is None:
                loaded = loaded or await self._load_missing(queries)
                entry = loaded[query.experiment]
            rides.append(entry if isinstance(entry, QbrixError) else self._ride(entry, query))
        return [await ride if isinstance(ride, asyncio.Future) else ride for ride in rides]

    def at_hand(self, experiment: str) -> int | None:
        """K of the state in memory, if its policy needs no context: nobody rides, nobody waits."""
        entry = self._states.get(experiment)
        return None if entry is None or entry.dim else entry.n_arms

    def decide_at_once(self, query: Query) -> Answer:
        """The answer of a state that is `at_hand`."""
        entry = self._states.get(query.experiment)
        if entry is None:
            return Unavailable(f"the state of experiment {query.experiment} is gone; try again")
        age_ms = self._states.age_ms(entry)
        return decide_one(entry, query, draw_key=self._draw_key, age_ms=age_ms)

    @property
    def follows(self) -> bool:
        """Whether this motor hears of state changes."""
        return self._listener is not None and not self._listener.done()

    def facts(self) -> dict[str, Any]:
        """How many states are in memory, and their ages."""
        return facts_of(self._states)

    def readiness(self, pulses: Pulses) -> Readiness:
        """Ready while it follows and has a state to serve, or a store that could give one."""
        facts = self.facts()
        has_state = bool(facts["known"]) or pulses.answers("redis") or pulses.answers("postgres")
        told = {"states": facts, "answered_s": pulses.ages_s(), "follows": self.follows}
        return Readiness(self.follows and has_state, told)

    async def ping(self) -> None:
        """Raises Unavailable when this motor no longer follows state changes."""
        if not self.follows:
            raise Unavailable("motor does not follow state changes; restart it")

    async def refresh(self, experiment: str) -> int | None:
        """Look into the stores now; the state version that decides afterwards."""
        await asyncio.wait({self._states.refresh(experiment)})
        entry = self._states.get(experiment)
        return None if entry is None else entry.version

    async def _load_missing(self, queries: Sequence[Query]) -> dict[str, Prepared | QbrixError]:
        """What is asked for, all of it fetched at once where it is not in memory yet."""
        wanted = {query.experiment for query in queries}
        loads = await asyncio.gather(*map(self._load, wanted))
        return dict(zip(wanted, loads, strict=True))

    async def _load(self, experiment: str) -> Prepared | QbrixError:
        try:
            entry = self._states.get(experiment) or await self._states.load(experiment)
        except Unavailable as error:
            return error
        return NotFound("experiment", experiment) if entry is None else entry

    def _ride(self, entry: Prepared, query: Query) -> Answer | asyncio.Future[Answer]:
        """The answer, or the promise of one when it pays to ask the policy for several."""
        if not entry.dim:
            return self.decide_at_once(query)
        loop = asyncio.get_running_loop()
        if not self._riding:
            loop.call_soon(self._go)
        promise: asyncio.Future[Answer] = loop.create_future()
        self._riding.setdefault(entry, []).append((query, promise))
        return promise

    def _go(self) -> None:
        riding, self._riding = self._riding, {}
        for entry, passengers in riding.items():
            answers = decide_together(
                entry,
                [query for query, _ in passengers],
                draw_key=self._draw_key,
                age_ms=self._states.age_ms(entry),
            )
            for (_, promise), answer in zip(passengers, answers, strict=True):
                if not promise.done():  # else whoever asked has gone
                    promise.set_result(answer)

    async def _listen(self) -> None:
        async for _, payload in self._channel.listen(keys.STATES):
            if payload:
                self._states.push(payload.partition(" ")[0])
            else:
                self._states.push_all()
