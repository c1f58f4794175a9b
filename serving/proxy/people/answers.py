"""Answers of the account routes, for the OpenAPI document; times are float seconds."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from serving.proxy.documents.base import answer

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditPage",
    "Config",
    "Invite",
    "InvitePage",
    "Invited",
    "NewApiKey",
    "NewInvite",
    "NewPassword",
    "Role",
    "Roles",
    "Session",
    "Tokens",
    "User",
    "UserPage",
    "Workspace",
]


@answer
class Config(TypedDict):
    signup_open: bool
    edition: str
    email_enabled: bool


@answer
class User(TypedDict):
    id: str
    email: str
    name: str
    plan_tier: str | None
    role: str
    created_at: float
    is_active: bool
    email_verified: bool
    edition: str
    features: list[str]
    locked_features: list[str]
    limits: dict[str, int]


@answer
class UserPage(TypedDict):
    users: list[User]
    limit: int
    offset: int


@answer
class Tokens(TypedDict):
    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]


@answer
class Session(Tokens):
    user: User


@answer
class NewPassword(Tokens):
    message: str


@answer
class Workspace(TypedDict):
    id: str
    name: str
    slug: str
    plan_tier: str | None
    edition: str
    created_at: float


class Invite(TypedDict):
    id: str
    email: str
    role: str
    invited_by: str | None
    created_at: float
    expires_at: float


@answer
class NewInvite(Invite):
    token: str


@answer
class InvitePage(TypedDict):
    invites: list[Invite]
    limit: int
    offset: int


@answer
class Invited(TypedDict):
    email: str
    role: str
    workspace_name: str
    expires_at: float


class Role(TypedDict):
    name: str
    description: str
    scopes: list[str]


@answer
class Roles(TypedDict):
    roles: list[Role]


@answer
class ApiKey(TypedDict):
    id: str
    name: str
    rate_limit_per_minute: int | None
    scopes: list[str]
    created_at: float
    last_used_at: float | None
    is_active: bool


@answer
class NewApiKey(ApiKey):
    key: str


class AuditEntry(TypedDict):
    id: int
    at: str
    user_id: str | None
    api_key_id: str | None
    action: str
    subject: str
    request_id: str | None


@answer
class AuditPage(TypedDict):
    entries: list[AuditEntry]
    limit: int
    offset: int
