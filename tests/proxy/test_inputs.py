"""Whatever is sent, the answer says what is wrong with it, and the server stands."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.proxy.world import World, open_world

_JSON = {"Content-Type": "application/json"}
_NO_REWARDS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", '"NaN"', '"1"', "true", "null", "[1]"),
    *("1" * 400, "-" + "1" * 400, "1" * 5000, "0x1", "01", ".5", "+1", "1_0", ""),
)
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e999", '"NaN"', "true", "1" * 400, "1" * 5000)
_SCHEMA = [
    {"type": "numeric", "name": "age", "min": 0, "max": 100},
    {"type": "categorical", "name": "plan", "values": ["free", "paid"]},
    {"type": "boolean", "name": "new"},
]
AGENT = "/api/v1/agent"


async def _post(world: World, path: str, body: str | bytes) -> httpx.Response:
    return await world.http.post(path, content=body, headers=_JSON)


def _refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    said: dict[str, Any] = answer.json()
    assert said["code"].isupper()
    assert said["detail"]
    return said


async def test_what_is_no_finite_number_is_no_reward() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        selected = (await world.select(experiment["id"])).json()
        for reward in _NO_REWARDS:
            one = f'{{"request_id": "{selected["request_id"]}", "reward": {reward}}}'
            _refused(await _post(world, f"{AGENT}/feedback", one), 422)
            _refused(await _post(world, f"{AGENT}/feedback/batch", f'{{"items": [{one}]}}'), 422)
        for reward in ("-0.5", "1.5", "1e308", "-1e308"):  # numbers, but no shares of one
            one = f'{{"request_id": "{selected["request_id"]}", "reward": {reward}}}'
            _refused(await _post(world, f"{AGENT}/feedback", one), 422)
        assert await world.events(experiment["id"]) == []


async def test_what_is_no_finite_number_is_no_feature() -> None:
    async with open_world() as world:
        plain = await world.experiment("LinTSPolicy", name="plain", dim=2)
        described = await world.experiment("LinUCBPolicy", name="schema", context_schema=_SCHEMA)
        for number in _NO_NUMBERS:
            vector = f'{{"id": "u", "vector": [{number}, 0.5]}}'
            _refused(await _select(world, plain, vector), 400, 422)
            properties = f'{{"id": "u", "properties": {{"age": {number}}}}}'
            answer = await _select(world, described, properties)
            if number.isdigit() and answer.status_code == 200:
                continue  # a whole number of any length is a number; it is clamped
            _refused(answer, 400, 422)
        assert (await _select(world, plain, '{"id": "u", "vector": [1, -0.0]}')).status_code == 200


async def _select(world: World, experiment: dict[str, Any], context: str) -> httpx.Response:
    body = f'{{"experiment_id": "{experiment["id"]}", "context": {context}}}'
    return await _post(world, f"{AGENT}/select", body)


async def test_what_is_no_finite_number_is_no_percentage_parameter_or_range() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        gate = f"/api/v1/gates/{experiment['id']}"
        for number in (*_NO_NUMBERS, "-1", "100.5"):
            for body in (
                f'{{"rollout_percentage": {number}}}',
                f'{{"rules": [{{"key": "k", "operator": "gt", "value": {number}, "arm_id": 1}}]}}',
            ):
                _refused(await _post(world, gate, body), 422)
            for params in (
                f'"policy_params": {{"alpha_prior": {number}}}',
                f'"learning": {{"exploration_floor": {number}}}',
                f'"learning": {{"reward_range": [0, {number}]}}',
            ):
                if number == "100.5" and "floor" not in params:
                    continue  # a fine prior, a fine end of a range
                body = (
                    f'{{"name": "n", "pool_id": "{experiment["pool_id"]}", '
                    f'"policy": "BetaTSPolicy", {params}}}'
                )
                _refused(await _post(world, "/api/v1/experiments", body), 400, 422)


async def test_numbers_of_any_size_in_metadata_and_rules_break_nothing() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        gate = f"/api/v1/gates/{experiment['id']}"
        arm = experiment["pool"]["arms"][1]["id"]
        huge = "9" * 400
        for operator in ("gt", "lte", "==", "in", "contains"):
            value = f"[{huge}]" if operator == "in" else huge
            rule = f'{{"key": "k", "operator": "{operator}", "value": {value}, "arm_id": "{arm}"}}'
            answer = await world.http.put(gate, content=f'{{"rules": [{rule}]}}', headers=_JSON)
            if answer.status_code == 404:
                answer = await _post(world, gate, f'{{"rules": [{rule}]}}')
            assert answer.status_code in (200, 201, 422)
            for given in (huge, "1.5", '"1e400"', f'"{huge}"', '"NaN"', "null", "[]"):
                context = f'{{"id": "u", "metadata": {{"k": {given}}}}}'
                assert (await _select(world, experiment, context)).status_code == 200
                body = f'{{"context_id": "u", "context_metadata": {{"k": {given}}}}}'
                assert (await _post(world, f"{gate}/evaluate", body)).status_code == 200


_BROKEN = {
    "nothing": b"",
    "no JSON": b"hello",
    "half": b'{"name": ',
    "two values": b"{} {}",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "UTF-8 cut in two": b'{"name": "\xc3"}',
    "Latin-1": b'{"name": "\xe9"}',
    "half a surrogate pair": rb'{"name": "\ud800"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "NUL as it is": b'{"name": "\x00"}',
    "deep lists": b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "never closed": b"[" * 500_000,
}


@pytest.mark.parametrize("broken", list(_BROKEN.values()), ids=list(_BROKEN))
async def test_a_body_that_is_none_is_refused_on_every_kind_of_route(broken: bytes) -> None:
    async with open_world() as world:
        for path in ("/api/v1/pools", f"{AGENT}/select", f"{AGENT}/feedback", "/api/auth/login"):
            _refused(await _post(world, path, broken), 422)


async def test_a_body_over_the_limit_is_413() -> None:
    async with open_world(body_limit_bytes=2048) as world:
        experiment = await world.experiment()
        for path in ("/api/v1/pools", f"{AGENT}/select", "/api/auth/register"):
            said = _refused(await _post(world, path, b'{"name": "' + b"x" * 2048 + b'"}'), 413)
            assert said["code"] == "PAYLOAD_TOO_LARGE"
        assert (await world.select(experiment["id"])).status_code == 200


async def test_what_is_deep_in_a_context_is_refused_or_served() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        for depth in (10, 1000, 100_000):
            for deep in ("[" * depth + "]" * depth, '{"k":' * depth + "1" + "}" * depth):
                context = f'{{"id": "u", "metadata": {{"k": {deep}}}}}'
                answer = await _select(world, experiment, context)
                assert answer.status_code in (200, 422)


async def test_a_key_that_comes_twice_is_refused_by_name_where_things_are_written() -> None:
    async with open_world() as world:
        twice = '{"name": "p", "arms": [{"name": "a"}], "name": "q"}'
        assert "'name'" in _refused(await _post(world, "/api/v1/pools", twice), 422)["detail"]
        inner = '{"name": "p", "arms": [{"name": "a", "metadata": {"k": 1, "\\u006b": 2}}]}'
        assert "'k'" in _refused(await _post(world, "/api/v1/pools", inner), 422)["detail"]
        login = '{"email": "a@b.example", "password": "x", "password": "y"}'
        assert "'password'" in _refused(await _post(world, "/api/auth/login", login), 422)["detail"]


async def test_a_reward_that_comes_twice_is_refused_and_learned_never() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        selected = (await world.select(experiment["id"])).json()
        body = f'{{"request_id": "{selected["request_id"]}", "reward": 0, "reward": 1}}'
        assert "'reward'" in _refused(await _post(world, f"{AGENT}/feedback", body), 422)["detail"]
        assert await world.events(experiment["id"]) == []


async def test_fields_that_nobody_knows_are_named() -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        pool = {"name": "p", "arms": [{"name": "a", "colour": 1}]}
        for path, body, name in (
            ("/api/v1/pools", pool, "colour"),
            ("/api/v1/experiments", {"name": "e", "pool_id": "x", "polcy": 1}, "polcy"),
            (f"/api/v1/gates/{experiment['id']}", {"rolout": 1}, "rolout"),
            (f"{AGENT}/select", {"experiment_id": "x", "context": {"id": "u", "age": 1}}, "age"),
            (f"{AGENT}/feedback", {"request_id": "x", "reward": 1, "rewards": 1}, "rewards"),
            ("/api/auth/login", {"email": "a@b.example", "password": "x", "mfa": 1}, "mfa"),
        ):
            answer = await world.http.post(path, json=body)
            assert name in _refused(answer, 422)["detail"]


async def test_what_was_answered_can_be_sent_again() -> None:
    async with open_world() as world:
        experiment = await world.experiment("LinTSPolicy", context_schema=_SCHEMA)
        url, gate = f"/api/v1/experiments/{experiment['id']}", f"/api/v1/gates/{experiment['id']}"
        shown = (await world.http.get(url)).json()
        assert (await world.http.patch(url, json=shown)).status_code == 200
        pool = f"/api/v1/pools/{experiment['pool_id']}"
        assert (await world.http.patch(pool, json=(await world.http.get(pool)).json())).is_success
        made = await world.http.post(gate, json={"rollout_percentage": 12.5})
        for send in (world.http.put, world.http.patch):
            assert (await send(gate, json=made.json())).status_code == 200
        again = await world.http.get(url)
        assert again.json()["policy_params"] == shown["policy_params"]
        await world.http.delete(url)
        copied = {**shown, "name": "copy"}
        copied["policy_params"] = {
            name: value for name, value in shown["policy_params"].items() if name != "dim"
        }
        assert (await world.http.post("/api/v1/experiments", json=copied)).status_code == 201


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "x", "", "application/json;é"])
async def test_what_calls_itself_something_else_is_refused_or_read(kind: str) -> None:
    async with open_world() as world:
        experiment = await world.experiment()
        headers = {b"Content-Type": kind.encode()}
        pool = b'{"name": "p", "arms": [{"name": "a"}]}'
        answer = await world.http.post("/api/v1/pools", content=pool, headers=headers)
        assert answer.status_code in (201, 422)
        body = f'{{"experiment_id": "{experiment["id"]}", "context": {{"id": "u"}}}}'.encode()
        hot = await world.http.post(f"{AGENT}/select", content=body, headers=headers)
        assert hot.status_code == 200


@pytest.mark.parametrize("id_", ["%00", "a%00b", "..%2f..", "%ff", "é", "x" * 5000, "%F0%9F%8E%B0"])
async def test_an_id_that_can_be_none_is_not_found(id_: str) -> None:
    async with open_world() as world:
        for path in (
            *("/api/v1/pools/{}", "/api/v1/pools/{}/experiments", "/api/v1/experiments/{}"),
            *("/api/v1/gates/{}", "/api/v1/experiments/{}/state", "/api/v1/decisions/{}"),
            *("/api/v1/bundles/{}", "/api/v1/insight/experiment/{}", "/api/auth/invites/{}"),
        ):
            _refused(await world.http.get(path.format(id_)), 404)
        for path in ("/api/v1/pools/{}", "/api/auth/api-keys/{}", "/api/v1/gates/{}"):
            _refused(await world.http.delete(path.format(id_)), 404)


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=1e3", "limit=NaN", "limit=" + "9" * 400),
        *("limit=" + "9" * 5000, "offset=-1", "offset=9999999999999", "enabled=maybe"),
        *("search=%00", "search=" + "x" * 201),
    ],
)
async def test_a_query_out_of_its_bounds_is_refused(query: str) -> None:
    async with open_world() as world:
        _refused(await world.http.get(f"/api/v1/experiments?{query}"), 422)


async def test_odd_headers_and_queries_do_no_harm() -> None:
    async with open_world() as world:
        many = {f"X-Odd-{number}": "x" * 50 for number in range(500)}
        assert (await world.http.get("/api/v1/pools", headers=many)).status_code == 200
        odd = {"X-Request-ID": "\xff" * 9, "traceparent": "00-zz", "Accept": "text/html"}
        encoded = {name.encode(): value.encode("latin-1") for name, value in odd.items()}
        assert (await world.http.get("/api/v1/pools", headers=encoded)).status_code == 200
        for key in (b"\xff\xfe", b"x" * 100_000, b"optiq_" + b"\x80" * 43):
            _refused(await world.bare.get("/api/v1/pools", headers={b"X-API-Key": key}), 401)
        assert (await world.http.get("/api/v1/pools?%ff=%00&limit=1")).status_code == 200
