"""Access and refresh tokens: JSON web tokens of one algorithm, verified without any store."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import jwt
import msgspec

from serving.proxy.people.principals import ROLES, Principal
from serving.storage.records_accounts import UserRecord

__all__ = ["RefreshToken", "SignedTokens"]

_ALGORITHM = "HS256"
_ISSUER = "qbrix"
_REMEMBERED = 10_000

C = TypeVar("C", bound=msgspec.Struct)


class _Access(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token says."""

    use: Literal["access"]
    sub: str
    tenant: str
    role: str
    revision: int
    exp: int


class _Refresh(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh token says; all else is stored under the digest of its ``jti``."""

    use: Literal["refresh"]
    jti: str
    exp: int


class RefreshToken(msgspec.Struct, frozen=True):
    """A refresh token, and what is stored of it."""

    token: str
    digest: str
    expires_ms: int


class SignedTokens:
    """Signs with the newest key and knows the older ones, so that keys can be replaced."""

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        access_s: float,
        refresh_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.access_s = access_s
        self._refresh_s = refresh_s
        self._clock = clock
        self._newest = keys[0]
        # A token is ours only with this very header, so that none is parsed before it is verified.
        self._keys = {_header(key): key for key in keys}
        self._known: OrderedDict[bytes, tuple[Principal, int]] = OrderedDict()

    def access(self, user: UserRecord) -> str:
        """Whoever brings it is the user as it is now."""
        return self._signed(
            use="access",
            sub=user.id,
            tenant=user.tenant,
            role=user.role,
            revision=user.revision,
            lifetime_s=self.access_s,
        )

    def refresh(self) -> RefreshToken:
        """A token that stands for a session, to be stored by its digest."""
        name = secrets.token_urlsafe(32)
        expires_ms = int((self._clock() + self._refresh_s) * 1000)
        token = self._signed(use="refresh", jti=name, lifetime_s=self._refresh_s)
        return RefreshToken(token, _digest(name), expires_ms)

    def principal(self, token: str) -> Principal | None:
        """Who brings a valid access token; those of late are remembered."""
        place = hashlib.sha256(token.encode()).digest()
        known = self._known.get(place)
        if known is None:
            claims = self._verified(token, _Access)
            if claims is None or claims.role not in ROLES:
                return None
            principal = Principal(
                claims.tenant, "", ROLES[claims.role], claims.sub, claims.revision
            )
            known = self._known[place] = principal, claims.exp
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        principal, expires_s = known
        return principal if self._clock() < expires_s else None

    def refresh_digest(self, token: str) -> str | None:
        """Under what a valid refresh token is stored."""
        claims = self._verified(token, _Refresh)
        return None if claims is None else _digest(claims.jti)

    def _signed(self, *, lifetime_s: float, **claims: Any) -> str:
        now_s = int(self._clock())
        payload = {**claims, "iss": _ISSUER, "iat": now_s, "exp": now_s + int(lifetime_s)}
        headers = {"kid": _key_id(self._newest)}
        return jwt.encode(payload, self._newest, algorithm=_ALGORITHM, headers=headers)

    def _verified(self, token: str, kind: type[C]) -> C | None:
        key = self._keys.get(token.partition(".")[0])
        if key is None:
            return None
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[_ALGORITHM],
                issuer=_ISSUER,
                options={
                    "require": ["exp", "iat", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            said = msgspec.convert(claims, kind)
        except (jwt.PyJWTError, msgspec.ValidationError):
            return None
        return said if self._clock() < claims["exp"] else None


def _header(key: bytes) -> str:
    """The first part of every token that this key signed."""
    return jwt.encode({}, key, algorithm=_ALGORITHM, headers={"kid": _key_id(key)}).split(".")[0]


def _key_id(key: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(b"qbrix.jwt:" + key).digest()[:9]).decode()


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
