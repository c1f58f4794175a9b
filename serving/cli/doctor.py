"""``qbrix doctor``: each thing that must be in order, with what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

from pydantic_settings import BaseSettings

import qbrix
from qbrix.errors import QbrixError, Unavailable
from serving.loading import trusted_keys
from serving.proxy.agent.intake import suffices
from serving.settings import (
    CortexSettings,
    MotorSettings,
    ProxySettings,
    SharedSettings,
    read_secrets,
    read_settings,
)
from serving.storage.base import Stores
from serving.storage.connect import open_stores
from serving.storage.migrate import current, head

__all__ = ["doctor", "listed_settings"]

Finding = tuple[str, str | None]  # what was looked at, and what is wrong with it


def doctor() -> int:
    """Print one line per check, then one per setting; 0 when all is well."""
    proxy, shared = read_settings(ProxySettings), read_settings(SharedSettings)
    findings = [*_local(proxy, shared), *asyncio.run(_remote(proxy, shared))]
    for name, wrong in findings:
        print(f"ok    {name}" if wrong is None else f"FAIL  {name}: {wrong}")
    for line in listed_settings():
        print(f"set   {line}")
    return int(any(wrong is not None for _, wrong in findings))


def listed_settings() -> Iterator[str]:
    """Every variable that the roles read, with its value here; secrets stay covered."""
    kinds: list[type[BaseSettings]] = [SharedSettings, ProxySettings, MotorSettings, CortexSettings]
    for kind in kinds:
        settings = read_settings(kind)
        for name in kind.model_fields:
            value = getattr(settings, name)
            shown = "" if value is None else value
            origin = "" if name in settings.model_fields_set else "  (default)"
            yield f"{kind.model_config.get('env_prefix', '')}{name}".upper() + f"={shown}{origin}"


def _local(proxy: ProxySettings, shared: SharedSettings) -> Iterator[Finding]:
    yield f"qbrix {qbrix.__version__}", None
    draw, token = shared.draw_key_file, proxy.token_key_file
    yield _checked("draw key", lambda: read_secrets(draw, setting="QBRIX_DRAW_KEY_FILE"))
    yield _checked("token key", lambda: read_secrets(token, setting="PROXY_TOKEN_KEY_FILE"))
    yield _checked(
        "sign-in key", lambda: read_secrets(proxy.jwt_key_file, setting="PROXY_JWT_KEY_FILE")
    )
    yield _checked("trusted keys", lambda: trusted_keys(shared.trusted_keys_dir))


async def _remote(proxy: ProxySettings, shared: SharedSettings) -> list[Finding]:
    postgres_url = shared.postgres_url.get_secret_value()
    findings = [await _awaited("schema", _schema(postgres_url))]
    try:
        stores = await open_stores(
            postgres_url=postgres_url, redis_url=shared.redis_url.get_secret_value()
        )
    except QbrixError as error:
        return [*findings, ("stores", str(error))]
    try:
        findings.append(await _awaited("postgres", stores.catalog.ping()))
        findings.append(await _awaited("redis", stores.channel.ping()))
        findings.append(await _awaited("durability", _durability(stores, proxy.durability)))
    finally:
        await stores.close()
    return findings


async def _schema(url: str) -> None:
    found = await current(url)
    if found != head():
        raise Unavailable(f"the database has revision {found}, not {head()}; run qbrix migrate")


async def _durability(stores: Stores, demanded: str) -> None:
    offered = await stores.intake.durability()
    if not suffices(offered, demanded=demanded):
        raise Unavailable(
            f"redis offers {offered!r}, {demanded!r} is demanded; set appendfsync always and "
            "maxmemory-policy noeviction, or accept less with PROXY_DURABILITY"
        )


def _checked(name: str, check: Callable[[], object]) -> Finding:
    try:
        check()
    except QbrixError as error:
        return name, str(error)
    return name, None


async def _awaited(name: str, check: Awaitable[None]) -> Finding:
    try:
        await check
    except QbrixError as error:
        return name, str(error)
    return name, None
