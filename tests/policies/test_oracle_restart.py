"""A policy started over at given rounds."""

from __future__ import annotations

import numpy as np
import pytest

from qbrix.errors import InvalidParameter
from qbrix.policies.oracle_restart import OracleRestartPolicy
from qbrix.testing.policy_suite import check_policy
from tests.policies.numbers import (
    CHANGING,
    assert_cuts_and_padding_change_nothing,
    assert_regret,
    rows,
)


def test_it_forgets_when_the_count_is_reached_and_learns_what_follows() -> None:
    """Restart after 2: of (0, 1), (1, 1), (1, 0) the last row remains in the learner."""
    policy = OracleRestartPolicy(changes="2")
    batch = rows([0, 1, 1], [1.0, 1.0, 0.0])
    state = policy.update(policy.init(n_arms=2), batch)
    np.testing.assert_array_equal(state.learner, [0.0, 0.0, 0.0, 1.0])
    np.testing.assert_array_equal(state.pulls, [1.0, 2.0])


def test_it_forgets_at_the_end_of_a_batch_too() -> None:
    policy = OracleRestartPolicy(changes="2 5")
    state = policy.update(policy.init(n_arms=2), rows([0, 1], [1.0, 1.0]))
    np.testing.assert_array_equal(state.learner, np.zeros(4))
    state = policy.update(state, rows([0], [1.0]))
    np.testing.assert_array_equal(state.learner, [1.0, 0.0, 0.0, 0.0])


def test_padding_does_not_restart_twice() -> None:
    """A padded row leaves the count at 2; what is learned after the restart stays."""
    policy = OracleRestartPolicy(changes="2 3")
    start = policy.update(policy.init(n_arms=1), rows([0, 0], [1.0, 1.0]))
    state = policy.update(start, rows([-1, -1, 0, 0], [0.0, 0.0, 1.0, 0.0]))
    np.testing.assert_array_equal(state.learner, [0.0, 1.0])


@pytest.mark.parametrize("changes", ["0", "-3", "5 5", "9 3", "1.5", "1,2", "soon"])
def test_what_is_no_list_of_rounds_is_refused(changes: str) -> None:
    with pytest.raises(InvalidParameter, match="increasing integers >= 1"):
        OracleRestartPolicy(changes=changes)


def test_without_changes_it_is_the_learner() -> None:
    policy = OracleRestartPolicy(changes="", learner="KLUCBPolicy")
    state = policy.update(policy.init(n_arms=2), rows([0, 1, 1], [0.0, 1.0, 1.0]))
    np.testing.assert_array_equal(policy.propensities(policy.prepare(state)), [0.0, 1.0])


@pytest.mark.parametrize("learner", ["DiscountedTSPolicy(gamma=0.9)", "FPLPolicy"])
def test_it_keeps_the_contract_whatever_it_restarts(learner: str) -> None:
    skip = {
        "million_updates_stay_finite": "the learner goes through them on its own",
        "bits_are_the_same_everywhere": "the learner goes through it on its own",
    }
    policy = OracleRestartPolicy(changes="2 5 20 50", learner=learner)
    assert len(check_policy(policy, skip=skip)) > 15


def test_batches_can_be_cut_anywhere() -> None:
    assert_cuts_and_padding_change_nothing(OracleRestartPolicy(changes="3 18 50"))


def test_regret_of_thompson_sampling_that_knows_the_changes() -> None:
    """1000 independent runs gave 49.1 ± .4."""
    policy = OracleRestartPolicy(changes="1000 2000 3000 4000")
    assert_regret(policy, environment=CHANGING, mean=49.1, error=0.4, replications=150)
