"""Commands on the stores: schema and API keys."""

from __future__ import annotations

import asyncio
from pathlib import Path

from serving.cli.attached import open_attached, shared_settings
from serving.settings import SharedSettings, read_settings

__all__ = ["create_key", "migrate"]


def migrate() -> None:
    """Bring the database's schema up to date."""
    from serving.storage.migrate import migrate as run

    revision = asyncio.run(run(read_settings(SharedSettings).postgres_url.get_secret_value()))
    print(f"schema {revision}")


def create_key(*, tenant: str, name: str, role: str, data_dir: Path | None = None) -> None:
    """Print a new API key of the tenant; it is shown this once."""
    shared = shared_settings(data_dir)
    print(asyncio.run(_create_key(shared, tenant=tenant, name=name, role=role)))


async def _create_key(shared: SharedSettings, *, tenant: str, name: str, role: str) -> str:
    from serving.proxy.people.api_keys import mint
    from serving.proxy.people.auth import ROLES
    from serving.storage.audit import Actor, acting

    async with open_attached(shared) as stores:
        found = await stores.catalog.find_tenant(tenant)
        owner = found or await stores.catalog.create_tenant(tenant)
        record, key = mint(owner, name=name, scopes=ROLES[role])
        with acting(Actor(tenant=owner)):
            await stores.catalog.put_api_key(record)
    return key
