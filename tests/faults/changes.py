"""An operator at work beside the clients: parameters, arms and resets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np

from tests.faults.asking import Asking
from tests.faults.history import Change, History
from tests.faults.kinds import Experiment

__all__ = ["Operator"]

PAUSE_S = 0.5
MOST_ARMS = 6
RETIRED = 2  # the arm that comes and goes


class Operator:
    """Changes what decides, one change after the other, until it is told to stop."""

    def __init__(
        self,
        asking: Asking,
        experiments: Mapping[str, Experiment],
        history: History,
        *,
        rng: np.random.Generator,
    ) -> None:
        self._asking = asking
        self._experiments = experiments
        self._history = history
        self._rng = rng
        self._stopping = asyncio.Event()
        self._number = 0
        self._arms = 3

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    async def run(self) -> None:
        """Until `stop`; nothing is left paused."""
        works: tuple[Callable[[], Awaitable[None]], ...]
        works = (self.tune, self.add_an_arm, self.retire_or_revive, self.reset)
        while not self._stopping.is_set():
            await works[int(self._rng.integers(len(works)))]()
            self._number += 1
            try:
                await asyncio.wait_for(self._stopping.wait(), PAUSE_S)
            except TimeoutError:
                continue

    async def tune(self) -> None:
        """Another prior, told apart from all others."""
        parameters = {"alpha_prior": 1.0 + self._number / 1024}
        await self._change("tuned", "parameters", policy_params=parameters)

    async def add_an_arm(self) -> None:
        """One more, as long as there are not too many."""
        if self._arms < MOST_ARMS:
            await self._change_arms("arm", {"name": f"arm {self._number}"})
            self._arms += 1

    async def retire_or_revive(self) -> None:
        """The same arm goes and comes back."""
        status, pool = await self._asking.send("GET", self._pool, None)
        if status == 200:
            arm = pool["arms"][RETIRED]
            now = {"id": arm["id"], "is_active": not arm["is_active"]}
            await self._change_arms("active", now)

    async def reset(self) -> None:
        """Paused, reset, and let go on, whatever it takes."""
        if await self._change("promoted", "pause", enabled=False):
            await self._note("promoted", "reset", "POST", self._path("promoted") + "/reset", {})
        ends = time.monotonic() + 60.0
        while not await self._change("promoted", "go on", enabled=True):
            assert time.monotonic() < ends, "an experiment stays paused"
            await asyncio.sleep(PAUSE_S / 5)

    @property
    def _pool(self) -> str:
        return f"/api/v1/pools/{self._experiments['growing'].pool}"

    def _path(self, kind: str) -> str:
        return f"/api/v1/experiments/{self._experiments[kind].id}"

    async def _change(self, kind: str, what: str, **body: Any) -> bool:
        return await self._note(kind, what, "PATCH", self._path(kind), body)

    async def _change_arms(self, what: str, arm: dict[str, Any]) -> bool:
        return await self._note("growing", what, "PATCH", self._pool, {"arms": [arm]})

    async def _note(self, kind: str, what: str, method: str, path: str, body: Any) -> bool:
        status, said = await self._asking.send(method, path, body)
        self._history.changes.append(
            Change(
                at_s=time.monotonic(),
                experiment=self._experiments[kind].id,
                change=what,
                body=body,
                status=status,
                said=str(said.get("detail", "")),
            )
        )
        return status == 200
