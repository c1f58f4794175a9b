"""What a role answers when it is asked whether traffic should come to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from qbrix.errors import QbrixError

__all__ = ["Pulses", "Readiness"]

_log = structlog.get_logger("pulses")

_EVERY_S = 2.0
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Yes or no, and what there is to know beside it."""

    ready: bool
    facts: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As it is shown."""
        return {"status": "ready" if self.ready else "not ready", **self.facts}


class Pulses:
    """When those whom a role needs answered last; asked in the background, each by itself."""

    def __init__(
        self,
        pings: Mapping[str, Callable[[], Awaitable[None]]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pings = dict(pings)
        self._clock = clock
        self._answered_s: dict[str, float] = {}
        self._away: set[str] = set()

    async def run(self) -> None:
        """Ask everybody, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Ask everybody once."""
        await asyncio.gather(*map(self._ask, self._pings))

    def ages_s(self) -> dict[str, float | None]:
        """Seconds since each answered last; None for who never did."""
        now_s = self._clock()
        return {
            name: round(now_s - at_s, 3) if (at_s := self._answered_s.get(name)) else None
            for name in self._pings
        }

    def answers(self, name: str) -> bool:
        """Whether it answered at the latest look."""
        return name in self._answered_s and name not in self._away

    async def _ask(self, name: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._pings[name]()
        except (QbrixError, TimeoutError) as error:
            if name not in self._away:
                self._away.add(name)
                _log.warning("no_answer", of=name, error=str(error))
            return
        if name in self._away:
            self._away.discard(name)
            _log.info("answers_again", of=name)
        self._answered_s[name] = self._clock()
