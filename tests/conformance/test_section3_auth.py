"""Section 3 of the public API: the routes of people, keys and workspaces."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx

from tests.conformance.clients import refused
from tests.conformance.making import NOBODY
from tests.conformance.people import AUTH, PASSWORD, USER, bearer, join, login, new_key, register
from tests.conformance.rest import Rest

POOLS = "/api/v1/pools"


def test_a_session_begins_renews_and_ends(http: httpx.Client) -> None:
    assert http.get(f"{AUTH}/config").json() == {
        "signup_open": True,
        "edition": "oss",
        "email_enabled": False,
    }
    session = register(http)
    email = session["user"]["email"]
    profile = http.get(f"{AUTH}/profile", headers=bearer(session))
    assert profile.json() == session["user"]
    again = http.post(f"{AUTH}/register", json={"email": email.upper(), "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "USER_ALREADY_EXISTS")
    wrong = http.post(f"{AUTH}/login", json={"email": email, "password": "wrong horse"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "UNAUTHORIZED")
    old = {"refresh_token": session["refresh_token"]}
    renewed = http.post(f"{AUTH}/refresh", json=old).json()
    assert set(renewed) == {"access_token", "refresh_token", "token_type"}
    reused = http.post(f"{AUTH}/refresh", json=old)
    assert (reused.status_code, reused.json()["code"]) == (401, "INVALID_TOKEN")
    ended = http.post(f"{AUTH}/refresh", json={"refresh_token": renewed["refresh_token"]})
    assert ended.status_code == 401
    body = {"current_password": PASSWORD, "new_password": "battery staple"}
    session = login(http, email)
    changed = http.post(f"{AUTH}/change-password", json=body, headers=bearer(session))
    assert changed.status_code == 200
    dead = http.post(f"{AUTH}/refresh", json={"refresh_token": session["refresh_token"]})
    assert dead.status_code == 401
    assert login(http, email, "battery staple")["user"]["email"] == email


def test_a_key_is_made_listed_renamed_rotated_and_ended(http: httpx.Client) -> None:
    headers = bearer(register(http))
    made = new_key(http, headers)
    assert re.fullmatch(r"optiq_[A-Za-z0-9_-]{43}", made["key"])
    assert made["name"] == "Default API Key"
    assert {"id", "rate_limit_per_minute", "scopes", "created_at", "is_active"} <= set(made)
    (listed,) = http.get(f"{AUTH}/api-keys", headers=headers).json()
    assert "key" not in listed
    assert listed["last_used_at"] is None
    url = f"{AUTH}/api-keys/{made['id']}"
    assert http.patch(url, json={"name": "ci"}, headers=headers).json()["name"] == "ci"
    rotated = http.post(f"{url}/rotate", headers=headers).json()
    assert http.get(POOLS, headers={"X-API-Key": rotated["key"]}).status_code == 200
    assert http.get(POOLS, headers={"Authorization": f"Bearer {rotated['key']}"}).is_success
    assert http.delete(url, headers=headers).status_code == 200
    assert http.get(f"{AUTH}/api-keys", headers=headers).json() == []


def test_a_workspace_and_its_members(http: httpx.Client) -> None:
    founder = bearer(register(http, workspace_name="Acme"))
    member = join(http, founder, "member")
    workspace = http.get(f"{AUTH}/workspace", headers=bearer(member)).json()
    assert workspace["name"] == "Acme"
    renamed = http.patch(f"{AUTH}/workspace", json={"name": "Two"}, headers=founder)
    assert renamed.json() == {**workspace, "name": "Two"}
    members = http.get(f"{AUTH}/workspace/members", headers=founder).json()
    assert [one["role"] for one in members["users"]] == ["member", "admin"]
    assert (members["limit"], members["offset"]) == (100, 0)
    url = f"{AUTH}/users/{member['user']['id']}/role"
    assert http.put(url, json={"role": "viewer"}, headers=founder).json()["role"] == "viewer"
    roles = http.get(f"{AUTH}/roles", headers=founder).json()["roles"]
    assert [one["name"] for one in roles] == ["viewer", "member", "admin"]
    entries = http.get("/api/v1/audit", headers=founder).json()["entries"]
    assert entries[0]["action"] == "user.change"
    assert entries[0]["subject"] == member["user"]["id"]


def test_a_user_has_these_fields(http: httpx.Client) -> None:
    user = register(http)["user"]
    assert set(user) == USER
    assert re.fullmatch(r"[0-9a-f]{32}", user["id"])
    assert isinstance(user["created_at"], float)
    assert (user["plan_tier"], user["edition"], user["is_active"]) == (None, "oss", True)


def test_a_newcomer_may_name_everything(http: httpx.Client) -> None:
    slug = f"acme-{uuid4().hex[:8]}"
    session = register(http, name="Ada", workspace_name="Acme", workspace_slug=slug)
    assert session["user"]["name"] == "Ada"
    workspace = Rest.read(http.get(f"{AUTH}/workspace", headers=bearer(session)))
    assert (workspace["name"], workspace["slug"]) == ("Acme", slug)
    for wrong in ({"email": "nobody"}, {"password": "short"}, {"colour": "red"}):
        body = {"email": f"{uuid4().hex}@acme.io", "password": PASSWORD, **wrong}
        with refused(422, "VALIDATION_ERROR"):
            Rest.read(http.post(f"{AUTH}/register", json=body))


def test_a_refresh_token_is_checked(http: httpx.Client) -> None:
    session = register(http)
    for token in ("nonsense", session["access_token"]):
        with refused(401, "INVALID_TOKEN"):
            Rest.read(http.post(f"{AUTH}/refresh", json={"refresh_token": token}))
    renewed = Rest.read(
        http.post(f"{AUTH}/refresh", json={"refresh_token": session["refresh_token"]})
    )
    assert http.get(f"{AUTH}/profile", headers=bearer(renewed)).status_code == 200
    with refused(401, "UNAUTHORIZED"):
        Rest.read(http.get(POOLS, headers={"Authorization": f"Bearer {renewed['refresh_token']}"}))


def test_a_profile_is_read_and_changed_in_part(http: httpx.Client) -> None:
    session = register(http, name="Ada")
    url, headers = f"{AUTH}/profile", bearer(session)
    assert Rest.read(http.get(url, headers=headers)) == session["user"]
    changed = Rest.read(http.patch(url, json={"name": "Ada L."}, headers=headers))
    assert changed == {**session["user"], "name": "Ada L."}
    back = Rest.read(http.patch(url, json=changed, headers=headers))
    assert back == changed


def test_a_password_is_asked_for_before_it_is_changed(http: httpx.Client) -> None:
    headers = bearer(register(http))
    body = {"current_password": "wrong horse", "new_password": "battery staple"}
    answer = http.post(f"{AUTH}/change-password", json=body, headers=headers)
    assert answer.status_code in (400, 401, 403)


def test_invites_are_made_read_listed_taken_and_withdrawn(http: httpx.Client) -> None:
    founder = bearer(register(http, workspace_name="Acme"))
    url = f"{AUTH}/workspace/invites"
    email = f"{uuid4().hex}@acme.io"
    made = Rest.read(http.post(url, json={"email": email}, headers=founder))
    assert (made["email"], made["role"]) == (email, "member")
    assert made["expires_at"] - made["created_at"] == 72 * 3600
    listed = Rest.read(http.get(url, headers=founder))
    assert [one["id"] for one in listed["invites"]] == [made["id"]]
    assert "token" not in listed["invites"][0]
    read = Rest.read(http.get(f"{AUTH}/invites/{made['token']}"))
    assert (read["email"], read["role"], read["workspace_name"]) == (email, "member", "Acme")
    accept = f"{AUTH}/invites/{made['token']}/accept"
    body = {"name": "Bea", "password": PASSWORD}
    assert http.post(accept, json=body).status_code == 201
    user = login(http, email)["user"]
    assert (user["name"], user["role"]) == ("Bea", "member")
    assert http.post(accept, json=body).status_code == 404  # it is good once
    other = Rest.read(http.post(url, json={"email": f"x{email}"}, headers=founder))
    assert http.delete(f"{url}/{other['id']}", headers=founder).status_code == 200
    assert http.get(f"{AUTH}/invites/{other['token']}").status_code == 404


def test_people_are_managed_by_admins_of_their_own_workspace(http: httpx.Client) -> None:
    founder, stranger = bearer(register(http)), bearer(register(http))
    member = join(http, founder, "member")
    url = f"{AUTH}/users/{member['user']['id']}"
    users = Rest.read(http.get(f"{AUTH}/users", headers=founder))["users"]
    assert member["user"]["id"] in [one["id"] for one in users]
    for admin, status in ((stranger, 404), (bearer(member), 403)):
        assert http.put(f"{url}/role", json={"role": "admin"}, headers=admin).status_code == status
        off = http.patch(f"{url}/status", json={"is_active": False}, headers=admin)
        assert off.status_code == status
    raised = Rest.read(http.put(f"{url}/role", json={"role": "admin"}, headers=founder))
    assert raised["role"] == "admin"
    with refused(422, "VALIDATION_ERROR"):
        Rest.read(http.put(f"{url}/role", json={"role": "king"}, headers=founder))


def test_a_key_of_others_is_not_there(http: httpx.Client) -> None:
    mine, stranger = bearer(register(http)), bearer(register(http))
    url = f"{AUTH}/api-keys/{new_key(http, mine)['id']}"
    assert http.patch(url, json={"name": "x"}, headers=stranger).status_code == 404
    assert http.post(f"{url}/rotate", headers=stranger).status_code == 404
    assert http.delete(url, headers=stranger).status_code == 404
    assert http.delete(f"{AUTH}/api-keys/{NOBODY}", headers=mine).status_code == 404
    assert http.delete(url, headers=mine).status_code == 200


def test_a_rotated_key_is_another_under_the_same_id(http: httpx.Client) -> None:
    headers = bearer(register(http))
    made = new_key(http, headers, name="ci", scopes=["pool:read"])
    rotated = Rest.read(http.post(f"{AUTH}/api-keys/{made['id']}/rotate", headers=headers))
    assert {**rotated, "key": ""} == {**made, "key": ""}
    assert rotated["key"] != made["key"]
    with refused(401, "UNAUTHORIZED"):
        Rest.read(http.get(POOLS, headers={"X-API-Key": made["key"]}))


def test_keys_and_workspaces_may_come_back_as_they_were_answered(http: httpx.Client) -> None:
    headers = bearer(register(http))
    key = new_key(http, headers, name="ci")
    url = f"{AUTH}/api-keys/{key['id']}"
    (shown,) = Rest.read(http.get(f"{AUTH}/api-keys", headers=headers))
    assert Rest.read(http.patch(url, json=shown, headers=headers)) == shown
    assert shown == {**{name: key[name] for name in key if name != "key"}, "last_used_at": None}
    workspace = Rest.read(http.get(f"{AUTH}/workspace", headers=headers))
    again = Rest.read(http.patch(f"{AUTH}/workspace", json=workspace, headers=headers))
    assert again == workspace
