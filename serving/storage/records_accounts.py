"""People, workspaces and what they did, as they are stored. Times are Unix milliseconds."""

from __future__ import annotations

import msgspec

__all__ = [
    "AuditRecord",
    "InviteRecord",
    "SessionRecord",
    "UserRecord",
    "WorkspaceRecord",
]


class WorkspaceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as its members see it; ``slug`` is the tenant's unique name."""

    id: str
    slug: str
    title: str
    created_ms: int


class UserRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A person.

    ``revision`` rises with every change of role, activity or password, so that of two copies the
    newer is known; credentials made before ``sessions_from`` (a revision) have ended.
    """

    id: str
    tenant: str
    email: str
    name: str
    role: str
    password_hash: str
    created_ms: int
    changed_ms: int
    is_active: bool = True
    email_verified: bool = False
    revision: int = 0
    sessions_from: int = 0

    def __repr__(self) -> str:
        return f"UserRecord(id={self.id!r}, tenant={self.tenant!r}, role={self.role!r})"


class InviteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A seat in a workspace, for whoever brings the token of this digest in time."""

    id: str
    tenant: str
    email: str
    role: str
    token_sha256: str
    invited_by: str | None
    created_ms: int
    expires_ms: int


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token by its digest; those that followed from one sign-in are a ``family``."""

    token_sha256: str
    family: str
    user: str
    expires_ms: int


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to which thing, and in which request.

    ``user`` or ``key`` may be absent: a key without an owner, a person without a key.
    """

    id: int = 0
    tenant: str
    at_ms: int
    user: str | None
    key: str | None
    action: str
    subject: str
    request_id: str | None
