"""One experiment with faults: clients at work, what is done to the servers, and the judgement."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import numpy as np

from qbrix.errors import Unavailable
from serving.storage.base import Stores
from serving.tokens import DecisionToken
from tests.faults.asking import Asking
from tests.faults.changes import Operator
from tests.faults.checker import Verdict, check
from tests.faults.evidence import RewardKey, Secrets, wait_until_learned
from tests.faults.history import History, Mark
from tests.faults.kinds import WINDOW_S, Experiment, make_experiments
from tests.faults.load import Load
from tests.faults.stack import FaultStack

__all__ = ["PATIENCE_S", "Trial", "trial"]

# What a loaded machine cannot break; `python -m benchmarks.recovery` holds the bar of 10 s.
PATIENCE_S = 60.0
_LOOK_S = 0.05
_CLOSED_AFTER_MS = round(1000 * WINDOW_S) + 1500  # with the grace, and a moment to be noticed
_WAITED_FOR_S = 60.0  # twice as long as a cortex gives proxies to send lost rewards again
_LAST_VERSIONS = 100  # among which a reward of a moment ago is looked for


@dataclass(kw_only=True)
class Trial:
    """Clients over a stack, and what was seen of them."""

    stack: FaultStack
    stores: Stores
    history: History
    load: Load
    kinds: dict[str, Experiment]
    operator: Operator
    secrets: Secrets
    poisoned: set[RewardKey] = field(default_factory=set)
    counters: Callable[[], Mapping[str, float]] | None = None
    began_s: float = field(default_factory=time.time)
    verdict: Verdict | None = None

    @property
    def experiments(self) -> list[Experiment]:
        """One of each kind."""
        return list(self.kinds.values())

    @property
    def names(self) -> list[str]:
        """The experiments' ids."""
        return [one.id for one in self.experiments]

    def tokens(self) -> list[DecisionToken]:
        """What the decisions' tokens say."""
        opener = self.secrets.opener()
        return [
            opener.open(one.request_id, tenant=self.secrets.tenant)
            for one in self.history.of("select")
            if one.request_id
        ]

    async def attempts(self, more: int) -> None:
        """Until the clients have made so many more attempts, whatever came of them."""
        wanted = len(self.history.attempts) + more
        await self.sees(lambda: len(self.history.attempts) >= wanted, what=f"{more} attempts")

    async def sees(
        self, true: Callable[[], bool], *, what: str, within_s: float = PATIENCE_S
    ) -> None:
        """Until something holds, while the clients go on."""
        ends = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < ends, f"{within_s:.0f} s passed before {what}"
            await asyncio.sleep(_LOOK_S)

    async def does(self, fault: Callable[..., Any], *arguments: Any) -> Any:
        """Do something to the servers while the clients go on, and write it down."""
        self.mark("fault", f"{fault.__name__} {arguments}")
        return await asyncio.to_thread(fault, *arguments)

    def mark(self, what: Any, detail: str = "") -> None:
        """Write down what is done to the servers."""
        if what == "redis lost its data":
            self.stack.lost_s = time.monotonic()
        self.history.marks.append(Mark(at_s=time.monotonic(), what=what, detail=detail))

    async def recovers(self) -> float:
        """Seconds from now, when nothing is broken any more, until each experiment learns again."""
        began_s = time.monotonic()
        self.mark("healed")
        await asyncio.gather(*(self._learns(one, began_s=began_s) for one in self.experiments))
        self.mark("recovered")
        return time.monotonic() - began_s

    async def leads_alone(self, name: str) -> None:
        """Let this cortex have every lease: the others are paused until it has, and then wait."""
        others = [other for other in self.stack.roles if other.startswith("cortex")]
        others.remove(name)
        for other in others:
            await self.does(self.stack.send, other, signal.SIGSTOP)
        await self.recovers()
        for other in others:
            await self.does(self.stack.send, other, signal.SIGCONT)

    async def _learns(self, experiment: Experiment, *, began_s: float) -> None:
        token = await self.load.canary(experiment, within_s=PATIENCE_S)
        decision = self.secrets.opener().open(token, tenant=self.secrets.tenant).decision_id
        while not await self._learned(experiment.id, decision):
            assert time.monotonic() - began_s < PATIENCE_S, f"{experiment} does not learn"
            await asyncio.sleep(_LOOK_S)

    async def _learned(self, experiment: str, decision: str) -> bool:
        """Whether the reward of this decision is in the ledger, and what it made is published."""
        try:
            snapshot = await self.stores.ledger.snapshot(experiment)
            behind = -1 if snapshot is None else max(0, snapshot.version - _LAST_VERSIONS)
            batches = await self.stores.ledger.batches(experiment, after=behind, limit=100_000)
            published = await self.stores.channel.fetch(experiment)
        except Unavailable:
            return False
        for stored in reversed(batches):
            rows = stored.batch.rows
            if rows is not None and decision in rows.decision_ids:
                return published is not None and published.version >= stored.batch.version
        return False


@asynccontextmanager
async def trial(
    stack: FaultStack, *, name: str, seed: int = 1, most: int = 4000, workers: int = 4
) -> AsyncIterator[Trial]:
    """Clients that make ``most`` decisions while the body does its worst; judged at its end."""
    rng = np.random.default_rng(seed)
    history = History()
    kept = stack.folders.logs / f"history {name} {seed}.jsonl"
    async with (
        stack.stores() as stores,
        Asking(lambda: stack.url, stack.grpc_address, stack.api_key) as asking,
    ):
        kinds = await make_experiments(
            stack.url, stack.api_key, name=f"{name} {uuid4().hex}", bundle=stack.bundle
        )
        record = await stores.ledger.experiment(kinds["tuned"].id)
        assert record is not None
        secrets = Secrets(
            draw_key=stack.secret("draw"), token_key=stack.secret("token"), tenant=record.tenant
        )
        made = Trial(
            stack=stack,
            stores=stores,
            history=history,
            load=Load(asking, list(kinds.values()), history, rng=rng, most=most),
            operator=Operator(asking, kinds, history, rng=rng),
            kinds=kinds,
            secrets=secrets,
        )
        working = [
            asyncio.create_task(made.load.run(workers=workers)),
            asyncio.create_task(made.operator.run()),
        ]
        try:
            yield made
            made.load.stop()
            made.operator.stop()
            await asyncio.gather(*working)
            ended_ms = time.time_ns() // 1_000_000
            await made.load.settle()
            await _judge(made, ended_ms=ended_ms)
        except AssertionError as error:
            error.add_note(f"what clients saw is beside the roles' logs: {kept}")
            raise
        finally:
            for work in working:
                work.cancel()
            history.write(kept)


async def _judge(made: Trial, *, ended_ms: int) -> None:
    evidence = await wait_until_learned(
        made.stores,
        made.history,
        made.names,
        made.secrets,
        within_s=PATIENCE_S,
        closed_before_ms=0 if _late_closing(made) else ended_ms - _CLOSED_AFTER_MS,
    )
    if made.counters is not None:
        told = made.counters()
        evidence = replace(evidence, counters={key: told[key] for key in ("accepted", "duplicate")})
    made.verdict = check(
        made.history,
        evidence,
        made.secrets,
        poisoned=made.poisoned,
        recovery_s=PATIENCE_S,
    )
    made.verdict.demand()
    assert made.verdict.counts.accepted > 0, "a run in which nothing was learned proves nothing"


def _late_closing(made: Trial) -> bool:
    """Whether windows may close any time: clocks were wrong, or what was lost is waited for."""
    stepped = any(mark.detail.startswith("clock") for mark in made.history.marks)
    return stepped or time.monotonic() - made.stack.lost_s < _WAITED_FOR_S
