"""Section 3 of the public API: health, runtime, policies, and what is public."""

from __future__ import annotations

import re

import httpx
import pytest

from serving.stack import Stack
from tests.conformance.clients import refused
from tests.conformance.making import new_experiment
from tests.conformance.people import bearer, join, register
from tests.conformance.rest import Rest
from tests.waiting import until

RUNTIME = "/api/v1/runtime"


def test_health_and_info_are_for_everybody(http: httpx.Client) -> None:
    for path in ("/health", "/api/health"):
        assert Rest.read(http.get(path)) == {"status": "healthy"}
    info = Rest.read(http.get("/info"))
    assert set(info) == {"name", "description", "version"}
    assert all(isinstance(value, str) and value for value in info.values())
    assert http.get("/livez").status_code == 200
    assert http.get("/readyz").status_code == 200
    metrics = http.get("/metrics")
    assert metrics.status_code == 200
    assert re.search(r"^qbrix_\w+(\{.*\})? [0-9.e+]+$", metrics.text, re.MULTILINE)


@pytest.mark.parametrize(
    ("part", "service"), [("redis", "redis"), ("motor", "motorsvc"), ("cortex", "cortexsvc")]
)
def test_each_part_tells_its_health(rest: Rest, part: str, service: str) -> None:
    said = rest.ask("GET", f"{RUNTIME}/{part}/health")
    assert said == {"service": service, "status": "healthy"}


def test_only_parts_that_are_there_have_a_health(rest: Rest) -> None:
    with refused(422, "VALIDATION_ERROR"):
        rest.ask("GET", f"{RUNTIME}/postgres/health")


def test_the_stream_tells_how_much_waits(rest: Rest) -> None:
    experiment = new_experiment(rest)["id"]
    rest.feedback(rest.select(experiment)["request_id"], 1.0)
    said = rest.ask("GET", f"{RUNTIME}/redis/stream/size")
    assert set(said) == {"len"}
    assert isinstance(said["len"], int)
    until(lambda: rest.ask("GET", f"{RUNTIME}/redis/stream/size")["len"] == 0)


def test_policies_are_for_any_credential_and_for_nobody_without(
    stack: Stack, http: httpx.Client
) -> None:
    viewer = bearer(join(http, bearer(register(http)), "viewer"))
    listed = Rest.read(http.get("/api/v1/policies", headers=viewer))
    assert set(listed) == {"policies"}
    for path in ("/api/v1/policies", f"{RUNTIME}/redis/health", "/api/v1/pools"):
        with refused(401, "UNAUTHORIZED"):
            Rest.read(http.get(path))
    with refused(422, "VALIDATION_ERROR"):
        Rest.read(http.get("/api/v1/policies?reward_type=ternary", headers=viewer))
