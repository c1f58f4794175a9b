"""Calls about the server itself, for everybody."""

from __future__ import annotations

import asyncio
from functools import lru_cache

from qbrix.errors import InvalidRequest
from serving.proxy.experiments.catalogue import REWARD_TYPES, list_policies
from serving.proxy.gateway import Gateway
from serving.wire.convert import write_health
from serving.wire.public.system import read_list_policies, write_policies

__all__ = ["health", "policies"]


async def policies(_: Gateway, data: bytes) -> bytes:
    """Policies with their hyper-parameters."""
    wanted = read_list_policies(data)
    if wanted is not None and wanted not in REWARD_TYPES:
        raise InvalidRequest(f"reward_type = {wanted!r}: expected one of {', '.join(REWARD_TYPES)}")
    return await asyncio.to_thread(_listed, wanted)  # the first asked loads every policy


@lru_cache(maxsize=len(REWARD_TYPES) + 1)
def _listed(reward_type: str | None) -> bytes:
    """Made once: anybody may ask, and the catalogue does not change while a server runs."""
    return write_policies(list_policies(reward_type))


async def health(gateway: Gateway, _: bytes) -> bytes:
    """Whether traffic should come here."""
    return write_health(serving=gateway.ready)
