"""A whole stack, spoken to as its users speak to it: two proxies on one port, real stores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from serving.stack import Stack
from tests.conformance.clients import Client
from tests.conformance.people import Headers, bearer, new_key, register
from tests.conformance.rest import Rest
from tests.conformance.rpc import Rpc
from tests.waiting import PATIENCE_S, PATIENT


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Where anybody may register; who is not told of a change never looks; nothing is hurried."""
    settings = PATIENT | {
        "CORTEX_WINDOW_GRACE_S": "0.5",
        "MOTOR_STATE_TTL_S": "3600",
        "PROXY_KEY_TTL_S": "3600",
        "PROXY_PASSWORD_MEMORY_KIB": "64",
        "PROXY_RECORD_TTL_S": "3600",
        "PROXY_SIGNUP": "open",
        "PROXY_SIGN_INS_PER_ADDRESS": "0",
        "PROXY_USER_POLL_S": "3600",
    }
    folder = tmp_path_factory.mktemp("conformance")
    with Stack(folder, workers=2, environment=settings) as running:
        yield running


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with httpx.Client(base_url=stack.url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Headers:
    """The credential of the admin of a workspace that the module has for itself."""
    with httpx.Client(base_url=stack.url, timeout=PATIENCE_S) as client:
        return {"X-API-Key": new_key(client, bearer(register(client)))["key"]}


@pytest.fixture(scope="module")
def rest(stack: Stack, admin: Headers) -> Iterator[Rest]:
    """The admin over HTTP."""
    with closing(Rest(stack.url, admin)) as client:
        yield client


@pytest.fixture(scope="module")
def rpc(stack: Stack, admin: Headers) -> Iterator[Rpc]:
    """The admin over gRPC."""
    with closing(Rpc(stack.grpc_address, admin)) as client:
        yield client


@pytest.fixture(scope="module", params=["rest", "rpc"])
def client(request: pytest.FixtureRequest) -> Client:
    """The admin over either."""
    made: Client = request.getfixturevalue(request.param)
    return made
