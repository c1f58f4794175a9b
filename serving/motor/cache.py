"""Prepared states by experiment: loaded once, followed by push and re-check, swapped whole."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from itertools import islice

import numpy as np
import structlog

from qbrix.errors import QbrixError, Unavailable
from qbrix.ledger import Configuration, Decider, Resolver
from qbrix.state import from_bytes
from serving.loading import PolicyLoader
from serving.publishing import is_law
from serving.settings import MotorSettings
from serving.storage.base import Channel, Ledger, StateRecord
from serving.telemetry import MotorMetrics, Tally

__all__ = ["Prepared", "StateCache"]

_log = structlog.get_logger("motor")

_GATHERED_S = 0.05  # what falls due meanwhile is asked for together; nobody waits for it


class Prepared:
    """A decider with the place in the ledger that it stands for.

    ``aside``: every decision calls promoted code, which must not hold up the event loop.
    """

    __slots__ = (
        "aside",
        "checked_s",
        "decider",
        "dim",
        "epoch",
        "failures",
        "n_arms",
        "records",
        "tenant",
        "tried_s",
        "version",
    )

    def __init__(
        self,
        record: StateRecord,
        decider: Decider,
        *,
        n_arms: int,
        dim: int,
        failures: Tally | None = None,
        foreign: bool = False,
    ) -> None:
        self.tenant = record.tenant
        self.epoch = record.epoch
        self.version = record.version
        self.decider = decider
        self.failures = failures
        self.n_arms = n_arms
        self.dim = dim
        self.records = decider.policy.capabilities.recorded > 0
        self.aside = foreign and (dim > 0 or self.records or record.law is None)
        self.checked_s = 0.0
        self.tried_s = 0.0


class StateCache:
    """The states that this motor decides with; the last good one stays when stores are away."""

    def __init__(
        self,
        settings: MotorSettings,
        *,
        channel: Channel,
        ledger: Ledger,
        loader: PolicyLoader,
        metrics: MotorMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._metrics = metrics or MotorMetrics()
        self._channel = channel
        self._ledger = ledger
        self._loader = loader
        self._clock = clock
        self._entries: OrderedDict[str, Prepared] = OrderedDict()
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._due: dict[str, None] = {}
        self._rechecking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def latest(self, limit: int) -> list[tuple[str, Prepared]]:
        """The experiments that were looked up last, at most so many."""
        return list(islice(reversed(self._entries.items()), limit))

    def ages_s(self) -> tuple[float, float] | None:
        """How long ago the states were known to be the latest: the youngest, the oldest."""
        if not self._entries:
            return None
        now_s = self._clock()
        ends = (next(reversed(self._entries.values())), next(iter(self._entries.values())))
        youngest, oldest = (now_s - entry.checked_s for entry in ends)
        return youngest, oldest

    def get(self, experiment: str) -> Prepared | None:
        """The prepared state in memory; an old one is re-checked behind the caller's back."""
        entry = self._entries.get(experiment)
        if entry is not None and self._clock() - entry.tried_s > self._settings.state_ttl_s:
            entry.tried_s = self._clock()
            self._due[experiment] = None
            if self._rechecking is None or self._rechecking.done():
                self._rechecking = asyncio.create_task(self._recheck())
        return entry

    def peek(self, experiment: str) -> Prepared | None:
        """The prepared state in memory, however old."""
        return self._entries.get(experiment)

    def age_ms(self, entry: Prepared) -> int:
        """How long ago the entry was known to be the latest."""
        return int((self._clock() - entry.checked_s) * 1000)

    async def load(self, experiment: str) -> Prepared | None:
        """The prepared state, fetched if need be; None when no store knows the experiment."""
        missed_s = self._absent.get(experiment)
        if missed_s is not None and self._clock() - missed_s < self._settings.absent_ttl_s:
            return None
        task = self.refresh(experiment)
        await asyncio.wait({task}, timeout=self._settings.load_deadline_s)
        entry = self._entries.get(experiment)
        if entry is None and (not task.done() or task.exception() is not None):
            raise Unavailable(f"the state of experiment {experiment} cannot be loaded; try again")
        return entry

    def refresh(self, experiment: str) -> asyncio.Task[None]:
        """Start to fetch the latest state, once for everybody who asks meanwhile."""
        task = self._loading.get(experiment)
        if task is None:
            task = asyncio.create_task(self._follow(experiment))
            self._loading[experiment] = task
            task.add_done_callback(lambda done: self._settle(experiment, done))
        return task

    def push(self, experiment: str) -> None:
        """The state moved: follow, if this motor decides for the experiment."""
        self._absent.pop(experiment, None)
        if experiment in self._loading:
            self._again.add(experiment)
        elif experiment in self._entries:
            self.refresh(experiment)

    def push_all(self) -> None:
        """Calls may have been missed: re-check everything."""
        self._absent.clear()
        for experiment in list(self._entries):
            self.push(experiment)

    async def close(self) -> None:
        """Stop loading."""
        tasks = list(self._loading.values())
        if self._rechecking is not None:
            tasks.append(self._rechecking)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _recheck(self) -> None:
        """Of what is due, ask for the versions only, many in one round trip."""
        while self._due:
            await asyncio.sleep(_GATHERED_S)
            due, self._due = list(self._due), {}
            asked_s = self._clock()
            versions: list[int | None] = [None] * len(due)
            with suppress(Unavailable):
                versions = await self._channel.versions(due)
            for experiment, version in zip(due, versions, strict=True):
                entry = self._entries.get(experiment)
                if entry is None or version is None or version > entry.version:
                    self.refresh(experiment)
                else:
                    self._metrics.loads.add("found")
                    self._confirm(experiment, entry, asked_s=asked_s)

    async def _follow(self, experiment: str) -> None:
        while True:
            self._again.discard(experiment)
            await self._fetch(experiment)
            if experiment not in self._again:
                return

    async def _fetch(self, experiment: str) -> None:
        asked_s = self._clock()
        record = await self._latest(experiment)
        self._metrics.loads.add("absent" if record is None else "found")
        entry = self._entries.get(experiment)
        if record is None:
            if entry is None:
                self._remember_absent(experiment)
            return
        if entry is None or record.version > entry.version:
            entry = await self._prepare(record)
        self._confirm(experiment, entry, asked_s=asked_s)

    async def _latest(self, experiment: str) -> StateRecord | None:
        try:
            record = await self._channel.fetch(experiment)
        except Unavailable:
            record = None
        return record if record is not None else await self._ledger.snapshot(experiment)

    async def _prepare(self, record: StateRecord) -> Prepared:
        configuration = Configuration.from_json(record.configuration)
        resolver = await self._loader.resolver_for(configuration)
        began_s = time.perf_counter()
        decider = await asyncio.to_thread(_decider, record, configuration, resolver)
        self._metrics.prepare_s.observe(time.perf_counter() - began_s)
        contextual = decider.policy.capabilities.context
        dim = configuration.dim if contextual else 0
        return Prepared(
            record,
            decider,
            n_arms=configuration.n_arms,
            dim=dim,
            failures=self._metrics.policy_failures,
            foreign=configuration.policy.bundle is not None,
        )

    def _confirm(self, experiment: str, entry: Prepared, *, asked_s: float) -> None:
        """It was the latest when it was asked for."""
        entry.checked_s = entry.tried_s = asked_s
        self._entries[experiment] = entry
        self._entries.move_to_end(experiment)
        while len(self._entries) > self._settings.experiments:
            self._entries.popitem(last=False)

    def _remember_absent(self, experiment: str) -> None:
        self._absent[experiment] = self._clock()
        while len(self._absent) > self._settings.experiments:
            self._absent.popitem(last=False)

    def _settle(self, experiment: str, task: asyncio.Task[None]) -> None:
        self._loading.pop(experiment, None)
        if task.cancelled() or (failure := task.exception()) is None:
            return
        self._metrics.loads.add("failed")
        _log.warning(
            "state_not_refreshed",
            experiment=experiment,
            error=repr(failure),
            expected=isinstance(failure, QbrixError),
        )


def _decider(record: StateRecord, configuration: Configuration, resolver: Resolver) -> Decider:
    policy = resolver.policy(configuration.policy)
    state = from_bytes(policy.state_type, record.state)
    law = None if record.law is None else np.frombuffer(record.law, dtype="<f8")
    if law is not None and not is_law(law, n_arms=configuration.n_arms):
        raise Unavailable(
            f"version {record.version} of experiment {record.experiment} holds no probabilities "
            f"of {configuration.n_arms} arms; reset the experiment or promote another policy"
        )
    return Decider(
        policy,
        policy.prepare(state),
        floor=configuration.floor,
        mask=configuration.mask,
        law=law,
    )
