"""The life of a motor, and the motor in a proxy."""

from __future__ import annotations

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
from serving.loading import PolicyLoader
from serving.motor.grpc import MotorServer
from serving.motor.service import Motor
from serving.settings import MotorSettings, SharedSettings, read_secrets, read_settings
from serving.storage.base import Stores

__all__ = ["live", "make_motor"]

_GRACE_S = 5.0


def live(**flags: Any) -> None:
    """Decide for proxies elsewhere until asked to stop."""
    run_role(_motor(read_settings(MotorSettings, **given(flags)), shared_settings("motor")))


async def _motor(settings: MotorSettings, shared: SharedSettings) -> None:
    async with AsyncExitStack() as opened:
        stores, loader = await open_all(shared, opened)
        made = make_motor(settings, shared, stores, loader)
        await made.start()
        opened.push_async_callback(made.stop)
        probes = probe_server(settings, await feel_pulses(stores, opened), made)
        made.metrics.tell_process(role="motor")
        ports = {"http": await probes.start()}
        opened.push_async_callback(probes.stop)
        server = MotorServer(
            made, host=settings.host, grpc_port=settings.grpc_port, link_port=settings.link_port
        )
        ports |= await server.start()
        opened.push_async_callback(server.stop, grace_s=_GRACE_S)
        await until_asked("motor", run_dir=shared.run_dir, ports=ports, ends=made.wait)
        probes.leave()


def make_motor(
    settings: MotorSettings, shared: SharedSettings, stores: Stores, loader: PolicyLoader
) -> Motor:
    """Decides in the process that makes it."""
    (draw_key, *_) = read_secrets(shared.draw_key_file, setting="QBRIX_DRAW_KEY_FILE")
    return Motor(
        settings, channel=stores.channel, ledger=stores.ledger, loader=loader, draw_key=draw_key
    )
