"""Motor: answers which arm, from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from qbrix.errors import NotFound, QbrixError, Unavailable
from serving.loading import PolicyLoader
from serving.motor.aside import Aside
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

T = TypeVar("T")


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
        self._loader = loader
        self._draw_key = draw_key
        self._states = StateCache(
            settings, channel=channel, ledger=ledger, loader=loader, metrics=self.metrics
        )
        show_states(self._states, self.metrics)
        self.metrics.watch(
            "qbrix_stalled_bundles",
            "bundles whose code did not return and is left alone for now",
            lambda: float(len(loader.limit.stalled)),
        )
        self._aside = Aside(self._decided_together)
        self._riding: dict[Prepared, list[tuple[Query, asyncio.Future[Answer]]]] = {}
        self._listener: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow state changes."""
        self._listener = asyncio.create_task(self._listen())

    async def wait(self) -> None:
        """Until it follows no more, which it does not end by itself; raises what ended it."""
        if self._listener is not None:
            await asyncio.wait({self._listener})
            self._listener.result()

    async def stop(self) -> None:
        """Stop following."""
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.wait({self._listener})
        await self._aside.stop()
        await self._states.close()

    async def decide(self, queries: Sequence[Query]) -> list[Answer]:
        """One outcome or error per query, in order.

        A policy that needs the context is asked once for all who wait: queries ride together until
        the event loop has gone round, so that nobody waits for a timer.
        """
        groups = _by_experiment(queries)
        entries = await self._entries(groups)
        asked = {name: self._asked(entries[name], group) for name, group in groups.items()}
        return [
            await ride if isinstance(ride, asyncio.Future) else ride
            for ride in _in_order(queries, asked)
        ]

    def decide_at_hand(self, queries: Sequence[Query]) -> list[Answer] | None:
        """`decide`, where every state is in memory and decides by a look-up; else None."""
        groups = _by_experiment(queries)
        found = {name: self._states.get(name) for name in groups}
        if any(entry is None or entry.dim or entry.aside for entry in found.values()):
            return None
        entries = {name: entry for name, entry in found.items() if entry is not None}
        made = {name: self._looked_up(entries[name], group) for name, group in groups.items()}
        return _in_order(queries, made)

    def at_hand(self, experiment: str) -> int | None:
        """K of the state in memory, if it decides by a look-up: nobody rides, nobody waits."""
        entry = self._states.get(experiment)
        return None if entry is None or entry.dim or entry.aside else entry.n_arms

    def decide_at_once(self, query: Query) -> Answer:
        """The answer of a state that is `at_hand`."""
        entry = self._states.peek(query.experiment)
        if entry is None:
            return Unavailable(f"the state of experiment {query.experiment} is gone; try again")
        return self._decided(entry, query)

    @property
    def follows(self) -> bool:
        """Whether this motor hears of state changes."""
        return self._listener is not None and not self._listener.done()

    def facts(self) -> dict[str, Any]:
        """How many states are in memory, their ages, and whose code is not called for now."""
        return {**facts_of(self._states), "stalled_bundles": self._loader.limit.stalled}

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

    async def _entries(self, experiments: Iterable[str]) -> dict[str, Prepared | QbrixError]:
        """Who decides for each, fetched all at once where they are not in memory yet."""
        found: dict[str, Prepared | QbrixError] = {}
        missing = []
        for experiment in experiments:
            entry = self._states.get(experiment)
            if entry is None:
                missing.append(experiment)
            else:
                found[experiment] = entry
        if missing:
            loads = await asyncio.gather(*map(self._load, missing))
            found.update(zip(missing, loads, strict=True))
        return found

    async def _load(self, experiment: str) -> Prepared | QbrixError:
        try:
            entry = self._states.get(experiment) or await self._states.load(experiment)
        except Unavailable as error:
            return error
        return NotFound("experiment", experiment) if entry is None else entry

    def _asked(
        self, entry: Prepared | QbrixError, queries: list[Query]
    ) -> Sequence[Answer | asyncio.Future[Answer]]:
        """Answers, or promises of them where it pays to wait for others who ask."""
        if isinstance(entry, QbrixError):
            return [entry] * len(queries)
        if entry.aside:
            return [self._aside.ride(entry, query) for query in queries]
        if entry.dim:
            return [self._ride(entry, query) for query in queries]
        return self._looked_up(entry, queries)

    def _looked_up(self, entry: Prepared, queries: list[Query]) -> list[Answer]:
        if len(queries) == 1:
            return [self._decided(entry, queries[0])]
        return self._decided_together(entry, queries)

    def _decided(self, entry: Prepared, query: Query) -> Answer:
        age_ms = self._states.age_ms(entry)
        return decide_one(entry, query, draw_key=self._draw_key, age_ms=age_ms)

    def _decided_together(self, entry: Prepared, queries: Sequence[Query]) -> list[Answer]:
        age_ms = self._states.age_ms(entry)
        return decide_together(entry, queries, draw_key=self._draw_key, age_ms=age_ms)

    def _ride(self, entry: Prepared, query: Query) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        if not self._riding:
            loop.call_soon(self._go)
        promise: asyncio.Future[Answer] = loop.create_future()
        self._riding.setdefault(entry, []).append((query, promise))
        return promise

    def _go(self) -> None:
        riding, self._riding = self._riding, {}
        for entry, passengers in riding.items():
            answers = self._decided_together(entry, [query for query, _ in passengers])
            for (_, promise), answer in zip(passengers, answers, strict=True):
                if not promise.done():  # else whoever asked has gone
                    promise.set_result(answer)

    async def _listen(self) -> None:
        async for _, payload in self._channel.listen(keys.STATES):
            if payload:
                self._states.push(payload.partition(" ")[0])
            else:
                self._states.push_all()


def _by_experiment(queries: Sequence[Query]) -> dict[str, list[Query]]:
    groups: dict[str, list[Query]] = {}
    for query in queries:
        groups.setdefault(query.experiment, []).append(query)
    return groups


def _in_order(queries: Sequence[Query], made: Mapping[str, Sequence[T]]) -> list[T]:
    """What was made for each experiment, in the order of the queries."""
    rest = {name: iter(group) for name, group in made.items()}
    return [next(rest[query.experiment]) for query in queries]
