"""Every policy of the catalogue keeps every law of the contract."""

from __future__ import annotations

import pytest

from qbrix.policies import policies
from qbrix.testing import Check, policy_checks

SKIPPED = {"RandomPolicy-beats_uniform": "it is the uniform choice"}


@pytest.mark.parametrize("check", policy_checks(policies, skip=SKIPPED))
def test_catalogue(check: Check) -> None:
    check()
