"""Who asks, and what they may do: API keys from memory, looked up behind the request's back."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping

import msgspec

from qbrix.errors import Forbidden, Unauthorised
from serving.proxy.stale_cache import StaleCache
from serving.storage.base import ApiKeyRecord, Catalog

__all__ = ["ROLES", "Authenticator", "Principal", "credential_of", "digest_of", "new_api_key"]

_VIEWER = frozenset(
    f"{resource}:read" for resource in ("experiment", "pool", "agent", "gate", "insight", "runtime")
)
_MEMBER = _VIEWER | {
    "experiment:write",
    "experiment:delete",
    "pool:write",
    "pool:delete",
    "agent:write",
    "gate:write",
}
_ADMIN = _MEMBER | {
    "user:read",
    "user:write",
    "member:read",
    "member:write",
    "workspace:read",
    "workspace:write",
    "promotion_key:read",
    "promotion_key:write",
}
ROLES: dict[str, frozenset[str]] = {"viewer": _VIEWER, "member": _MEMBER, "admin": _ADMIN}

_PREFIX = "optiq_"


class Principal(msgspec.Struct, frozen=True):
    """The tenant and scopes that a credential stands for."""

    tenant: str
    key_id: str
    scopes: frozenset[str]

    def require(self, scope: str) -> None:
        """Raise Forbidden without the scope."""
        if scope not in self.scopes:
            raise Forbidden(
                f"this credential lacks the scope {scope}; use a key whose scopes include it"
            )


class Authenticator:
    """Credential → principal, from a memory that outlives an outage of the catalog."""

    def __init__(self, catalog: Catalog, *, ttl_s: float) -> None:
        self._catalog = catalog
        self._principals: StaleCache[Principal] = StaleCache(self._find, ttl_s=ttl_s)
        self._used: set[str] = set()

    def known(self, credential: str | None) -> Principal | None:
        """The principal if memory has it: the path of nearly every request."""
        if credential is None:
            return None
        return self._noted(self._principals.peek(digest_of(credential)))

    async def authenticate(self, credential: str | None) -> Principal:
        """The principal; raises Unauthorised, or Unavailable when nobody can tell."""
        principal = self.known(credential)
        if principal is None and credential is not None and credential.startswith(_PREFIX):
            principal = self._noted(await self._principals.get(digest_of(credential)))
        if principal is None:
            raise Unauthorised(
                "no valid API key; send it as X-API-Key (qbrix key create makes one)"
            )
        return principal

    def revoke(self, key_sha256: str) -> None:
        """The credential ended here and now."""
        self._principals.put(key_sha256, None)

    def forget(self, key_sha256: str) -> None:
        """The credential was changed; all of them for an empty digest."""
        if key_sha256:
            self._principals.invalidate(key_sha256)
        else:
            self._principals.invalidate_all()

    async def flush_used(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used = self._used, set()
        if used:
            now_ms = time.time_ns() // 1_000_000
            await self._catalog.touch_api_keys(dict.fromkeys(used, now_ms))

    async def close(self) -> None:
        """Stop looking up."""
        await self._principals.close()

    def _noted(self, principal: Principal | None) -> Principal | None:
        """Remember that the credential was used."""
        if principal is not None:
            self._used.add(principal.key_id)
        return principal

    async def _find(self, key_sha256: str) -> Principal | None:
        record = await self._catalog.find_api_key(key_sha256)
        return None if record is None else _principal(record)


def credential_of(headers: Mapping[bytes, bytes]) -> str | None:
    """``X-API-Key``, else the bearer of ``Authorization``; a bad key does not fall through."""
    key = headers.get(b"x-api-key")
    if key is not None:
        return key.decode("latin-1")
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() != b"bearer ":
        return None
    return authorization[7:].strip().decode("latin-1")


def digest_of(key: str) -> str:
    """What the catalog stores of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_api_key() -> str:
    """``optiq_`` and 32 random bytes in url-safe base64."""
    return _PREFIX + secrets.token_urlsafe(32)


def _principal(record: ApiKeyRecord) -> Principal:
    return Principal(record.tenant, record.id, frozenset(record.scopes))
