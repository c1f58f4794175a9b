"""The roles as processes."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any

from qbrix.errors import InvalidParameter, Unavailable
from serving.cli.run import run_role, until_asked
from serving.loading import PolicyLoader, trusted_keys
from serving.readiness import Pulses
from serving.settings import (
    CortexSettings,
    MotorSettings,
    ProxySettings,
    SharedSettings,
    read_secrets,
    read_settings,
)
from serving.storage.base import Stores
from serving.telemetry import CortexMetrics, configure_logging
from serving.wire.health import check_health
from serving.wire.probes import ProbeServer

if TYPE_CHECKING:
    from serving.cortex.service import Cortex
    from serving.motor.service import Motor
    from serving.proxy.gateway import Gateway

__all__ = ["cortex", "motor", "proxy"]

_GRACE_S = 5.0


def proxy(*, fused: bool, **flags: Any) -> None:
    """Serve the public API until asked to stop."""
    given = _given(flags) | ({"motor_address": None} if fused else {})
    settings = read_settings(ProxySettings, **given)
    run_role(_proxy(settings, _shared("proxy")))


def motor(**flags: Any) -> None:
    """Decide for proxies elsewhere until asked to stop."""
    run_role(_motor(read_settings(MotorSettings, **_given(flags)), _shared("motor")))


def cortex(**flags: Any) -> None:
    """Learn until asked to stop."""
    run_role(_cortex(read_settings(CortexSettings, **_given(flags)), _shared("cortex")))


async def _proxy(settings: ProxySettings, shared: SharedSettings) -> None:
    from serving.proxy.gateway import Gateway, Trust
    from serving.proxy.grpc.server import public_server
    from serving.proxy.http.app import build_app
    from serving.proxy.http.server import HttpServer

    trust = Trust(
        token_keys=read_secrets(settings.token_key_file, setting="PROXY_TOKEN_KEY_FILE"),
        bundle_keys=trusted_keys(shared.trusted_keys_dir),
        jwt_keys=read_secrets(settings.jwt_key_file, setting="PROXY_JWT_KEY_FILE"),
    )
    async with AsyncExitStack() as opened:
        stores, loader = await _open(shared, opened)
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
    here = _make_motor(read_settings(MotorSettings), shared, stores, loader)
    if settings.motor_address is None:
        return here
    from serving.wire.motor_client import MotorClient
    from serving.wire.motors import Motors

    addresses = [address.strip() for address in settings.motor_address.split(",")]
    clients = [MotorClient(one, deadline_s=settings.motor_deadline_s) for one in addresses]
    motors = Motors(clients, here=here)
    motors.metrics.include(here.metrics)
    return motors


async def _motor(settings: MotorSettings, shared: SharedSettings) -> None:
    from serving.motor.grpc import motor_server

    async with AsyncExitStack() as opened:
        stores, loader = await _open(shared, opened)
        made = _make_motor(settings, shared, stores, loader)
        await made.start()
        opened.push_async_callback(made.stop)
        probes = _probes(settings, await _pulses(stores, opened), made)
        made.metrics.tell_process(role="motor")
        ports = {"http": await probes.start()}
        opened.push_async_callback(probes.stop)
        server = motor_server(made, address=f"{settings.host}:{settings.grpc_port}")
        ports["grpc"] = await server.start()
        opened.push_async_callback(server.stop, grace_s=_GRACE_S)
        await until_asked("motor", run_dir=shared.run_dir, ports=ports, ends=made.wait)
        probes.leave()


async def _cortex(settings: CortexSettings, shared: SharedSettings) -> None:
    from serving.cortex.grpc import cortex_server
    from serving.cortex.service import Cortex
    from serving.cortex.times import Timing
    from serving.cortex.upkeep import Upkeep, retention

    async with AsyncExitStack() as opened:
        stores, loader = await _open(shared, opened)
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
        probes = _probes(settings, await _pulses(stores, opened), made)
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


def _probes(
    settings: MotorSettings | CortexSettings, pulses: Pulses, role: Motor | Cortex
) -> ProbeServer:
    return ProbeServer(
        host=settings.host,
        port=settings.http_port,
        readiness=lambda: role.readiness(pulses),
        expose=role.metrics.expose,
    )


async def _pulses(stores: Stores, opened: AsyncExitStack) -> Pulses:
    """When the stores answered last, asked from now on."""
    pulses = Pulses({"redis": stores.channel.ping, "postgres": stores.catalog.ping})
    asking = asyncio.create_task(pulses.run())

    async def end() -> None:
        asking.cancel()
        await asyncio.wait({asking})

    opened.push_async_callback(end)
    return pulses


def _make_motor(
    settings: MotorSettings, shared: SharedSettings, stores: Stores, loader: PolicyLoader
) -> Any:
    from serving.motor.service import Motor

    (draw_key, *_) = read_secrets(shared.draw_key_file, setting="QBRIX_DRAW_KEY_FILE")
    return Motor(
        settings, channel=stores.channel, ledger=stores.ledger, loader=loader, draw_key=draw_key
    )


async def _open(shared: SharedSettings, opened: AsyncExitStack) -> tuple[Stores, PolicyLoader]:
    from serving.storage.connect import open_stores

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


def _shared(role: str) -> SharedSettings:
    shared = read_settings(SharedSettings)
    configure_logging(shared, role=role)
    return shared


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags that were used; they win over the environment."""
    return {name: value for name, value in flags.items() if value is not None}
