"""A whole stack, spoken to as its users speak to it: two proxies on one port, real stores."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from serving.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Where anybody may register."""
    settings = {
        "PROXY_SIGNUP": "open",
        "PROXY_SIGN_INS_PER_ADDRESS": "0",
        "PROXY_PASSWORD_MEMORY_KIB": "64",
    }
    folder = tmp_path_factory.mktemp("conformance")
    with Stack(folder, workers=2, environment=settings) as running:
        yield running


@pytest.fixture
def http(stack: Stack) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with httpx.Client(base_url=stack.url, timeout=30) as client:
        yield client
