"""The laws of searches for the best arm, each broken by one policy that the suite must find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import SkipTest

import numpy as np
import pytest

from qbrix.policies import Capabilities, IdentificationPolicy
from qbrix.policies._counts import Rewards
from qbrix.policies.random import RandomPolicy
from qbrix.policies.uniform_sampling import UniformSamplingPolicy
from qbrix.testing import Check, ContractViolation, policy_checks
from qbrix.types import Array, BoolArray, IntArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere(UniformSamplingPolicy):
    """Recommends an arm that is not there."""

    def recommend(self, state: Rewards, *, rng: np.random.Generator | None = None) -> IntArray:
        arms: IntArray = np.full(state.pulls.shape[:-1], state.pulls.shape[-1])
        return arms


@dataclass(frozen=True, kw_only=True, slots=True)
class Partial(UniformSamplingPolicy):
    """Prefers the first of two arms that tie, whatever chance says."""

    def recommend(self, state: Rewards, *, rng: np.random.Generator | None = None) -> IntArray:
        return IdentificationPolicy.recommend(self, state)


@dataclass(frozen=True, kw_only=True, slots=True)
class Endless(UniformSamplingPolicy):
    """Never stops."""

    def stopped(self, state: Rewards, *, confidence: float) -> BoolArray:
        return UniformSamplingPolicy.stopped(self, state, confidence=confidence) & False


@dataclass(frozen=True, kw_only=True, slots=True)
class Hasty(UniformSamplingPolicy):
    """Stops before it has seen anything."""

    def stopped(self, state: Rewards, *, confidence: float) -> BoolArray:
        return UniformSamplingPolicy.stopped(self, state, confidence=confidence) | True


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrary(UniformSamplingPolicy):
    """Is the sooner sure the more confidence is asked for."""

    def stopped(self, state: Rewards, *, confidence: float) -> BoolArray:
        return UniformSamplingPolicy.stopped(self, state, confidence=1.0 - confidence)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spiteful(UniformSamplingPolicy):
    """Recommends the worst arm."""

    def merits(self, state: Rewards) -> Array:
        return -state.total_reward


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretender(RandomPolicy):
    """Says that it identifies and recommends nothing."""

    capabilities = Capabilities(reward="continuous", order_free=True, goal="identification")


def named(policy: type[Any], law: str) -> Check:
    """The check of one law."""
    return next(check for check in policy_checks(policy) if check.name == law)


@pytest.mark.parametrize(
    ("flawed", "law"),
    [
        (Elsewhere, "recommendation_is_an_arm"),
        (Partial, "recommendation_is_an_arm"),
        (Endless, "stops_on_evidence"),
        (Hasty, "stops_on_evidence"),
        (Contrary, "less_confidence_stops_earlier"),
        (Spiteful, "recommends_the_best_arm"),
        (Pretender, "beats_uniform"),
    ],
)
def test_each_flaw_is_found_by_its_law(flawed: type[Any], law: str) -> None:
    with pytest.raises(ContractViolation, match=flawed.__name__):
        named(flawed, law)()


def test_who_identifies_need_not_earn() -> None:
    with pytest.raises(SkipTest, match="recommends_the_best_arm"):
        named(UniformSamplingPolicy, "beats_uniform")()


def test_the_laws_are_for_those_who_recommend_only() -> None:
    laws = {check.name for check in policy_checks(RandomPolicy)}
    assert "recommends_the_best_arm" not in laws
    assert {"stops_on_evidence", "recommends_the_best_arm"} <= {
        check.name for check in policy_checks(UniformSamplingPolicy)
    }
