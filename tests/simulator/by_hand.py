"""Small policies whose every step can be followed on paper."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qbrix.checks import param
from qbrix.policies import Capabilities, Policy
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, IntArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Journal(State):
    """What was learned of each arm, and in how many batches."""

    reward: Array = array("K")
    weight: Array = array("K")
    newest_version: Array = array()
    batches: Array = array()


def learned(state: Journal, batch: Interactions) -> Journal:
    """The journal after a batch, by plain loops over replications and rows."""
    reward, weight = state.reward.copy(), state.weight.copy()
    arms = batch.arms.reshape(-1, batch.arms.shape[-1])
    for r, row in enumerate(arms):
        for i, arm in enumerate(row):
            reward.reshape(len(arms), -1)[r, arm] += batch.rewards.reshape(arms.shape)[r, i]
            weight.reshape(len(arms), -1)[r, arm] += (
                1.0 / batch.propensities.reshape(arms.shape)[r, i]
            )
    return Journal(
        reward=reward,
        weight=weight,
        newest_version=batch.state_versions[..., -1].astype(np.float64),
        batches=state.batches + 1.0,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstantPolicy(Policy[Journal, Journal]):
    """Chooses one arm for ever."""

    arm: int = param(0, gte=0, doc="the arm")

    state_type = Journal
    capabilities = Capabilities(reward="continuous")

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        law = np.zeros_like(prepared.reward)
        law[..., self.arm] = 1.0
        return law

    def update(self, state: Journal, batch: Interactions) -> Journal:
        self.check_batch(state, batch)
        return learned(state, batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class TwoArmedPolicy(ConstantPolicy):
    """Chooses arm 0 with probability 1/4 and arm 1 with 3/4, and sums 1/propensity."""

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return np.broadcast_to([0.25, 0.75], prepared.reward.shape)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadingPolicy(Policy[Journal, Journal]):
    """Chooses the arm that stands in the first feature."""

    state_type = Journal
    capabilities = Capabilities(context=True, reward="binary", category="contextual")

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        assert context is not None
        n_arms = prepared.reward.shape[-1]
        law: Array = (context[..., :1] == np.arange(n_arms)).astype(np.float64)
        return np.where(law.sum(-1, keepdims=True) > 0.0, law, 1.0 / n_arms)

    def update(self, state: Journal, batch: Interactions) -> Journal:
        return learned(state, batch)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShortcutPolicy(ConstantPolicy):
    """Has a shortcut that breaks the law, so that its use shows: it draws the last arm."""

    def sample(
        self,
        prepared: Journal,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        leading, n_arms = prepared.reward.shape[:-1], prepared.reward.shape[-1]
        return np.full(leading, n_arms - 1)

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return ConstantPolicy.propensities(self, prepared, context, mask=mask)

    def update(self, state: Journal, batch: Interactions) -> Journal:
        return learned(state, replace(batch, propensities=np.ones_like(batch.rewards)))


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLawPolicy(ShortcutPolicy):
    """Gives another law and inherits a shortcut that does not know it."""

    def propensities(
        self, prepared: Journal, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        return ConstantPolicy.propensities(self, prepared, context, mask=mask)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeighingPolicy(ShortcutPolicy):
    """Has the same shortcut and learns from propensities, which the shortcut cannot tell."""

    sample = ShortcutPolicy.sample
    propensities = TwoArmedPolicy.propensities

    def update(self, state: Journal, batch: Interactions) -> Journal:
        return learned(state, batch)
