"""A policy written for one decision at a time is lifted to batches and leading axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from qbrix.environments import LinearContextual
from qbrix.policies import Capabilities, ScalarPolicy
from qbrix.state import State, array
from qbrix.testing import Check, policy_checks
from qbrix.types import Array
from tests.policies.linear import observed
from tests.policies.numbers import rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Last(State):
    """The last reward of every arm, 1 before there is one."""

    reward: Array = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recent(ScalarPolicy[Last]):
    """Prefers arms whose last reward was high; order matters."""

    state_type = Last
    capabilities = Capabilities()

    def probabilities(self, state: Last, x: Array | None) -> Array:
        weights = 0.1 + state.reward
        law: Array = weights / weights.sum()
        return law

    def learn(self, state: Last, x: Array | None, arm: int, reward: float) -> Last:
        changed = state.reward.copy()
        changed[arm] = reward
        return Last(reward=changed)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sides(State):
    """Sum of rewards by the sign of the context's last feature."""

    total: Array = array("K", 2)
    seen_by: Array = array("K", "d")


@dataclass(frozen=True, kw_only=True, slots=True)
class BySign(ScalarPolicy[Sides]):
    """A contextual policy in two lines."""

    state_type = Sides
    capabilities = Capabilities(
        context=True, reward="continuous", order_free=True, category="contextual"
    )

    def probabilities(self, state: Sides, x: Array | None) -> Array:
        assert x is not None
        best = np.exp(np.clip(state.total[:, int(x[-1] > 0)], -3.0, 3.0))
        law: Array = best / best.sum()
        return law

    def learn(self, state: Sides, x: Array | None, arm: int, reward: float) -> Sides:
        assert x is not None
        total, seen_by = state.total.copy(), state.seen_by.copy()
        total[arm, int(x[-1] > 0)] += reward
        seen_by[arm] += x
        return Sides(total=total, seen_by=seen_by)

    def example_environment(self) -> LinearContextual:
        """Where the sign of the last feature is all that counts."""
        return LinearContextual([[0.0, 1.0], [0.0, -1.0]])

    def merge(self, a: Sides, b: Sides) -> Sides:
        return Sides(total=a.total + b.total, seen_by=a.seen_by + b.seen_by)


@pytest.mark.parametrize("check", policy_checks([Recent(), BySign()]))
def test_lifted_policies_keep_every_law(check: Check) -> None:
    check()


def test_rows_are_learned_one_after_the_other() -> None:
    policy = Recent()
    state = policy.update(policy.init(n_arms=3), rows([1, 0, 1, -1], [1.0, 0.5, 0.2, 0.9]))
    assert state.reward.tolist() == [0.5, 0.2, 0.0]
    assert policy.propensities(state).tolist() == pytest.approx([0.6, 0.3, 0.1])


def test_a_mask_keeps_the_proportions_of_allowed_arms() -> None:
    policy = Recent()
    state = Last(reward=np.array([0.5, 0.2, 0.0]))
    shares = policy.propensities(state, mask=np.array([True, False, True]))
    assert shares.tolist() == pytest.approx([6 / 7, 0.0, 1 / 7])


def test_contexts_reach_the_author_one_by_one() -> None:
    policy = BySign()
    state = policy.update(
        policy.init(n_arms=2, dim=1), observed([0, 1], [np.log(3.0), 0.0], [[1.0], [1.0]])
    )
    shares = policy.propensities(state, np.array([[2.0], [-2.0]]))
    assert shares.tolist() == [pytest.approx([0.75, 0.25]), [0.5, 0.5]]
