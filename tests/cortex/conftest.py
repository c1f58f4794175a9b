"""Bundles that a cortex may be asked to promote, and servers that it may learn from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from qbrix.bundle import Bundle, SigningKey, TrustedKeys, export
from qbrix.policies._counts import Rewards
from qbrix.policies.epsilon import EpsilonPolicy
from serving.storage.base import Stores
from serving.storage.connect import open_stores
from serving.storage.migrate import migrate
from tests.bundle.sources import SHARES, importer

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(scope="session")
def trusted() -> TrustedKeys:
    """The key that signs the bundles of these tests."""
    return TrustedKeys([KEY.public])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for bundles."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="session")
def own_bundle(folder: Path) -> Bundle:
    """A user's own policy that starts anew, for three arms, signed."""
    policy = importer(folder)(SHARES)(bonus=2.0)  # type: ignore[call-arg]
    return export(policy, path=folder / "own.qbrix", arms=3, key=KEY)


@pytest.fixture(scope="session")
def taught_bundle(folder: Path) -> Bundle:
    """ε-greedy that has seen three arms, signed."""
    state = Rewards(pulls=np.array([2.0, 2.0, 2.0]), total_reward=np.array([0.0, 2.0, 1.0]))
    policy = EpsilonPolicy(eps=0.3, gamma=1.0)
    return export(policy, state=state, path=folder / "taught.qbrix", arms=3, key=KEY)


@pytest.fixture(scope="session")
def servers(postgres_url: str, redis_url: str) -> tuple[str, str]:
    """Where Postgres, with its tables, and Valkey are; every test takes shards of its own."""
    asyncio.run(migrate(postgres_url))
    return postgres_url, redis_url


@pytest.fixture
async def stores(servers: tuple[str, str]) -> AsyncIterator[Stores]:
    """Stores over the servers."""
    opened = await open_stores(postgres_url=servers[0], redis_url=servers[1])
    yield opened
    await opened.close()
