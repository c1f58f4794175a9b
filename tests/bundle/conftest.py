"""A user's policy, imported from its file, and bundles of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from qbrix.bundle import Bundle, export
from tests.bundle.sources import SHARES, Importer, importer


@pytest.fixture
def imported(tmp_path: Path) -> Iterator[Importer]:
    """Import a policy from its text; its modules are forgotten afterwards."""
    before = set(sys.modules)
    folder = tmp_path / "sources"
    folder.mkdir()
    yield importer(folder)
    for name in set(sys.modules) - before:
        if name.startswith("policy_"):
            del sys.modules[name]


@pytest.fixture(scope="session")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An unsigned bundle of the policy `Shares` with three arms."""
    folder = tmp_path_factory.mktemp("shares")
    policy_class = importer(folder)(SHARES)
    return export(policy_class(), path=folder / "shares.qbrix", arms=["red", "green", "blue"])
