"""How often somebody may ask."""

from __future__ import annotations

import pytest
from fastapi import Request

from qbrix.errors import RateLimited
from serving.proxy.people.rate_limits import Window, address_of
from tests.proxy.people import AUTH, register
from tests.proxy.world import open_world, settle


class Clock:
    """Seconds that a test turns."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def make_request(client: str, forwarded: str | None = None) -> Request:
    """From an address, by way of others."""
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return Request({"type": "http", "client": (client, 1), "headers": headers})


def test_a_minute_begins_with_the_first_request_and_ends_for_each_name_by_itself() -> None:
    clock = Clock()
    window = Window(clock=clock)
    for _ in range(3):
        window.take("a", allowed=3)
    clock.now_s = 20.0
    with pytest.raises(RateLimited) as refused:
        window.take("a", allowed=3)
    assert refused.value.retry_after_s == 40.0
    window.take("b", allowed=1)
    clock.now_s = 60.0
    window.take("a", allowed=3)
    with pytest.raises(RateLimited):
        window.take("b", allowed=1)


def test_what_was_counted_elsewhere_counts_here_within_its_minute() -> None:
    clock = Clock()
    window = Window(clock=clock)
    window.add("a", 2)
    window.take("a", allowed=3)
    with pytest.raises(RateLimited):
        window.take("a", allowed=3)
    window.add("a", 5)
    clock.now_s = 60.0
    window.add("a", 1)
    window.take("a", allowed=3)
    window.take("a", allowed=3)
    with pytest.raises(RateLimited):
        window.take("a", allowed=3)


def test_what_is_over_is_forgotten() -> None:
    clock = Clock()
    window = Window(clock=clock)
    for number in range(100):
        window.take(str(number), allowed=1)
    assert len(window) == 100
    clock.now_s = 61.0
    window.take("new", allowed=1)
    assert len(window) == 1


@pytest.mark.parametrize(
    ("client", "forwarded", "hops", "address"),
    [
        ("10.0.0.1", "1.2.3.4", 0, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4", 1, "1.2.3.4"),
        ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", 2, "1.2.3.4"),
        ("10.0.0.1", None, 1, "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4", 2, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", None, 0, "2001:db8:1:2::"),
        ("::ffff:1.2.3.4", None, 0, "1.2.3.4"),
        ("a pipe", None, 0, "a pipe"),
    ],
)
def test_an_address_is_what_our_own_proxies_saw(
    client: str, forwarded: str | None, hops: int, address: str
) -> None:
    assert address_of(make_request(client, forwarded), hops=hops) == address


async def test_selects_and_feedback_of_a_key_are_limited_together_and_other_keys_are_free() -> None:
    async with open_world(rate_limit_per_minute=3) as world:
        experiment = await world.experiment()
        answer = await world.select(experiment["id"])
        await world.feedback(answer.json()["request_id"])
        await world.select(experiment["id"])
        for refused in (await world.select(experiment["id"]), await world.feedback("x")):
            assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert (await world.http.get("/api/v1/pools")).status_code == 200
        world.http.headers["X-API-Key"] = await world.key()
        assert (await world.select(experiment["id"])).status_code == 200


async def test_proxies_count_together() -> None:
    async with (
        open_world(rate_limit_per_minute=4) as world,
        open_world(world.stores, rate_limit_per_minute=4) as other,
    ):
        experiment = await world.experiment()
        other.http.headers["X-API-Key"] = world.http.headers["X-API-Key"]
        for _ in range(3):
            assert (await world.select(experiment["id"])).status_code == 200
        await world.gateway.limits.tell(world.stores.channel)
        await settle()
        assert (await other.select(experiment["id"])).status_code == 200
        assert (await other.select(experiment["id"])).status_code == 429
        await other.gateway.limits.tell(world.stores.channel)
        await settle()
        assert (await world.select(experiment["id"])).status_code == 429


@pytest.mark.parametrize("strange", ["{", "[]", '{"proxy": "x", "counts": {"k": -5}}', "ü"])
async def test_counts_of_another_version_harm_nobody(strange: str) -> None:
    async with open_world(rate_limit_per_minute=1) as world:
        experiment = await world.experiment()
        world.gateway.limits.heard(strange)
        assert (await world.select(experiment["id"])).status_code == 200


async def test_nothing_is_limited_by_default() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        answers = [await world.select(experiment["id"]) for _ in range(200)]
        assert {answer.status_code for answer in answers} == {200}


async def test_tries_at_an_email_are_limited_until_its_owner_gets_in() -> None:
    async with open_world(sign_ins_per_email=3) as world:
        ada = await register(world)
        right = {"email": ada.email, "password": ada.password}
        wrong = {"email": ada.email.upper(), "password": "wrong horse"}

        async def statuses(*bodies: dict[str, str]) -> list[int]:
            url = f"{AUTH}/login"
            return [(await world.bare.post(url, json=body)).status_code for body in bodies]

        assert await statuses(wrong, wrong, right) == [401, 401, 200]
        assert await statuses(wrong, wrong, wrong, wrong, right) == [401, 401, 401, 429, 429]
        nobody = {"email": "nobody@acme.io", "password": "wrong horse"}
        assert await statuses(nobody, nobody, nobody, nobody) == [401, 401, 401, 429]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login", {"email": "{}@acme.io", "password": "wrong horse"}),
        ("register", {"email": "{}@acme.io", "password": "x"}),
        ("refresh", {"refresh_token": "{}"}),
        ("invites/{}/accept", {"name": "x", "password": "wrong horse"}),
    ],
)
async def test_an_address_is_limited_on_each_route(path: str, body: dict[str, str]) -> None:
    async with open_world(sign_ins_per_address=2) as world:
        answers = []
        for number in range(3):
            filled = {key: value.format(number) for key, value in body.items()}
            answers.append(await world.bare.post(f"{AUTH}/{path.format(number)}", json=filled))
        statuses = [answer.status_code for answer in answers]
        assert 429 not in statuses[:2]
        assert statuses[2] == 429
        assert int(answers[2].headers["Retry-After"]) >= 1


async def test_an_admin_gives_a_key_a_limit_of_its_own_which_holds_at_once() -> None:
    async with open_world(rate_limit_per_minute=1) as world:
        experiment = await world.experiment()
        body = {"experiment_id": experiment["id"], "context": {"id": "u"}}
        keys = f"{AUTH}/api-keys"
        made = (await world.http.post(keys, json={"rate_limit_per_minute": 0})).json()
        assert made["rate_limit_per_minute"] is None
        headers = {"X-API-Key": made["key"]}

        async def statuses(count: int) -> list[int]:
            url = "/api/v1/agent/select"
            return [
                (await world.bare.post(url, json=body, headers=headers)).status_code
                for _ in range(count)
            ]

        assert await statuses(3) == [200, 200, 200]
        url = f"{keys}/{made['id']}"
        changed = await world.http.patch(url, json={"rate_limit_per_minute": 2})
        assert changed.json()["rate_limit_per_minute"] == 2
        assert await statuses(3) == [200, 200, 429]
        reset = await world.http.patch(url, json={"rate_limit_per_minute": None})
        assert reset.json()["rate_limit_per_minute"] == 1
        member = {"X-API-Key": await world.key(role="member")}
        own = (await world.bare.post(keys, json={}, headers=member)).json()
        back = await world.bare.patch(f"{keys}/{own.pop('id')}", json=_shown(own), headers=member)
        assert back.status_code == 200
        refused = await world.bare.post(keys, json={"rate_limit_per_minute": 9}, headers=member)
        assert (refused.status_code, refused.json()["code"]) == (403, "INSUFFICIENT_SCOPES")


def _shown(key: dict[str, object]) -> dict[str, object]:
    """What lists show of a key."""
    return {name: value for name, value in key.items() if name != "key"}
