"""Every policy of the catalogue keeps every law of the contract."""

from __future__ import annotations

import pytest

from qbrix.policies import policies
from qbrix.testing import Check, policy_checks

SKIPPED = {
    "FromEstimatorPolicy-beats_uniform": "60,000 rounds of fits; its own test plays a shorter race",
    "RandomPolicy-beats_uniform": "it is the uniform choice",
}


@pytest.mark.parametrize("check", policy_checks(policies, skip=SKIPPED))
def test_catalogue(check: Check) -> None:
    check()
