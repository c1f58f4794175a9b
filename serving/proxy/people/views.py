"""People, workspaces and the audit log as the wire shows them; times are float seconds."""

from __future__ import annotations

from serving.proxy.documents.views import iso
from serving.proxy.people.answers import ApiKey, AuditEntry, Invite, Role, User, Workspace
from serving.proxy.people.principals import ROLES
from serving.storage.base import ApiKeyRecord
from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    UserRecord,
    WorkspaceRecord,
)

__all__ = ["EDITION", "api_key", "audit_entry", "invite", "roles", "user", "workspace"]

EDITION = "oss"

_ROLES_SAY = {
    "viewer": "reads everything but people",
    "member": "makes and changes pools, experiments and gates; decides",
    "admin": "all of it, and the people and the workspace too",
}


def user(record: UserRecord) -> User:
    """A person; nothing here is locked or limited by a plan."""
    return {
        "id": record.id,
        "email": record.email,
        "name": record.name,
        "plan_tier": None,
        "role": record.role,
        "created_at": record.created_ms / 1000,
        "is_active": record.is_active,
        "email_verified": record.email_verified,
        "edition": EDITION,
        "features": [],
        "locked_features": [],
        "limits": {},
    }


def workspace(record: WorkspaceRecord) -> Workspace:
    """A tenant."""
    return {
        "id": record.id,
        "name": record.title,
        "slug": record.slug,
        "plan_tier": None,
        "edition": EDITION,
        "created_at": record.created_ms / 1000,
    }


def invite(record: InviteRecord) -> Invite:
    """An invite without its token."""
    return {
        "id": record.id,
        "email": record.email,
        "role": record.role,
        "invited_by": record.invited_by,
        "created_at": record.created_ms / 1000,
        "expires_at": record.expires_ms / 1000,
    }


def roles() -> list[Role]:
    """What each role may do."""
    return [
        {"name": name, "description": _ROLES_SAY[name], "scopes": sorted(scopes)}
        for name, scopes in ROLES.items()
    ]


def audit_entry(record: AuditRecord) -> AuditEntry:
    """Who did what."""
    return {
        "id": record.id,
        "at": iso(record.at_ms),
        "user_id": record.user,
        "api_key_id": record.key,
        "action": record.action,
        "subject": record.subject,
        "request_id": record.request_id,
    }


def api_key(record: ApiKeyRecord) -> ApiKey:
    """API key without the key; its times are float seconds."""
    used_ms = record.last_used_ms
    return {
        "id": record.id,
        "name": record.name,
        "rate_limit_per_minute": record.rate_limit_per_minute,
        "scopes": sorted(record.scopes),
        "created_at": record.created_ms / 1000,
        "last_used_at": None if used_ms is None else used_ms / 1000,
        "is_active": record.is_active,
    }
