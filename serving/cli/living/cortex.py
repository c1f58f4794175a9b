"""The life of a cortex."""

from __future__ import annotations

import secrets
from contextlib import AsyncExitStack
from typing import Any

from serving.cli.living.common import (
    feel_pulses,
    given,
    open_all,
    probe_server,
    shared_settings,
)
from serving.cli.run import run_role, until_asked
from serving.cortex.grpc import cortex_server
from serving.cortex.service import Cortex
from serving.cortex.times import Timing
from serving.cortex.upkeep import Upkeep, retention
from serving.settings import CortexSettings, SharedSettings, read_settings
from serving.telemetry import CortexMetrics

__all__ = ["live"]


def live(**flags: Any) -> None:
    """Learn until asked to stop."""
    run_role(_cortex(read_settings(CortexSettings, **given(flags)), shared_settings("cortex")))


async def _cortex(settings: CortexSettings, shared: SharedSettings) -> None:
    async with AsyncExitStack() as opened:
        stores, loader = await open_all(shared, opened)
        metrics = CortexMetrics()
        keep = retention(settings)
        made = Cortex(
            stores,
            loader,
            shards=range(shared.shards),
            holder=shared.life or secrets.token_hex(16),
            predecessor=shared.predecessor,
            lease_ttl_s=settings.lease_ttl_s,
            lease_renew_s=settings.lease_renew_s,
            timing=Timing(
                window_grace_s=settings.window_grace_s, behind_limit_s=settings.behind_limit_s
            ),
            metrics=metrics,
            upkeep=Upkeep(
                stores, keep, metrics, shards=range(shared.shards), every_s=settings.upkeep_s
            ),
        )
        probes = probe_server(settings, await feel_pulses(stores, opened), made)
        metrics.tell_process(role="cortex")
        ports = {"http": await probes.start()}
        opened.push_async_callback(probes.stop)
        server = cortex_server(made, address=f"{settings.host}:{settings.grpc_port}")
        ports["grpc"] = await server.start()
        opened.push_async_callback(server.stop, grace_s=0.0)
        await made.start()
        opened.push_async_callback(made.stop)  # first of all, while the others tell that it goes
        await until_asked("cortex", run_dir=shared.run_dir, ports=ports, ends=made.wait)
        probes.leave()
        server.leave()
