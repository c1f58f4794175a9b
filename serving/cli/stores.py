"""Commands on the stores: schema and API keys."""

from __future__ import annotations

import asyncio

from serving.settings import SharedSettings, read_settings

__all__ = ["create_key", "migrate"]


def migrate() -> None:
    """Bring the database's schema up to date."""
    from serving.storage.migrate import migrate as run

    revision = asyncio.run(run(read_settings(SharedSettings).postgres_url.get_secret_value()))
    print(f"schema {revision}")


def create_key(*, tenant: str, name: str, role: str) -> None:
    """Print a new API key of the tenant; it is shown this once."""
    print(
        asyncio.run(_create_key(read_settings(SharedSettings), tenant=tenant, name=name, role=role))
    )


async def _create_key(shared: SharedSettings, *, tenant: str, name: str, role: str) -> str:
    from serving.proxy.people.api_keys import mint
    from serving.proxy.people.auth import ROLES
    from serving.storage.audit import Actor, acting
    from serving.storage.connect import open_stores

    stores = await open_stores(
        postgres_url=shared.postgres_url.get_secret_value(),
        redis_url=shared.redis_url.get_secret_value(),
    )
    try:
        found = await stores.catalog.find_tenant(tenant)
        owner = found or await stores.catalog.create_tenant(tenant)
        record, key = mint(owner, name=name, scopes=ROLES[role])
        with acting(Actor(tenant=owner)):
            await stores.catalog.put_api_key(record)
    finally:
        await stores.close()
    return key
