"""People in a test's world, and their credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.proxy.world import World

AUTH = "/api/auth"
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Person:
    """Somebody who signed in."""

    id: str
    email: str
    password: str
    access_token: str
    refresh_token: str

    @property
    def headers(self) -> dict[str, str]:
        """What goes with a request of the client that sends nothing by itself."""
        return {"Authorization": f"Bearer {self.access_token}"}


async def register(world: World, email: str = "ada@acme.io", **body: Any) -> Person:
    """The first user of a new workspace, signed in."""
    asked = {"email": email, "password": PASSWORD, **body}
    answer = await world.http.post(f"{AUTH}/register", json=asked)
    assert answer.status_code == 201, answer.text
    return await sign_in(world, email)


async def sign_in(world: World, email: str, *, password: str = PASSWORD) -> Person:
    """A new session."""
    answer = await world.http.post(f"{AUTH}/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return _person(answer.json(), password)


async def join(
    world: World, email: str, *, role: str = "member", by: Person | None = None
) -> Person:
    """Somebody who was invited, by default to the workspace of the world's own key."""
    body = {"email": email, "role": role}
    url = f"{AUTH}/workspace/invites"
    if by is None:
        invite = await world.http.post(url, json=body)
    else:
        invite = await world.bare.post(url, json=body, headers=by.headers)
    assert invite.status_code == 201, invite.text
    url = f"{AUTH}/invites/{invite.json()['token']}/accept"
    answer = await world.http.post(url, json={"name": email, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    return _person(answer.json(), PASSWORD)


def _person(answer: dict[str, Any], password: str) -> Person:
    user = answer["user"]
    return Person(
        user["id"], user["email"], password, answer["access_token"], answer["refresh_token"]
    )
