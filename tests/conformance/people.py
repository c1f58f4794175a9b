"""Who can be met in a stack: people and their credentials."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

__all__ = ["AUTH", "PASSWORD", "USER", "Headers", "bearer", "join", "login", "new_key", "register"]

AUTH = "/api/auth"
PASSWORD = "correct horse"
USER = {
    *("id", "email", "name", "plan_tier", "role", "created_at", "is_active", "email_verified"),
    *("edition", "features", "locked_features", "limits"),
}
Headers = dict[str, str]


def register(http: httpx.Client, **more: str) -> dict[str, Any]:
    """A new admin of a new workspace; the answer of a sign-in."""
    email = f"{uuid4().hex}@acme.io"
    body = {"email": email, "password": PASSWORD, **more}
    made = http.post(f"{AUTH}/register", json=body)
    assert made.status_code == 201, made.text
    assert set(made.json()) == USER
    assert made.json()["role"] == "admin"
    return login(http, email)


def login(http: httpx.Client, email: str, password: str = PASSWORD) -> dict[str, Any]:
    """The answer of a sign-in."""
    answer = http.post(f"{AUTH}/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert set(found) == {"user", "access_token", "refresh_token", "token_type"}
    assert found["token_type"] == "bearer"
    return found


def bearer(session: dict[str, Any]) -> Headers:
    """Of somebody who signed in."""
    return {"Authorization": f"Bearer {session['access_token']}"}


def join(http: httpx.Client, admin: Headers, role: str) -> dict[str, Any]:
    """Somebody who accepted an invite, and signed in."""
    email = f"{uuid4().hex}@acme.io"
    body = {"email": email, "role": role}
    invite = http.post(f"{AUTH}/workspace/invites", json=body, headers=admin).json()
    body = {"name": role.title(), "password": PASSWORD}
    assert http.post(f"{AUTH}/invites/{invite['token']}/accept", json=body).status_code == 201
    return login(http, email)


def new_key(http: httpx.Client, headers: Headers, **body: Any) -> dict[str, Any]:
    """A key as it is shown once."""
    made = http.post(f"{AUTH}/api-keys", json=body, headers=headers)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found
