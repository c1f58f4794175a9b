"""Real servers for the tests of this folder and of cortex: one of each per worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the newest schema."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that keeps what it acknowledges."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url
