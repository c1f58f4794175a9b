"""Top-two Thompson sampling: the law on paper."""

from __future__ import annotations

import numpy as np

from qbrix.policies.beta_ts import BetaTSPolicy, Outcomes
from qbrix.policies.top_two_ts import TopTwoTSPolicy

# Beta(1,1), Beta(2,1), Beta(5,1): best with probability 1/8, 1/4, 5/8.
STATE = Outcomes(successes=np.array([0.0, 1.0, 4.0]), failures=np.zeros(3))


def test_three_arms_by_hand() -> None:
    """P_a (½ + ½ Σ P_b/(1 − P_b)): ⅛ (½ + ½ (⅓ + 5/3)) = .1875, and so on."""
    law = TopTwoTSPolicy().propensities(STATE)
    np.testing.assert_allclose(law, [0.1875, 59 / 168, 31 / 67.2], atol=2e-6)


def test_the_leader_alone_is_thompson_sampling() -> None:
    law = TopTwoTSPolicy(leader_share=1.0).propensities(STATE)
    np.testing.assert_allclose(law, BetaTSPolicy().propensities(STATE), atol=1e-15)


def test_two_arms_get_half_each_however_certain_the_leader() -> None:
    state = Outcomes(successes=np.array([900.0, 10.0]), failures=np.array([10.0, 900.0]))
    np.testing.assert_allclose(TopTwoTSPolicy().propensities(state), [0.5, 0.5], atol=1e-6)


def test_a_single_allowed_arm_is_chosen() -> None:
    law = TopTwoTSPolicy().propensities(STATE, mask=np.array([True, False, False]))
    assert law.tolist() == [1.0, 0.0, 0.0]
