"""Registering, signing in, staying signed in, another password."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.proxy.outage import AWAY, switch, switched_stores
from tests.proxy.people import AUTH, Person, join, register, sign_in
from tests.proxy.world import open_world, settle

PROFILE = f"{AUTH}/profile"
USER = {
    *("id", "email", "name", "plan_tier", "role", "created_at", "is_active", "email_verified"),
    *("edition", "features", "locked_features", "limits"),
}


async def test_the_first_user_becomes_admin_of_a_new_workspace_and_closes_the_door() -> None:
    async with open_world() as world:
        config = {"signup_open": True, "edition": "oss", "email_enabled": False}
        assert (await world.bare.get(f"{AUTH}/config")).json() == config
        body = {"email": "Ada@Acme.io", "password": "correct horse", "workspace_name": "Acme"}
        answer = await world.bare.post(f"{AUTH}/register", json=body)
        assert answer.status_code == 201
        user = answer.json()
        assert set(user) == USER
        assert (user["email"], user["role"], user["plan_tier"]) == ("ada@acme.io", "admin", None)
        assert isinstance(user["created_at"], float)
        assert not (await world.bare.get(f"{AUTH}/config")).json()["signup_open"]
        late = {"email": "eve@evil.io", "password": "correct horse"}
        refused = await world.bare.post(f"{AUTH}/register", json=late)
        assert (refused.status_code, refused.json()["code"]) == (403, "SIGNUP_CLOSED")
        ada = await sign_in(world, "ada@acme.io")
        workspace = (await world.bare.get(f"{AUTH}/workspace", headers=ada.headers)).json()
        assert workspace["name"] == "Acme"
        assert workspace["id"] != world.tenant


@pytest.mark.parametrize(("mode", "statuses"), [("open", [201, 201]), ("closed", [403, 403])])
async def test_the_mode_says_who_may_register(mode: str, statuses: list[int]) -> None:
    async with open_world(signup=mode) as world:
        answers = [
            await world.bare.post(
                f"{AUTH}/register", json={"email": email, "password": "correct horse"}
            )
            for email in ("a@a.io", "b@b.io")
        ]
        assert [answer.status_code for answer in answers] == statuses


async def test_an_email_and_a_slug_are_taken_once() -> None:
    async with open_world(signup="open") as world:
        body = {"email": "ada@acme.io", "password": "correct horse", "workspace_slug": "acme"}
        assert (await world.bare.post(f"{AUTH}/register", json=body)).status_code == 201
        again = await world.bare.post(f"{AUTH}/register", json={**body, "email": "ADA@acme.io"})
        assert (again.status_code, again.json()["code"]) == (409, "USER_ALREADY_EXISTS")
        slug = await world.bare.post(f"{AUTH}/register", json={**body, "email": "b@b.io"})
        assert (slug.status_code, slug.json()["code"]) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "nobody"),
        ("email", "a b@acme.io"),
        ("email", "@acme.io"),
        ("email", "ada@"),
        ("email", "ada@a..io"),
        ("email", f"{'a' * 65}@acme.io"),
        ("email", 7),
        ("password", "short"),
        ("password", "x" * 1025),
        ("password", None),
        ("workspace_slug", "Not A Slug"),
        ("name", ""),
        ("role", "admin"),
    ],
)
async def test_a_registration_that_cannot_be_is_422_and_names_the_field(
    field: str, value: Any
) -> None:
    async with open_world() as world:
        body = {"email": "ada@acme.io", "password": "correct horse", field: value}
        answer = await world.bare.post(f"{AUTH}/register", json=body)
        assert answer.status_code == 422
        assert field in answer.json()["detail"]


async def test_signing_in_gives_a_session_and_a_wrong_password_none() -> None:
    async with open_world() as world:
        ada = await register(world)
        body = {"email": " ADA@acme.io", "password": ada.password}
        answer = (await world.bare.post(f"{AUTH}/login", json=body)).json()
        assert set(answer) == {"user", "access_token", "refresh_token", "token_type"}
        assert answer["token_type"] == "bearer"
        assert set(answer["user"]) == USER
        details = set()
        for wrong in ({"password": "wrong horse"}, {"email": "nobody@acme.io"}):
            refused = await world.bare.post(f"{AUTH}/login", json={**body, **wrong})
            assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHORIZED")
            details.add(refused.json()["detail"])
        assert len(details) == 1  # nobody learns which of the two was wrong


async def test_an_access_token_opens_every_route_and_is_no_api_key() -> None:
    async with open_world() as world:
        ada = await register(world)
        assert (await world.bare.get("/api/v1/pools", headers=ada.headers)).status_code == 200
        as_key = {"X-API-Key": ada.access_token}
        assert (await world.bare.get("/api/v1/pools", headers=as_key)).status_code == 401
        refresh = {"Authorization": f"Bearer {ada.refresh_token}"}
        assert (await world.bare.get("/api/v1/pools", headers=refresh)).status_code == 401


async def test_an_access_token_needs_no_store() -> None:
    async with open_world(switched_stores()) as world:
        experiment = await world.experiment()
        ada = await join(world, "ada@acme.io", role="member")
        await world.select(experiment["id"])
        switch(world.stores, failure=AssertionError("a store was asked"))
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        answer = await world.bare.post("/api/v1/agent/select", json=body, headers=ada.headers)
        switch(world.stores, failure=None)
        assert answer.status_code == 200


async def test_a_refresh_token_is_good_once_and_its_reuse_ends_the_session() -> None:
    async with open_world() as world:
        ada = await register(world)
        other = await sign_in(world, ada.email)
        first = await refreshed(world.bare, ada.refresh_token)
        assert first.status_code == 200
        made = first.json()
        assert set(made) == {"access_token", "refresh_token", "token_type"}
        headers = {"Authorization": f"Bearer {made['access_token']}"}
        assert (await world.bare.get(PROFILE, headers=headers)).status_code == 200
        reused = await refreshed(world.bare, ada.refresh_token)
        assert (reused.status_code, reused.json()["code"]) == (401, "INVALID_TOKEN")
        assert (await refreshed(world.bare, made["refresh_token"])).status_code == 401
        assert (await refreshed(world.bare, other.refresh_token)).status_code == 200


async def test_what_is_no_refresh_token_is_refused() -> None:
    async with open_world() as world:
        ada = await register(world)
        for wrong in ("", "x", ada.access_token, ada.refresh_token[:-2], "a.b.c"):
            answer = await refreshed(world.bare, wrong)
            assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")


async def test_another_password_ends_every_session_on_every_proxy() -> None:
    async with open_world() as world, open_world(world.stores) as other:
        ada = await register(world)
        body = {"current_password": ada.password, "new_password": "battery staple"}
        url = f"{AUTH}/change-password"
        wrong = await world.bare.post(
            url, json={**body, "current_password": "wrong horse"}, headers=ada.headers
        )
        assert wrong.status_code == 401
        assert (await other.bare.get(PROFILE, headers=ada.headers)).status_code == 200
        answer = await world.bare.post(url, json=body, headers=ada.headers)
        assert answer.status_code == 200
        await settle()
        for proxy in (world, other):
            assert (await proxy.bare.get(PROFILE, headers=ada.headers)).status_code == 401
            assert (await refreshed(proxy.bare, ada.refresh_token)).status_code == 401
        assert (await refreshed(world.bare, answer.json()["refresh_token"])).status_code == 200
        old = {"email": ada.email, "password": ada.password}
        assert (await world.bare.post(f"{AUTH}/login", json=old)).status_code == 401
        await sign_in(world, ada.email, password="battery staple")


async def test_a_profile_is_read_renamed_and_sent_back_as_it_is() -> None:
    async with open_world() as world:
        ada = await register(world)
        profile = (await world.bare.get(PROFILE, headers=ada.headers)).json()
        assert set(profile) == USER
        back = await world.bare.patch(PROFILE, json=profile, headers=ada.headers)
        assert back.json() == profile
        renamed = await world.bare.patch(PROFILE, json={"name": "Countess"}, headers=ada.headers)
        assert renamed.json() == {**profile, "name": "Countess"}
        for body in ({"email": "x@y.io"}, {"name": None}, {"rôle": "admin"}):
            refused = await world.bare.patch(PROFILE, json=body, headers=ada.headers)
            assert refused.status_code == 422


async def test_a_key_shows_a_profile_only_if_it_stands_for_the_whole_person() -> None:
    async with open_world() as world:
        assert (await world.http.get(PROFILE)).json()["code"] == "FORBIDDEN"  # nobody's key
        ada = await register(world)
        whole = await own_key(world.bare, ada)
        assert (await world.bare.get(PROFILE, headers=whole)).json()["email"] == ada.email
        part = await own_key(world.bare, ada, scopes=["agent:read"])
        refused = await world.bare.get(PROFILE, headers=part)
        assert (refused.status_code, refused.json()["code"]) == (403, "INSUFFICIENT_SCOPES")


async def test_signing_in_works_again_by_itself_after_an_outage() -> None:
    async with open_world(switched_stores()) as world:
        ada = await register(world)
        body = {"email": ada.email, "password": ada.password}
        switch(world.stores, failure=AWAY)
        away = await world.bare.post(f"{AUTH}/login", json=body)
        switch(world.stores, failure=None)
        assert away.status_code == 503
        assert int(away.headers["Retry-After"]) >= 1
        assert (await world.bare.post(f"{AUTH}/login", json=body)).status_code == 200


async def own_key(http: httpx.AsyncClient, person: Person, **body: Any) -> dict[str, str]:
    """Headers with a new key of the person."""
    made = await http.post(f"{AUTH}/api-keys", json=body, headers=person.headers)
    assert made.status_code == 201, made.text
    return {"X-API-Key": made.json()["key"]}


async def refreshed(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post(f"{AUTH}/refresh", json={"refresh_token": token})
