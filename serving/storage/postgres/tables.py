"""Records as rows of tables and back."""

from __future__ import annotations

import struct
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from serving.storage.records import (
    ApiKeyRecord,
    ArmRecord,
    ControlRequest,
    DecisionEvent,
    ExperimentRecord,
    PoolRecord,
)
from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    UserRecord,
    WorkspaceRecord,
)
from serving.storage.records_gates import GateRecord

__all__ = [
    "api_key",
    "as_json",
    "audit_entry",
    "control",
    "decision",
    "experiment",
    "invite",
    "pool",
    "user",
    "workspace",
]


def as_json(value: Any) -> str:
    """JSON text."""
    return msgspec.json.encode(value).decode()


def api_key(row: Record) -> ApiKeyRecord:
    """A row of ``api_keys``."""
    return ApiKeyRecord(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        key_sha256=row["key_sha256"],
        scopes=tuple(row["scopes"]),
        is_active=row["is_active"],
        created_ms=row["created_ms"],
        rate_limit_per_minute=row["rate_limit_per_minute"],
        last_used_ms=row["last_used_ms"],
        owner=row["owner"],
    )


def pool(row: Record, *, prefix: str = "") -> PoolRecord:
    """A row of ``pools``, or one in which its columns have a prefix."""
    return PoolRecord(
        id=row[f"{prefix}id"],
        tenant=row["tenant"],
        name=row[f"{prefix}name"],
        arms=msgspec.json.decode(row[f"{prefix}arms"], type=tuple[ArmRecord, ...]),
        created_ms=row[f"{prefix}created_ms"],
        updated_ms=row[f"{prefix}updated_ms"],
    )


def experiment(row: Record) -> ExperimentRecord:
    """A row of ``experiments``."""
    return ExperimentRecord(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        pool_id=row["pool_id"],
        shard=row["shard"],
        policy=row["policy"],
        parameters=msgspec.json.decode(row["parameters"]),
        dim=row["dim"],
        enabled=row["enabled"],
        floor=row["floor"],
        bundle=row["bundle"],
        created_ms=row["created_ms"],
        updated_ms=row["updated_ms"],
        support=row["support"],
        gate=None if row["gate"] is None else msgspec.json.decode(row["gate"], type=GateRecord),
        context_schema=msgspec.json.decode(row["context_schema"])
        if row["context_schema"] is not None
        else None,
        reward_range=None if row["reward_range"] is None else tuple(row["reward_range"]),
        window_s=row["window_s"],
        default_reward=row["default_reward"],
        aggregation=row["aggregation"],
    )


def control(row: Record) -> ControlRequest:
    """A row of ``controls``."""
    return ControlRequest(
        id=row["id"],
        experiment=row["experiment"],
        reason=row["reason"],
        change=msgspec.json.decode(row["change"]),
        start=row["start"],
        status=row["status"],
        outcome=msgspec.json.decode(row["outcome"]),
        request_id=row["request_id"],
    )


def decision(row: Record) -> DecisionEvent:
    """A row of ``decisions``."""
    decision_id: UUID = row["decision_id"]
    return DecisionEvent(
        proxy=row["proxy"],
        number=row["number"],
        experiment=row["experiment"],
        context_id=row["context_id"],
        epoch=row["epoch"],
        decision_id=decision_id.hex,
        arm=row["arm"],
        u=row["u"],
        low=row["low"],
        propensity=row["propensity"],
        version=row["version"],
        source=row["source"],
        context=row["context"],
        decided_ms=row["decided_ms"],
        sampling=row["sampling"],
        recorded=struct.unpack(f"<{len(row['recorded']) // 8}d", row["recorded"]),
    )


def user(row: Record) -> UserRecord:
    """A row of ``users``."""
    return UserRecord(
        id=row["id"],
        tenant=row["tenant"],
        email=row["email"],
        name=row["name"],
        role=row["role"],
        password_hash=row["password_hash"],
        created_ms=row["created_ms"],
        changed_ms=row["changed_ms"],
        is_active=row["is_active"],
        email_verified=row["email_verified"],
        revision=row["revision"],
        sessions_from=row["sessions_from"],
    )


def workspace(row: Record) -> WorkspaceRecord:
    """A row of ``tenants``."""
    return WorkspaceRecord(
        id=row["id"],
        slug=row["name"],
        title=row["title"] or row["name"],
        created_ms=row["created_ms"],
    )


def invite(row: Record) -> InviteRecord:
    """A row of ``invites``."""
    return InviteRecord(
        id=row["id"],
        tenant=row["tenant"],
        email=row["email"],
        role=row["role"],
        token_sha256=row["token_sha256"],
        invited_by=row["invited_by"],
        created_ms=row["created_ms"],
        expires_ms=row["expires_ms"],
    )


def audit_entry(row: Record) -> AuditRecord:
    """A row of ``audit``."""
    return AuditRecord(
        id=row["id"],
        tenant=row["tenant"],
        at_ms=row["at_ms"],
        user=row["user_id"],
        key=row["key_id"],
        action=row["action"],
        subject=row["subject"],
        request_id=row["request_id"],
    )
