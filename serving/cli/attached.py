"""The stores that a command works on: those of a stack's directory, or of the environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings

from serving.settings import SharedSettings, read_settings
from serving.storage.base import Stores

__all__ = ["open_attached", "settings_at", "shared_settings"]

S = TypeVar("S", bound=BaseSettings)


def shared_settings(data_dir: Path | None) -> SharedSettings:
    """What every role of the stack in ``data_dir`` is told; without one, the environment's."""
    return settings_at(SharedSettings, data_dir)


def settings_at(kind: type[S], data_dir: Path | None) -> S:
    """What a role of the stack in ``data_dir`` is told; without one, the environment's."""
    if data_dir is None:
        return read_settings(kind)
    from serving.stack.attached import environment_of

    told = environment_of(data_dir)
    prefix = kind.model_config.get("env_prefix", "")
    names = {f"{prefix}{name}".upper(): name for name in kind.model_fields}
    return read_settings(kind, **{names[key]: value for key, value in told.items() if key in names})


@asynccontextmanager
async def open_attached(shared: SharedSettings) -> AsyncIterator[Stores]:
    """The stores, for as long as a command runs."""
    from serving.storage.connect import open_stores

    stores = await open_stores(
        postgres_url=shared.postgres_url.get_secret_value(),
        redis_url=shared.redis_url.get_secret_value(),
    )
    try:
        yield stores
    finally:
        await stores.close()
