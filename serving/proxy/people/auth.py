"""Who asks, and what they may do: keys and access tokens from memory, keys looked up behind the
request's back.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import NamedTuple

from qbrix.errors import Unauthorised
from serving.proxy.people.principals import ROLES, Principal
from serving.proxy.people.signed_tokens import SignedTokens
from serving.proxy.people.standings import Standings
from serving.proxy.stale_cache import Ages, StaleCache
from serving.storage.base import Accounts, Catalog

__all__ = [
    "ROLES",
    "Authenticator",
    "Credential",
    "Principal",
    "credential_of",
    "digest_of",
    "new_api_key",
]

_PREFIX = "optiq_"


class Credential(NamedTuple):
    """What a request shows: an API key, of which the digest is enough, or an access token."""

    key_sha256: str = ""
    access_token: str = ""


class Authenticator:
    """Credential → principal, from a memory that outlives an outage of the catalog."""

    def __init__(
        self,
        catalog: Catalog,
        accounts: Accounts,
        *,
        tokens: SignedTokens,
        standings: Standings,
        ttl_s: float,
    ) -> None:
        self._catalog = catalog
        self._accounts = accounts
        self._tokens = tokens
        self._standings = standings
        self._principals: StaleCache[Principal] = StaleCache(self._find, ttl_s=ttl_s)
        self._used: set[str] = set()

    def known(self, credential: Credential | None) -> Principal | None:
        """The principal if no store need be asked: the path of nearly every request."""
        if credential is None:
            return None
        if credential.key_sha256:
            return self._standing(self._principals.peek(credential.key_sha256))
        return self._standing(self._tokens.principal(credential.access_token))

    async def authenticate(self, credential: Credential | None) -> Principal:
        """The principal; raises Unauthorised, or Unavailable when nobody can tell."""
        principal = self.known(credential)
        if principal is None and credential is not None and credential.key_sha256:
            principal = self._standing(await self._principals.get(credential.key_sha256))
        if principal is None:
            raise Unauthorised(
                "no valid credential; send an API key as X-API-Key (qbrix key create makes one), "
                "or an access token as Authorization: Bearer"
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

    def user_changed(self, payload: str) -> None:
        """A user was changed somewhere: whom a key stands for, or that it does again."""
        self._standings.heard(payload)
        self._principals.forget_absent()

    async def flush_used(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used = self._used, set()
        if used:
            now_ms = time.time_ns() // 1_000_000
            await self._catalog.touch_api_keys(dict.fromkeys(used, now_ms))

    def ages(self) -> Ages:
        """Of the credentials in memory."""
        return self._principals.ages()

    async def close(self) -> None:
        """Stop looking up."""
        await self._principals.close()

    def _standing(self, principal: Principal | None) -> Principal | None:
        """As its user stands now; remember that a key was used."""
        if principal is not None and principal.user is not None:
            principal = self._standings.applied(principal)
        if principal is not None and principal.key_id:
            self._used.add(principal.key_id)
        return principal

    async def _find(self, key_sha256: str) -> Principal | None:
        record = await self._catalog.find_api_key(key_sha256)
        if record is None:
            return None
        granted, limit = frozenset(record.scopes), record.rate_limit_per_minute
        if record.owner is None:
            return Principal(record.tenant, record.id, granted, limit_per_minute=limit)
        owner = await self._accounts.user(record.owner)
        if owner is None or not owner.is_active:
            return None
        return Principal(
            record.tenant,
            record.id,
            granted & ROLES[owner.role],
            owner.id,
            owner.revision,
            granted,
            limit,
        )


def credential_of(headers: Mapping[bytes, bytes]) -> Credential | None:
    """``X-API-Key``, else the bearer of ``Authorization``; a bad key does not fall through."""
    key = headers.get(b"x-api-key")
    if key is not None:
        named = key.decode("latin-1")
        return Credential(digest_of(named)) if named.startswith(_PREFIX) else None
    authorization = headers.get(b"authorization", b"")
    if authorization[:7].lower() != b"bearer ":
        return None
    borne = authorization[7:].strip().decode("latin-1")
    if borne.startswith(_PREFIX):
        return Credential(digest_of(borne))
    return Credential(access_token=borne) if borne else None


def digest_of(key: str) -> str:
    """What the catalog stores of a key: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_api_key() -> str:
    """``optiq_`` and 32 random bytes in url-safe base64."""
    return _PREFIX + secrets.token_urlsafe(32)
