"""Neighbours: which interactions are looked at, and in which order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.policies import get
from qbrix.policies.neighbours import NeighboursPolicy
from qbrix.testing.policy_suite import check_policy
from tests.policies.linear import observed
from tests.policies.numbers import rows


def test_only_the_nearest_interactions_are_learned() -> None:
    """Near 0 arm 0 paid, near 9 arm 1 paid; Beta(2, 1) against Beta(1, 2) wins 5/6 of the time."""
    policy = NeighboursPolicy(neighbours=2, window=10)
    batch = observed(
        [0, 1, 0, 1], [1.0, 0.0, 0.0, 1.0], [[0.0, 0.1], [0.1, 0.0], [9.0, 9.1], [9.1, 9.0]]
    )
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=2), batch))
    law = policy.propensities(prepared, np.array([[0.0, 0.0], [9.0, 9.0]]))
    np.testing.assert_allclose(law, [[5 / 6, 1 / 6], [1 / 6, 5 / 6]], atol=1e-10)


def test_with_all_as_neighbours_it_is_its_learner_on_what_is_remembered() -> None:
    """A learner for which order and propensity matter; 30 rows of which the last 12 remain."""
    learner = get("TsallisINFRVPolicy")()
    policy = NeighboursPolicy(learner="TsallisINFRVPolicy", neighbours=12, window=12)
    rng = np.random.default_rng(1)
    arms, rewards, p = rng.integers(0, 3, 30), rng.random(30), rng.uniform(0.2, 1.0, 30)
    contexts = rng.standard_normal((30, 2))
    batch = replace(observed(arms.tolist(), rewards.tolist(), contexts.tolist()), propensities=p)
    state = policy.update(policy.init(n_arms=3, dim=2), batch)
    last = rows(arms[18:], rewards[18:], p[18:])
    alone = learner.propensities(learner.prepare(learner.update(learner.init(n_arms=3), last)))
    np.testing.assert_array_equal(policy.propensities(policy.prepare(state), np.ones(2)), alone)


def test_before_the_window_is_full_there_are_fewer_neighbours() -> None:
    policy = NeighboursPolicy(learner="GreedyPolicy", neighbours=5, window=8)
    state = policy.update(policy.init(n_arms=2, dim=1), observed([1, 0], [1.0, 0.5], [[0.0]] * 2))
    assert policy.propensities(policy.prepare(state), np.ones(1)).tolist() == [0.0, 1.0]


def test_equal_distances_are_settled_by_place() -> None:
    """All at distance 1, two wanted: places 0 and 1, whose arm 0 paid."""
    policy = NeighboursPolicy(learner="GreedyPolicy", neighbours=2, window=4)
    batch = observed([0, 1, 1, 0], [0.5, 0.25, 1.0, 0.0], [[1.0], [-1.0], [1.0], [-1.0]])
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    assert policy.propensities(policy.prepare(state), np.zeros(1)).tolist() == [1.0, 0.0]


def test_a_learner_that_needs_no_propensity_is_told_none() -> None:
    batch = replace(observed([0], [1.0], [[1.0]]), propensities=np.array([0.25]))
    kept = {}
    for learner in ("BetaTSPolicy", "EXP3IXPolicy"):
        policy = NeighboursPolicy(learner=learner, neighbours=1, window=1)
        kept[learner] = policy.update(policy.init(n_arms=2, dim=1), batch).propensities.item()
    assert kept == {"BetaTSPolicy": 1.0, "EXP3IXPolicy": 0.25}


def test_many_contexts_are_decided_in_blocks() -> None:
    """3000 contexts over 1000 remembered rows of 3 features; each as if it were alone."""
    rng = np.random.default_rng(2)
    policy = NeighboursPolicy(learner="GreedyPolicy", neighbours=20)
    contexts = rng.standard_normal((1200, 3))
    batch = observed(
        rng.integers(0, 3, 1200).tolist(), rng.random(1200).tolist(), contexts.tolist()
    )
    prepared = policy.prepare(policy.update(policy.init(n_arms=3, dim=3), batch))
    many = rng.standard_normal((3000, 3))
    law = policy.propensities(prepared, many)
    for row in (0, 348, 349, 2999):
        np.testing.assert_array_equal(law[row], policy.propensities(prepared, many[row]))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"neighbours=5, window=4.*neighbours <= window"):
        NeighboursPolicy(neighbours=5, window=4)
    with pytest.raises(InvalidParameter, match="LinUCBPolicy: it decides by context"):
        NeighboursPolicy(learner="LinUCBPolicy")
    with pytest.raises(InvalidParameter, match="at least 1 feature"):
        NeighboursPolicy().init(n_arms=2)
    policy = NeighboursPolicy()
    with pytest.raises(ShapeError, match="context has 3 features"):
        policy.propensities(policy.prepare(policy.init(n_arms=2, dim=2)), np.ones(3))


def test_the_learner_decides_which_rewards_are_learned() -> None:
    assert NeighboursPolicy(learner="EpsilonPolicy(eps=0.1, gamma=1.0)").capabilities.reward == (
        "continuous"
    )
    assert NeighboursPolicy().capabilities.reward == "bounded"
    assert NeighboursPolicy.capabilities.context


@pytest.mark.parametrize("learner", ["EpsilonPolicy(eps=0.1, gamma=1.0)", "BESAPolicy"])
def test_it_keeps_the_contract_whatever_it_holds(learner: str) -> None:
    skip = {
        "million_updates_stay_finite": "the window bounds the state",
        "sample_follows_propensities": "each learner goes through it on its own",
        "beats_uniform": "the default learner does",
    }
    policy = NeighboursPolicy(learner=learner, neighbours=10, window=30)
    assert len(check_policy(policy, skip=skip)) > 14
