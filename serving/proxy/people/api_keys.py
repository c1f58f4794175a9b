"""API keys: shown once, stored as a digest, never stronger than who makes or manages them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from qbrix.errors import Forbidden, NotFound, Unavailable
from serving.proxy.experiments.records import is_id
from serving.proxy.people.auth import Authenticator, Principal, digest_of, new_api_key
from serving.storage import keys
from serving.storage.base import ApiKeyRecord, Catalog, Channel

__all__ = ["ApiKeys", "mint"]

_log = structlog.get_logger("proxy")


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiKeys:
    """The credentials that a principal may manage: those with no scope that it lacks."""

    catalog: Catalog
    channel: Channel
    auth: Authenticator

    async def create(
        self,
        owner: Principal,
        *,
        name: str,
        scopes: Sequence[str] | None,
        per_minute: int | None = None,
    ) -> tuple[ApiKeyRecord, str]:
        """The record and the key; all of the owner's scopes by default."""
        wanted = owner.scopes if scopes is None else frozenset(scopes)
        if missing := sorted(wanted - owner.scopes):
            raise Forbidden(
                f"a key cannot have {', '.join(missing)}: its maker has not; leave them out"
            )
        record, key = mint(owner.tenant, name=name, scopes=wanted, owner=owner.user)
        if per_minute is not None:
            owner.require("user:write")
            record = msgspec.structs.replace(record, rate_limit_per_minute=per_minute)
        await self.catalog.put_api_key(record)
        return record, key

    async def list(self, owner: Principal) -> list[ApiKeyRecord]:
        """Newest first."""
        records = await self.catalog.list_api_keys(owner.tenant)
        return [record for record in records if _may_manage(owner, record)]

    async def change(self, owner: Principal, key_id: str, **wanted: Any) -> ApiKeyRecord:
        """Another name, or for admins another limit; raises NotFound, Forbidden."""
        stored = await self.get(owner, key_id)
        record = msgspec.structs.replace(stored, **wanted)
        if record.rate_limit_per_minute != stored.rate_limit_per_minute:
            owner.require("user:write")
        if record != stored:
            await self.catalog.change_api_key(record)
            self.auth.forget(record.key_sha256)
            await self._announce(record)
        return record

    async def rotate(self, owner: Principal, key_id: str) -> tuple[ApiKeyRecord, str]:
        """Another key under the same id; the old one ends at once. Raises NotFound."""
        old = await self.get(owner, key_id)
        key = new_api_key()
        record = msgspec.structs.replace(old, key_sha256=digest_of(key))
        await self.catalog.change_api_key(record)
        await self._revoked(old)
        return record, key

    async def delete(self, owner: Principal, key_id: str) -> None:
        """Raises NotFound."""
        record = await self.get(owner, key_id)
        await self.catalog.delete_api_key(owner.tenant, key_id)
        await self._revoked(record)

    async def get(self, owner: Principal, key_id: str) -> ApiKeyRecord:
        """Raises NotFound, also for a key that the caller may not manage."""
        if not is_id(key_id):
            raise NotFound("api_key", key_id)
        record = await self.catalog.get_api_key(owner.tenant, key_id)
        if not _may_manage(owner, record):
            raise NotFound("api_key", key_id)
        return record

    async def _revoked(self, record: ApiKeyRecord) -> None:
        self.auth.revoke(record.key_sha256)
        await self._announce(record)

    async def _announce(self, record: ApiKeyRecord) -> None:
        try:
            await self.channel.announce(keys.API_KEYS, record.key_sha256)
        except Unavailable as error:  # other proxies look by themselves after a while
            _log.warning("key_not_announced", key=record.id, error=str(error))


def _may_manage(caller: Principal, record: ApiKeyRecord) -> bool:
    """Who signed in manages the own keys; others' keys take an admin, and no key a stronger one."""
    own = record.owner == caller.user
    if own and caller.signed_in:
        return True
    return (own or "user:write" in caller.scopes) and caller.scopes.issuperset(record.scopes)


def mint(
    tenant: str, *, name: str, scopes: Iterable[str], owner: str | None = None
) -> tuple[ApiKeyRecord, str]:
    """A new credential: what is stored of it, and the key itself."""
    key = new_api_key()
    record = ApiKeyRecord(
        id=uuid4().hex,
        tenant=tenant,
        name=name,
        key_sha256=digest_of(key),
        scopes=tuple(sorted(scopes)),
        is_active=True,
        created_ms=time.time_ns() // 1_000_000,
        owner=owner,
    )
    return record, key
