"""People, workspaces and the audit log as the wire shows them; times are float seconds."""

from __future__ import annotations

from typing import Any

from serving.proxy.principals import ROLES
from serving.proxy.views import iso
from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    UserRecord,
    WorkspaceRecord,
)

__all__ = ["EDITION", "audit_entry", "invite", "roles", "user", "workspace"]

EDITION = "oss"

_ROLES_SAY = {
    "viewer": "reads everything but people",
    "member": "makes and changes pools, experiments and gates; decides",
    "admin": "all of it, and the people and the workspace too",
}


def user(record: UserRecord) -> dict[str, Any]:
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


def workspace(record: WorkspaceRecord) -> dict[str, Any]:
    """A tenant."""
    return {
        "id": record.id,
        "name": record.title,
        "slug": record.slug,
        "plan_tier": None,
        "edition": EDITION,
        "created_at": record.created_ms / 1000,
    }


def invite(record: InviteRecord) -> dict[str, Any]:
    """An invite without its token."""
    return {
        "id": record.id,
        "email": record.email,
        "role": record.role,
        "invited_by": record.invited_by,
        "created_at": record.created_ms / 1000,
        "expires_at": record.expires_ms / 1000,
    }


def roles() -> list[dict[str, Any]]:
    """What each role may do."""
    return [
        {"name": name, "description": _ROLES_SAY[name], "scopes": sorted(scopes)}
        for name, scopes in ROLES.items()
    ]


def audit_entry(record: AuditRecord) -> dict[str, Any]:
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
