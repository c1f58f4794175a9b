"""Serving in a thread, one for all tests of the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qbrix.client import Client
from tests.client.served import Served, served


@pytest.fixture(scope="session")
def roles() -> Iterator[Served]:
    """Proxy, motor and cortex."""
    with served() as started:
        yield started


@pytest.fixture
def client(roles: Served) -> Iterator[Client]:
    """An admin's client."""
    with roles.client() as opened:
        yield opened
