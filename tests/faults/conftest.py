"""One stack for all tests of a worker, whole again after each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.stack import FaultStack


@pytest.fixture(scope="session")
def _stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """A proxy and a cortex over servers of their own."""
    made = FaultStack(tmp_path_factory.mktemp("faults")).start()
    yield made
    made.stop()


@pytest.fixture
def stack(_stack: FaultStack) -> Iterator[FaultStack]:
    """The worker's stack."""
    yield _stack
    _stack.mend()


@pytest.fixture(scope="module")
def _pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    """Two proxies on one port and two cortexes."""
    made = FaultStack(tmp_path_factory.mktemp("pair"), proxies=2, cortexes=2).start()
    yield made
    made.stop()


@pytest.fixture
def pair(_pair: FaultStack) -> Iterator[FaultStack]:
    """The module's stack of two each."""
    yield _pair
    _pair.mend()
