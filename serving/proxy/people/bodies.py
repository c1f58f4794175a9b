"""Bodies of the account routes."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator
from pydantic.json_schema import SkipJsonSchema

from serving.proxy.documents.base import Body, refuse_null

__all__ = [
    "InviteAccept",
    "InviteCreate",
    "KeyCreate",
    "KeyPatch",
    "Login",
    "PasswordChange",
    "ProfilePatch",
    "Refresh",
    "Register",
    "RolePut",
    "StatusPatch",
    "WorkspacePatch",
    "plain_email",
]

_LOCAL = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}")
_DOMAIN = re.compile(r"[^\s@\x00-\x1f\x7f.]+(\.[^\s@\x00-\x1f\x7f.]+)*")


def plain_email(text: str) -> str:
    """One @, something on both sides; the same address in any case is one."""
    local, _, domain = text.strip().lower().rpartition("@")
    if not (_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain)):
        raise ValueError("not an e-mail address; expected something like name@example.org")
    return f"{local}@{domain}"


Email = Annotated[
    str,
    Field(max_length=254, json_schema_extra={"format": "email", "pattern": r"^[^\s@]+@[^\s@]+$"}),
    AfterValidator(plain_email),
]
Absent = SkipJsonSchema[None]  # what stands for a field that was left out; nobody may send it
Name = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
NewPassword = Annotated[str, Field(min_length=8, max_length=1024)]
Password = Annotated[str, Field(max_length=1024)]
PerMinute = Annotated[int, Field(ge=0, le=10**9)]
Role = Literal["viewer", "member", "admin"]


class Register(Body):
    """Body of ``POST /register``."""

    email: Email
    password: NewPassword
    name: Name | None = None
    workspace_name: Name | None = None
    workspace_slug: Slug | None = None


class Login(Body):
    """Body of ``POST /login``."""

    email: Email
    password: Password


class Refresh(Body):
    """Body of ``POST /refresh``."""

    refresh_token: Annotated[str, Field(max_length=4096)]


class ProfilePatch(Body):
    """Body of ``PATCH /profile``; a profile may come back as it is."""

    only_answered = frozenset(
        {"id", "plan_tier", "role", "created_at", "is_active", "email_verified"}
        | {"edition", "features", "locked_features", "limits"}
    )

    name: Name | Absent = None
    email: Email | Absent = None

    _not_null = field_validator("name", "email", mode="before")(refuse_null)


class PasswordChange(Body):
    """Body of ``POST /change-password``."""

    current_password: Password
    new_password: NewPassword


class WorkspacePatch(Body):
    """Body of ``PATCH /workspace``."""

    only_answered = frozenset({"id", "created_at", "plan_tier", "edition"})

    name: Name | Absent = None
    slug: Slug | Absent = None

    _not_null = field_validator("name", "slug", mode="before")(refuse_null)


class KeyCreate(Body):
    """Body of ``POST /api-keys``."""

    name: Name = "Default API Key"
    scopes: list[str] | None = None
    rate_limit_per_minute: PerMinute | None = None


class KeyPatch(Body):
    """Body of ``PATCH /api-keys/{id}``; a limit of 0 is none, null is the server's own."""

    only_answered = frozenset({"id", "scopes", "created_at", "last_used_at", "is_active"})

    name: Name | Absent = None
    rate_limit_per_minute: PerMinute | None = None

    _not_null = field_validator("name", mode="before")(refuse_null)


class InviteCreate(Body):
    """Body of ``POST /workspace/invites``."""

    email: Email
    role: Role = "member"


class InviteAccept(Body):
    """Body of ``POST /invites/{token}/accept``."""

    name: Name
    password: NewPassword


class RolePut(Body):
    """Body of ``PUT /users/{id}/role``."""

    role: Role


class StatusPatch(Body):
    """Body of ``PATCH /users/{id}/status``."""

    is_active: bool
