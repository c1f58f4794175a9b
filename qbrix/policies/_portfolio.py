r"""What a portfolio of policies remembers, and the controller that weighs them.

The controller is exponential weights over estimated losses in units of the largest difference E
that two learners' terms ever had. Terms count relative to their mean under the weights of their
decision, so that nothing grows but what separates the learners. Only + − × ÷ are used, the weights
of the decision being recorded, so ``update`` may call it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.policies._counts import Pulls
from qbrix.policies._in_order import rows
from qbrix.policies._nested import AnyPolicy, initial, policy_of, size_of, unpacked
from qbrix.policies._weighted import softmax
from qbrix.state import State, array, zeros
from qbrix.support import RewardSupport, includes
from qbrix.types import Array, BoolArray, Interactions

_CLICKS = "BetaTSPolicy; KLUCBPolicy; DiscountedTSPolicy(gamma=0.99); TsallisINFRVPolicy"
_NUMBERS = "GaussianTSPolicy; GaussianKLUCBPolicy; EpsilonPolicy(eps=0.1, gamma=0.999)"
_LINEAR = "LinTSPolicy; LinUCBPolicy; EpsilonPolicy(eps=0.1, gamma=0.999)"
PORTFOLIOS = {
    ("binary", False): _CLICKS,
    ("bounded", False): _CLICKS,
    ("nonnegative", False): _NUMBERS,
    ("continuous", False): _NUMBERS,
    ("binary", True): "LogisticTSPolicy; LinUCBPolicy(alpha=0.5); BetaTSPolicy",
    ("bounded", True): "LinTSPolicy(v=0.3); LinUCBPolicy(alpha=0.5); BetaTSPolicy",
    ("nonnegative", True): _LINEAR,
    ("continuous", True): _LINEAR,
}
"""Rewards and whether contexts are seen → the usual learners."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portfolio(Pulls):
    """What the controller and its M learners remember.

    ``loss`` and ``variance`` are in units of ``scale``, which is E. The sums of the features are
    kept so that d is known; the learners' states lie one after the other in ``learners``.
    """

    context_total: Array = array("d")
    learners: Array = array("m")
    loss: Array = array("M")
    variance: Array = array()
    scale: Array = array()
    mean_reward: Array = array()


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What every learner prepares, and its weight, (..., M)."""

    prepared: tuple[Any, ...]
    weights: Array


@lru_cache(maxsize=256)
def portfolio_of(text: str) -> tuple[AnyPolicy, ...]:
    """The policies that a text names, with semicolons between."""
    return tuple(policy_of(part) for part in text.strip().strip(";").split(";"))


def check_fit(learner: AnyPolicy, *, reward_type: str, use_context: bool) -> None:
    """Raise `InvalidParameter` unless the learner can learn from every interaction."""
    can = learner.capabilities
    narrow = not includes(can.reward, cast(RewardSupport, reward_type))
    reasons = {
        "it decides by context; set use_context=True": can.context and not use_context,
        f"it learns from {can.reward} rewards only": narrow,
        "it records numbers at the decision itself": can.recorded > 0,
    }
    for reason, holds in reasons.items():
        if holds:
            raise InvalidParameter(
                f"MetaBanditPolicy(learners=…): {type(learner).__name__} does not fit "
                f"reward_type={reward_type!r}: {reason}, or name another policy"
            )


def beginning(text: str, *, n_arms: int, dim: int) -> Portfolio:
    """Nothing observed, and every learner's own beginning."""
    learners = portfolio_of(text)
    starts = [initial(learner, n_arms, dim=width(learner, dim)) for learner in learners]
    numbers = np.concatenate(starts)
    empty = zeros(Portfolio, K=n_arms, d=dim, m=numbers.size, M=len(starts))
    return replace(empty, learners=numbers)


def width(learner: AnyPolicy, dim: int) -> int:
    """Features that the learner sees of ``dim``."""
    return dim if learner.capabilities.context else 0


def states(text: str, state: Portfolio) -> Iterator[tuple[AnyPolicy, State]]:
    """Every learner with a state of its own, a copy."""
    n_arms, dim = state.pulls.shape[-1], state.context_total.shape[-1]
    start = 0
    for learner in portfolio_of(text):
        own = width(learner, dim)
        stop = start + size_of(learner, n_arms, dim=own)
        numbers = state.learners[..., start:stop]
        yield learner, unpacked(learner, numbers, n_arms=n_arms, dim=own)
        start = stop


def laws(
    text: str, panel: Panel, context: Array | None, *, mask: BoolArray | None = None
) -> list[Array]:
    """What every learner would do, (..., K) each."""
    found = [
        learner.propensities(part, context if learner.capabilities.context else None, mask=mask)
        for learner, part in zip(portfolio_of(text), panel.prepared, strict=True)
    ]
    if context is None:
        return found
    shape = np.broadcast_shapes(*(law.shape for law in found), (*context.shape[:-1], 1))
    return [np.broadcast_to(law, shape) for law in found]


def weights(state: Portfolio, *, gamma: float) -> Array:
    """How much each learner counts in the next decision, (..., M)."""
    many = state.loss.shape[-1]
    variance = np.maximum(state.variance, np.log(many))
    rate = np.sqrt(np.log(many) / np.where(variance > 0.0, variance, 1.0))
    law: Array = gamma / many + (1.0 - gamma) * softmax(-rate[..., None] * state.loss, None)
    return law


def control(state: Portfolio, batch: Interactions) -> None:
    """Judge the learners by each row in turn, in place.

    ``batch.recorded`` (..., n, 2 M) holds each learner's probability of the chosen arm, and each
    learner's weight.
    """
    many, n = state.loss.shape[-1], batch.arms.shape[-1]
    if n == 0:
        return
    if batch.recorded is None or batch.recorded.shape != (*batch.arms.shape, 2 * many):
        shape = None if batch.recorded is None else batch.recorded.shape
        raise ShapeError(
            f"recorded has shape {shape}, expected {(*batch.arms.shape, 2 * many)}: what record() "
            "returned at the decision"
        )
    seen, loss = rows(state.pulls).sum(-1), rows(state.loss)
    arms = batch.arms.reshape(-1, n)
    rewards, propensities = batch.rewards.reshape(-1, n), batch.propensities.reshape(-1, n)
    recorded = batch.recorded.reshape(-1, n, 2 * many)
    variance, scale = state.variance.reshape(-1), state.scale.reshape(-1)
    mean = state.mean_reward.reshape(-1)
    for row in range(n):
        at = np.flatnonzero(arms[:, row] >= 0)
        reward = rewards[at, row]
        missed = np.where(seen[at] > 0.0, mean[at] - reward, 0.0)
        ratio = recorded[at, row, :many] / propensities[at, row, None]
        own = recorded[at, row, many:]
        terms = missed[:, None] * ratio
        terms -= (own * terms).sum(-1, keepdims=True)
        spread = terms.max(-1) - terms.min(-1)
        wider = np.maximum(scale[at], spread)
        unit = np.where(wider > 0.0, wider, 1.0)
        shrink, terms = scale[at] / unit, terms / unit[:, None]
        loss[at] = loss[at] * shrink[:, None] + terms
        variance[at] = variance[at] * (shrink * shrink) + (own * terms * terms).sum(-1)
        scale[at] = wider
        seen[at] += 1.0
        mean[at] += (reward - mean[at]) / seen[at]


def add_contexts(state: Portfolio, batch: Interactions) -> None:
    """Add the contexts row by row, in place; called for a state with features."""
    assert batch.contexts is not None
    total = rows(state.context_total)
    n, dim = batch.contexts.shape[-2:]
    if n == 0:
        return
    arms, contexts = batch.arms.reshape(-1, n), batch.contexts.reshape(-1, n, dim)
    for row in range(n):
        at = np.flatnonzero(arms[:, row] >= 0)
        total[at] += contexts[at, row]
