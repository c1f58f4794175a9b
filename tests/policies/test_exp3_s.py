"""EXP3.S."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import StateMismatch
from qbrix.policies._elementary import exponential
from qbrix.policies.exp3_s import EXP3SPolicy, Weights
from tests.policies.numbers import assert_cuts_and_padding_change_nothing, rows


def test_the_exponential_is_one() -> None:
    x = np.concatenate([np.linspace(-700.0, 700.0, 5001), np.linspace(-1.0, 1.0, 5001)])
    np.testing.assert_allclose(exponential(x), np.exp(x), rtol=1e-15)
    np.testing.assert_array_equal(
        exponential(np.array([0.0, -np.inf])), exponential(np.array([0.0, -700.0]))
    )


def test_two_rows_by_hand() -> None:
    """K = 2, γ = .5, α = .1: x̂ = 1/.25 gives e¹; eα/K = .135914; then a reward of 0 only shares."""
    policy = EXP3SPolicy(gamma=0.5, alpha=0.1)
    share = np.e * 0.1 / 2.0
    first = np.array([0.5 * np.e + share, 0.5 + share])
    state = policy.update(policy.init(n_arms=2), rows([0], [1.0], [0.25]))
    assert state.weight == pytest.approx(first / first.sum(), rel=1e-14)
    state = policy.update(state, rows([1], [0.0], [0.5]))
    second = first / first.sum() + share
    assert state.weight == pytest.approx(second / second.sum(), rel=1e-14)


def test_the_law_by_hand() -> None:
    law = EXP3SPolicy(gamma=0.2).propensities(Weights(weight=np.array([0.75, 0.25])))
    assert law == pytest.approx([0.7, 0.3])


def test_no_weight_is_forgotten() -> None:
    """α = .01, K = 2: after 500 rewards of arm 0 arm 1 has still eα/2 of e^½ or more."""
    policy = EXP3SPolicy(gamma=0.5, alpha=0.01)
    batch = rows([0] * 500, [1.0] * 500, [0.5] * 500)
    state = policy.update(policy.init(n_arms=2), batch)
    least = np.e * 0.01 / 2.0
    assert state.weight[1] > least / (np.exp(0.5) + 2.0 * least)


def test_a_tiny_propensity_overflows_nothing() -> None:
    policy = EXP3SPolicy()
    state = policy.update(policy.init(n_arms=3), rows([0, 1], [1.0, 1.0], [1e-9, 1e-300]))
    assert np.isfinite(state.weight).all()
    assert state.weight.argmax() == 1


def test_a_masked_arm_is_never_chosen() -> None:
    state = Weights(weight=np.array([0.5, 0.25, 0.25]))
    law = EXP3SPolicy(gamma=0.2).propensities(state, mask=np.array([True, True, False]))
    assert law == pytest.approx([0.8 * 2 / 3 + 0.1, 0.8 / 3 + 0.1, 0.0])


def test_states_cannot_be_merged() -> None:
    policy = EXP3SPolicy()
    with pytest.raises(StateMismatch, match="order matters"):
        policy.merge(policy.init(n_arms=2), policy.init(n_arms=2))


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(EXP3SPolicy(gamma=0.5, alpha=0.01))
