"""Clusters: means that follow, and a learner for each."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies import get
from qbrix.policies.clusters import ClustersPolicy
from qbrix.testing.policy_suite import check_policy
from tests.policies.linear import observed
from tests.policies.numbers import rows


def test_means_follow_as_contexts_come() -> None:
    """0 and 10 begin a cluster; 2 moves the first to 1, 7 the second to 8.5, 4 the first to 2."""
    policy = ClustersPolicy(clusters=2)
    batch = observed([0] * 5, [1.0] * 5, [[0.0], [10.0], [2.0], [7.0], [4.0]])
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    assert state.centroids.tolist() == [[2.0], [8.5]]
    assert state.sizes.tolist() == [3.0, 2.0]


def test_equal_contexts_begin_one_cluster() -> None:
    policy = ClustersPolicy(clusters=3)
    batch = observed([0] * 4, [1.0] * 4, [[1.0], [1.0], [2.0], [1.0]])
    state = policy.update(policy.init(n_arms=2, dim=1), batch)
    assert state.sizes.tolist() == [3.0, 1.0, 0.0]


def test_each_cluster_has_a_learner_of_its_own() -> None:
    """Beta(2, 1) against Beta(1, 1) near 0: 2/3; Beta(1, 2) against it near 9: 1/3."""
    policy = ClustersPolicy(clusters=2)
    batch = observed([0, 0], [1.0, 0.0], [[0.0], [9.0]])
    prepared = policy.prepare(policy.update(policy.init(n_arms=2, dim=1), batch))
    law = policy.propensities(prepared, np.array([[1.0], [8.0], [100.0]]))
    np.testing.assert_allclose(law[:, 0], [2 / 3, 1 / 3, 1 / 3], atol=1e-10)
    masked = policy.propensities(prepared, np.array([[1.0], [8.0]]), mask=np.array([False, True]))
    assert masked.tolist() == [[0.0, 1.0]] * 2
    mask = np.array([[True, True], [False, True]])
    masked = policy.propensities(prepared, np.array([[1.0], [8.0]]), mask=mask)
    np.testing.assert_allclose(masked, [[2 / 3, 1 / 3], [0.0, 1.0]], atol=1e-10)


def test_one_cluster_is_the_learner_alone() -> None:
    learner = get("TsallisINFRVPolicy")()
    policy = ClustersPolicy(learner="TsallisINFRVPolicy", clusters=1)
    rng = np.random.default_rng(1)
    arms, rewards = rng.integers(0, 3, 30), rng.random(30)
    batch = observed(arms.tolist(), rewards.tolist(), rng.standard_normal((30, 2)).tolist())
    state = policy.update(policy.init(n_arms=3, dim=2), batch)
    own = learner.update(learner.init(n_arms=3), rows(arms, rewards))
    law = policy.propensities(policy.prepare(state), np.ones(2))
    np.testing.assert_array_equal(law, learner.propensities(learner.prepare(own)))


def test_a_new_arm_is_new_to_every_learner() -> None:
    policy = ClustersPolicy(learner="EpsilonPolicy(eps=0.0, gamma=1.0)", clusters=2)
    batch = observed([0, 1], [1.0, 0.5], [[0.0], [9.0]])
    state = policy.grow(policy.update(policy.init(n_arms=2, dim=1), batch), n_arms=3)
    law = policy.propensities(policy.prepare(state), np.array([[0.0], [9.0]]))
    assert law.tolist() == [[0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]


def test_a_contextual_learner_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="LinUCBPolicy: it decides by context"):
        ClustersPolicy(learner="LinUCBPolicy")


@pytest.mark.parametrize(
    "learner", ["EpsilonPolicy(eps=0.1, gamma=1.0)", "KLUCBPolicy", "EXP3SPolicy"]
)
def test_it_keeps_the_contract_whatever_it_holds(learner: str) -> None:
    skip = {
        "million_updates_stay_finite": "each learner goes through them on its own",
        "sample_follows_propensities": "each learner goes through it on its own",
        "beats_uniform": "the default learner does",
    }
    assert len(check_policy(ClustersPolicy(learner=learner, clusters=3), skip=skip)) > 14
