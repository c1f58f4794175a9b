"""Pools and experiments to try things on."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from tests.conformance.clients import Client, Json

__all__ = ["NOBODY", "new_experiment", "new_pool", "unique"]

NOBODY = "0" * 32  # an id that nothing has


def unique(what: str) -> str:
    """A name that nobody else has."""
    return f"{what} {uuid4().hex[:8]}"


def new_pool(client: Client, *arms: str) -> Json:
    """A pool of these arms, else of a, b and c."""
    return client.create_pool(unique("pool"), [{"name": arm} for arm in arms or ("a", "b", "c")])


def new_experiment(client: Client, policy: str = "BetaTSPolicy", **more: Any) -> Json:
    """An experiment on a pool of its own, unless one is given."""
    pool = more.pop("pool_id", None) or new_pool(client)["id"]
    return client.create_experiment(
        **{"name": unique("experiment"), "pool_id": pool, "policy": policy, **more}
    )
