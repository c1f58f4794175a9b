"""Sections 1 to 3 in a stack as it comes: the door closed, limits on, motor apart, Redis away."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import httpx
import pytest

from serving.stack import Stack
from tests.conformance.clients import Client, Refused, refused
from tests.conformance.making import new_experiment
from tests.conformance.people import AUTH, PASSWORD
from tests.conformance.rest import Rest
from tests.conformance.rpc import Rpc
from tests.waiting import PATIENCE_S, PATIENT, until


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with its defaults, but for what would take long."""
    settings = {"PROXY_INTAKE_DEADLINE_S": "3", "PROXY_SIGN_INS_PER_ADDRESS": "5"}
    folder = tmp_path_factory.mktemp("split")
    with Stack(folder, split=True, environment=PATIENT | settings) as running:
        yield running


@pytest.fixture(scope="module", params=["rest", "rpc"])
def somebody(request: pytest.FixtureRequest, split: Stack) -> Iterator[Client]:
    """The local admin over either transport."""
    credential = {"X-API-Key": split.api_key}
    made: Rest | Rpc
    if request.param == "rest":
        made = Rest(split.url, credential)
    else:
        made = Rpc(split.grpc_address, credential)
    with closing(made) as client:
        yield client


@contextmanager
def frozen(pid: int | None) -> Iterator[None]:
    """The process holds its connections and answers nobody."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_motor_of_its_own_decides_as_well(somebody: Client) -> None:
    made = new_experiment(somebody, "LinTSPolicy", policy_params={"dim": 2})
    decision = somebody.select(made["id"], vector=[1.0, 0.5])
    assert decision["arm"]["name"] in "abc"
    assert somebody.feedback(decision["request_id"], 1.0)["accepted"] is True


def test_without_redis_selects_go_on_and_feedback_is_told_when_to_come_again(
    somebody: Client, split: Stack
) -> None:
    made = new_experiment(somebody)["id"]
    waiting = somebody.select(made)["request_id"]
    with frozen(split.pid("valkey")):
        with refused(503, "SERVICE_UNAVAILABLE") as caught:
            somebody.feedback(waiting, 1.0)
        assert int(caught.value.retry_after or 0) >= 1
        assert somebody.select(made)["request_id"]

    def taken() -> bool:
        try:
            return bool(somebody.feedback(waiting, 1.0)["accepted"])
        except Refused:
            return False

    until(taken)


def test_the_first_who_registers_closes_the_door_and_tries_are_counted(split: Stack) -> None:
    with httpx.Client(base_url=split.url, timeout=PATIENCE_S) as http:
        bodies = [{"email": f"{uuid4().hex}@acme.io", "password": PASSWORD} for _ in range(2)]
        assert Rest.read(http.get(f"{AUTH}/config"))["signup_open"] is True
        founder = Rest.read(http.post(f"{AUTH}/register", json=bodies[0]))
        assert founder["role"] == "admin"
        assert Rest.read(http.get(f"{AUTH}/config"))["signup_open"] is False
        with refused(403, "SIGNUP_CLOSED"):
            Rest.read(http.post(f"{AUTH}/register", json=bodies[1]))
        with refused(429, "RATE_LIMITED"):
            for _ in range(6):
                answer = http.post(f"{AUTH}/refresh", json={"refresh_token": "x"})
                if answer.status_code != 401:
                    Rest.read(answer)
