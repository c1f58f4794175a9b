"""What the lives of the roles have in common."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from qbrix.errors import InvalidParameter, Unavailable
from serving.loading import PolicyLoader, trusted_keys
from serving.readiness import Pulses
from serving.settings import CortexSettings, MotorSettings, SharedSettings, read_settings
from serving.storage.base import Stores
from serving.storage.connect import open_stores
from serving.telemetry import configure_logging
from serving.wire.probes import ProbeServer

if TYPE_CHECKING:
    from serving.cortex.service import Cortex
    from serving.motor.service import Motor

__all__ = ["feel_pulses", "given", "open_all", "probe_server", "shared_settings"]


def shared_settings(role: str) -> SharedSettings:
    """Read what all roles are told, and log from now on as it says."""
    shared = read_settings(SharedSettings)
    configure_logging(shared, role=role)
    return shared


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags that were used; they win over the environment."""
    return {name: value for name, value in flags.items() if value is not None}


async def open_all(shared: SharedSettings, opened: AsyncExitStack) -> tuple[Stores, PolicyLoader]:
    """The stores, and what makes policies of what lies in them; closed with ``opened``."""
    stores = await open_stores(
        postgres_url=shared.postgres_url.get_secret_value(),
        redis_url=shared.redis_url.get_secret_value(),
    )
    opened.push_async_callback(stores.close)
    with suppress(Unavailable):  # who starts before its stores is told later what they lack
        _check_shards(await stores.ledger.shards(), configured=shared.shards)
    return stores, PolicyLoader(stores.ledger.bundle, trusted_keys(shared.trusted_keys_dir))


def _check_shards(used: int, *, configured: int) -> None:
    """Refuse to start when somebody's experiment would have nobody who learns for it."""
    if used > configured:
        raise InvalidParameter(
            f"QBRIX_SHARDS = {configured}, but there are experiments on {used} shards and they "
            f"stay where they are; set it to {used} or more for every role"
        )


def probe_server(
    settings: MotorSettings | CortexSettings, pulses: Pulses, role: Motor | Cortex
) -> ProbeServer:
    """Tells others, over HTTP, how a motor or cortex is."""
    return ProbeServer(
        host=settings.host,
        port=settings.http_port,
        readiness=lambda: role.readiness(pulses),
        expose=role.metrics.expose,
    )


async def feel_pulses(stores: Stores, opened: AsyncExitStack) -> Pulses:
    """When the stores answered last, asked from now on."""
    pulses = Pulses({"redis": stores.channel.ping, "postgres": stores.catalog.ping})
    asking = asyncio.create_task(pulses.run())

    async def end() -> None:
        asking.cancel()
        await asyncio.wait({asking})

    opened.push_async_callback(end)
    return pulses
