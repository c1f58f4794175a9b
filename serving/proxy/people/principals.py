"""What a credential stands for, and what the roles may do."""

from __future__ import annotations

import msgspec

from qbrix.errors import Forbidden
from serving.storage.audit import Actor

__all__ = ["ROLES", "Principal"]

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
    "audit:read",
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


class Principal(msgspec.Struct, frozen=True):
    """The tenant and scopes that a credential stands for.

    ``user`` is who signed in, or who owns the key; ``revision`` is the user's when this was made.
    ``granted`` is what a key was given, whatever its owner may do now.
    """

    tenant: str
    key_id: str
    scopes: frozenset[str]
    user: str | None = None
    revision: int = 0
    granted: frozenset[str] | None = None
    limit_per_minute: int | None = None

    @property
    def name(self) -> str:
        """What its requests are counted under."""
        return self.key_id or self.user or self.tenant

    @property
    def signed_in(self) -> bool:
        """Whether this is a person with a password, not a key."""
        return not self.key_id and self.user is not None

    def actor(self, request_id: str) -> Actor:
        """Who writes what a request with this credential writes."""
        return Actor(
            tenant=self.tenant, user=self.user, key=self.key_id or None, request_id=request_id
        )

    def require(self, scope: str) -> None:
        """Raise Forbidden without the scope."""
        if scope not in self.scopes:
            raise Forbidden(
                f"this credential lacks the scope {scope}; use a key whose scopes include it"
            )

    def require_admin(self, scope: str) -> None:
        """Raise Forbidden where only an admin's credential with this scope will do."""
        if scope not in self.scopes:
            raise Forbidden(
                f"only an admin may do this, with the scope {scope}; ask one", code="FORBIDDEN"
            )
