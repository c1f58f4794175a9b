"""The life of a proxy."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

from serving.cli.living.common import given, open_all, shared_settings
from serving.cli.living.motor import make_motor
from serving.cli.run import run_role, until_asked
from serving.loading import PolicyLoader, trusted_keys
from serving.proxy.gateway import Gateway, Trust
from serving.proxy.grpc.server import public_server
from serving.proxy.http.app import build_app
from serving.proxy.http.server import HttpServer
from serving.settings import (
    MotorSettings,
    ProxySettings,
    SharedSettings,
    read_secrets,
    read_settings,
)
from serving.storage.base import Stores
from serving.wire.health import check_health
from serving.wire.motor_client import MotorClient
from serving.wire.motors import Motors
from serving.wire.probes import ProbeServer

__all__ = ["live"]


def live(*, fused: bool, **flags: Any) -> None:
    """Serve the public API until asked to stop."""
    wanted = given(flags) | ({"motor_address": None} if fused else {})
    run_role(_proxy(read_settings(ProxySettings, **wanted), shared_settings("proxy")))


async def _proxy(settings: ProxySettings, shared: SharedSettings) -> None:
    trust = Trust(
        token_keys=read_secrets(settings.token_key_file, setting="PROXY_TOKEN_KEY_FILE"),
        bundle_keys=trusted_keys(shared.trusted_keys_dir),
        jwt_keys=read_secrets(settings.jwt_key_file, setting="PROXY_JWT_KEY_FILE"),
    )
    async with AsyncExitStack() as opened:
        stores, loader = await open_all(shared, opened)
        selector = _selector(settings, shared, stores, loader)
        await selector.start()
        opened.push_async_callback(selector.stop)

        async def cortex_pulse() -> None:
            await check_health(settings.cortex_address)

        gateway = Gateway(
            settings,
            stores,
            selector=selector,
            loader=loader,
            trust=trust,
            shards=shared.shards,
            cortex_pulse=cortex_pulse,
        )
        gateway.metrics.tell_process(role="proxy")
        gateway.metrics.include(selector.metrics)
        await gateway.start()
        opened.push_async_callback(gateway.stop)
        ports = {}
        if settings.probe_port is not None:
            ports["probe"] = await _probe(gateway, settings, opened)
        http, grpc = HttpServer(build_app(gateway), settings), public_server(gateway)

        async def leave() -> None:
            """Both at once: one must not use up the time of the other."""
            await asyncio.gather(http.stop(), grpc.stop(grace_s=settings.drain_s))

        opened.push_async_callback(leave)
        ports |= {"http": await http.start(), "grpc": await grpc.start()}
        await until_asked("proxy", run_dir=shared.run_dir, ports=ports, ends=gateway.wait)
        gateway.drain()


async def _probe(gateway: Gateway, settings: ProxySettings, opened: AsyncExitStack) -> int:
    """A port of this proxy's own, where several share the public one."""
    probes = ProbeServer(
        host=settings.probe_host,
        port=settings.probe_port or 0,
        readiness=gateway.readiness,
        expose=gateway.metrics.expose,
    )
    port = await probes.start()
    opened.push_async_callback(probes.stop)
    return port


def _selector(
    settings: ProxySettings, shared: SharedSettings, stores: Stores, loader: PolicyLoader
) -> Any:
    """Motor in this process, or the way to those elsewhere."""
    here = make_motor(read_settings(MotorSettings), shared, stores, loader)
    if settings.motor_address is None:
        return here
    addresses = [address.strip() for address in settings.motor_address.split(",")]
    clients = [MotorClient(one, deadline_s=settings.motor_deadline_s) for one in addresses]
    motors = Motors(clients, here=here)
    motors.metrics.include(here.metrics)
    return motors
