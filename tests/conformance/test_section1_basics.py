"""Section 1 of the public API: HTTP basics. `Rest` looks at the form of every answer beside."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conformance.clients import Client, refused
from tests.conformance.making import NOBODY, new_experiment, new_pool, unique
from tests.conformance.rest import Rest

ID = re.compile(r"[0-9a-f]{32}")


def test_a_content_type_on_a_request_without_a_body_is_no_error(rest: Rest) -> None:
    experiment = new_experiment(rest, enabled=False)
    assert rest.http.headers["content-type"] == "application/json"
    assert rest.http.get("/api/v1/pools").status_code == 200
    reset = rest.http.post(f"/api/v1/experiments/{experiment['id']}/reset", content=b"")
    assert reset.request.headers["content-length"] == "0"
    assert reset.status_code == 200
    assert rest.http.delete(f"/api/v1/experiments/{experiment['id']}").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/health"),
        ("GET", "/api/health"),
        ("GET", "/info"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/api/auth/config"),
    ],
)
def test_every_success_is_json_for_everybody(http: httpx.Client, method: str, path: str) -> None:
    assert isinstance(Rest.read(http.request(method, path)), dict)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", f"/api/v1/pools/{NOBODY}", 404, "POOL_NOT_FOUND"),
        ("POST", "/health", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/agent/select", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/api/v1/pools?limit=0", 422, "VALIDATION_ERROR"),
        ("POST", "/api/v1/pools", 422, "VALIDATION_ERROR"),
    ],
)
def test_every_error_has_code_and_detail(
    rest: Rest, method: str, path: str, status: int, code: str
) -> None:
    with refused(status, code):
        rest.read(rest.http.request(method, path))


@pytest.mark.parametrize("path", ["/api/v1/pools", "/api/v1/agent/select", "/api/auth/api-keys"])
@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"NaN", b'"\xff"', b'{"name": 1e999}'),
        *(b'{"name": "a", "nom": "b"}', b'{"name": "a", "name": "b"}'),
    ],
)
def test_a_body_that_is_none_of_ours_is_unprocessable(rest: Rest, path: str, body: bytes) -> None:
    with refused(422, "VALIDATION_ERROR"):
        rest.read(rest.http.post(path, content=body))


def test_a_body_beyond_the_limit_is_too_large(rest: Rest) -> None:
    with refused(413, "PAYLOAD_TOO_LARGE"):
        rest.read(rest.http.post("/api/v1/pools", content=b" " * (2 << 20)))


def test_an_unknown_field_is_named(client: Client, rest: Rest) -> None:
    with refused(422, "VALIDATION_ERROR") as caught:
        rest.ask("POST", "/api/v1/pools", {"name": "x", "arms": [{"name": "a"}], "colour": 1})
    assert "colour" in caught.value.detail
    with refused(400, "INVALID_POLICY_PARAMS") as caught:
        new_experiment(client, policy_params={"colour": 1})
    assert "colour" in caught.value.detail


def test_ids_are_hex_and_resource_times_are_iso_with_offset(client: Client) -> None:
    experiment = new_experiment(client)
    pool = experiment["pool"]
    ids = [
        experiment["id"],
        experiment["pool_id"],
        pool["id"],
        *(arm["id"] for arm in pool["arms"]),
    ]
    assert all(ID.fullmatch(one) for one in ids)
    for resource in (experiment, pool):
        for name in ("created_at", "updated_at"):
            assert datetime.fromisoformat(resource[name]).utcoffset() == timedelta(0)


def test_auth_times_are_float_seconds(rest: Rest) -> None:
    key = rest.ask("POST", "/api/auth/api-keys", {"name": "clock"})
    pool = new_pool(rest)
    now_s = datetime.fromisoformat(pool["created_at"]).timestamp()
    assert isinstance(key["created_at"], float)
    assert abs(key["created_at"] - now_s) < 60


def test_a_patch_holds_only_what_changes(client: Client) -> None:
    gate = {"rollout_percentage": 40.0, "timezone": "Europe/Paris"}
    before = new_experiment(client, policy_params={"alpha_prior": 3}, feature_gate=gate)
    name = unique("renamed")
    assert client.rename_pool(before["pool_id"], name=name)["arms"] == before["pool"]["arms"]
    after = client.update_experiment(before["id"], enabled=False)
    kept = ("name", "pool_id", "policy", "policy_params", "created_at", "feature_gate")
    assert {field: after[field] for field in kept} == {field: before[field] for field in kept}
    assert after["enabled"] is False
    assert after["pool"]["name"] == name
    patched = client.patch_gate(before["id"], rollout_percentage=50.0)
    assert patched["rollout_percentage"] == 50.0
    assert patched["timezone"] == "Europe/Paris"


def test_query_booleans_are_words(rest: Rest) -> None:
    on, off = new_experiment(rest), new_experiment(rest, enabled=False)
    for asked, found in (("true", on), ("false", off)):
        answer: Any = rest.read(rest.http.get(f"/api/v1/experiments?enabled={asked}"))
        assert answer["experiments"][0]["id"] == found["id"]
        assert {one["enabled"] for one in answer["experiments"]} == {found["enabled"]}
    with refused(422, "VALIDATION_ERROR"):
        rest.read(rest.http.get("/api/v1/experiments?enabled=maybe"))
