"""Motor: answers which arm, from memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import structlog

from qbrix.draw import uniform
from qbrix.errors import NotFound, QbrixError, ShapeError, Unavailable
from serving.loading import PolicyLoader
from serving.motor.cache import Prepared, StateCache
from serving.settings import MotorSettings
from serving.storage import keys
from serving.storage.base import Channel, Ledger
from serving.wire.selection import Outcome, Query

__all__ = ["Motor"]

_log = structlog.get_logger("motor")


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
    ) -> None:
        self._channel = channel
        self._draw_key = draw_key
        self._states = StateCache(settings, channel=channel, ledger=ledger, loader=loader)
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

    async def decide(self, queries: Sequence[Query]) -> list[Outcome | QbrixError]:
        """One outcome or error per query, in order."""
        decided: list[Outcome | QbrixError] = []
        for query in queries:
            entry = self._states.get(query.experiment)
            if entry is None:
                break
            decided.append(self._decide(query, entry))
        else:
            return decided
        return decided + await self._decide_unloaded(queries[len(decided) :])

    @property
    def follows(self) -> bool:
        """Whether this motor hears of state changes."""
        return self._listener is not None and not self._listener.done()

    async def ping(self) -> None:
        """Raises Unavailable when this motor no longer follows state changes."""
        if not self.follows:
            raise Unavailable("motor does not follow state changes; restart it")

    async def refresh(self, experiment: str) -> int | None:
        """Look into the stores now; the state version that decides afterwards."""
        await asyncio.wait({self._states.refresh(experiment)})
        entry = self._states.get(experiment)
        return None if entry is None else entry.version

    async def _decide_unloaded(self, queries: Sequence[Query]) -> list[Outcome | QbrixError]:
        wanted = {query.experiment for query in queries}
        loads = await asyncio.gather(*map(self._load, wanted))
        found = dict(zip(wanted, loads, strict=True))
        decided: list[Outcome | QbrixError] = []
        for query in queries:
            entry = found[query.experiment]
            decided.append(entry if isinstance(entry, QbrixError) else self._decide(query, entry))
        return decided

    async def _load(self, experiment: str) -> Prepared | QbrixError:
        try:
            entry = self._states.get(experiment) or await self._states.load(experiment)
        except Unavailable as error:
            return error
        return NotFound("experiment", experiment) if entry is None else entry

    def _decide(self, query: Query, entry: Prepared) -> Outcome | QbrixError:
        if entry.tenant != query.tenant:
            return NotFound("experiment", query.experiment)
        context = None
        if entry.dim:
            context = np.frombuffer(query.context, dtype="<f8")
            if context.shape[0] != entry.dim:
                return ShapeError(
                    f"context has {context.shape[0]} features, the experiment needs {entry.dim}"
                )
        u = uniform(
            self._draw_key,
            experiment=query.experiment,
            epoch=entry.epoch,
            decision_id=query.decision_id,
        )
        try:
            made = entry.decider.decide(u, context)
        except Exception as error:  # noqa: BLE001 - a promoted policy is foreign code: one bad
            # answer must not take the batch with it.
            _log.error("policy_failed", experiment=query.experiment, error=repr(error))
            return Unavailable(
                f"the policy of experiment {query.experiment} failed to choose; see motor's log"
            )
        return Outcome(
            made.arm,
            made.u,
            made.low,
            made.propensity,
            made.recorded,
            entry.epoch,
            entry.version,
            self._states.age_ms(entry),
        )

    async def _listen(self) -> None:
        async for _, payload in self._channel.listen(keys.STATES):
            if payload:
                self._states.push(payload.partition(" ")[0])
            else:
                self._states.push_all()
