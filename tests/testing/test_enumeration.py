"""Exact regret by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies import get
from qbrix.policies.exp3 import EXP3Policy
from qbrix.testing import exact_regret


def test_two_rounds_of_thompson_sampling_by_hand() -> None:
    """Arms 0.9 and 0.8, uniform priors.

    The first round loses 0.05. In the second the rewarded arm has probability 2/3, the failed one
    1/3: arm 1 is chosen with ½ (0.9 · ⅓ + 0.1 · ⅔) + ½ (0.8 · ⅔ + 0.2 · ⅓) = ½ (0.11 / 0.3 + 0.6).
    """
    second = 0.5 * (0.9 / 3 + 0.2 / 3) + 0.5 * (1.6 / 3 + 0.2 / 3)
    found = exact_regret(get("beta_ts")(), [0.9, 0.8], horizon=2)
    np.testing.assert_allclose(found, [0.05, 0.05 + 0.1 * second], atol=1e-10)


def test_a_policy_that_keeps_fractions_is_enumerated_too() -> None:
    """EXP3's states are sums of 1/p, so the tree does not merge; its regret starts as uniform."""
    found = exact_regret(EXP3Policy(gamma=1.0), [1.0, 0.0], horizon=6)
    np.testing.assert_allclose(found, 0.5 * np.arange(1, 7), atol=1e-12)


def test_contexts_cannot_be_enumerated() -> None:
    with pytest.raises(InvalidParameter, match="LinUCBPolicy needs contexts"):
        exact_regret(get("lin_ucb")(), [0.9, 0.8], horizon=2)
