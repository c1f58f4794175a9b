"""Changes of what decides: asked for here, made by cortex, awaited for a moment."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from qbrix.errors import Unavailable
from serving.storage import keys
from serving.storage.base import Catalog, Channel, ControlRequest

__all__ = ["Controls"]

_log = structlog.get_logger("proxy")

_FIRST_LOOK_S = 0.005
_LONGEST_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """Wakes cortex and looks for the outcome."""

    catalog: Catalog
    channel: Channel

    async def settled(
        self, control: ControlRequest, *, shard: int, within_s: float
    ) -> ControlRequest:
        """The control change as it stands when cortex has dealt with it, or when time is over."""
        await self._wake(shard)
        pause_s = _FIRST_LOOK_S
        ends_s = asyncio.get_running_loop().time() + within_s
        while control.status == "pending" and asyncio.get_running_loop().time() < ends_s:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_S)
            control = await self.catalog.get_control(control.id)
        return control

    async def cancelled(self, control: ControlRequest) -> ControlRequest:
        """Take a pending change back; if cortex was faster, what it made of it."""
        await self.catalog.cancel_control(control.id)
        return await self.catalog.get_control(control.id)

    async def _wake(self, shard: int) -> None:
        try:
            await self.channel.announce(keys.CONTROLS, str(shard))
        except Unavailable as error:  # cortex looks by itself from time to time
            _log.warning("cortex_not_woken", error=str(error))
