"""Bagging for contexts: ridge regressions on bootstrap samples of the history, one vote each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import numpy as np

from qbrix.checks import check_context, check_features, param
from qbrix.policies._counts import Pulls, pick, share
from qbrix.policies._hashing import fractions, mixed, row_words, tosses
from qbrix.policies._linear import _pairs, _products, _rows, _square
from qbrix.policies.base import Capabilities, Policy
from qbrix.state import array, zeros
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["BaggedLinearPolicy"]

_BLOCK = 2**20
"""Numbers of an array that is made at once in ``prepare``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bags(Pulls):
    """Weighted sums of x xᵀ (upper triangle) and r x for each arm and each of M models."""

    precision: Array = array("K", "M", "p")
    moment: Array = array("K", "M", "d")


@dataclass(frozen=True, kw_only=True, slots=True)
class BaggedLinearPolicy(Policy[Bags, Array]):
    r"""Choose like one of M models, each of which learned from half of the history, doubled.

    .. math::

        p_a = \frac{1}{M} \sum_m 1\bigl\{a = \arg\max_b x^\top \hat\theta_{m,b}\bigr\}, \qquad
        \hat\theta_{m,a} = \Bigl(\lambda I + \sum_s w_{m,s} x_s x_s^\top\Bigr)^{-1}
            \Bigl(\lambda\, \theta^0_{m,a} + \sum_s w_{m,s} r_s x_s\Bigr)

    Each observation counts with weight 2 in about half of the models and not in the others
    (*double or nothing*): where the data say little, the models disagree. The coins are a hash of
    the observation, so that equal logs teach equal things. Before there are data the models
    disagree by their priors :math:`\theta^0`, fixed normal numbers of standard deviation s: a model
    need not have seen an arm to believe in it. Scores that tie share a vote evenly.

    Parameters
    ----------
    models : int from 2 to 64, default 16
        M; probabilities are multiples of 1/M. Another number needs a reset.
    prior_precision : float > 0, default 1
        λ.
    prior_scale : float >= 0, default 1
        s; about the size of the coefficients.

    Examples
    --------
    >>> policy = BaggedLinearPolicy(models=8, prior_scale=0.0)
    >>> prepared = policy.prepare(policy.init(n_arms=2, dim=3))
    >>> policy.propensities(prepared, np.array([1.0, 0.2, 0.4]))
    array([0.5, 0.5])

    Notes
    -----
    With models enough, regret is close to that of Thompson sampling; how many are enough grows with
    the logarithm of the horizon. *Applies when* the expected reward of every arm is nearly linear
    in the context; unlike `LinTSPolicy` it needs no idea of the noise, which may differ between
    arms and contexts. It goes on exploring between two updates: batches and delay suit it.

    References
    ----------
    Eckles and Kaptein (2014), *Thompson Sampling with the Online Bootstrap*, Algorithm 2 (double or
    nothing). Lu and Van Roy (2017), *Ensemble Sampling*, for models with priors of their own.
    """

    models: int = param(16, gte=2, lte=64, doc="number of models", structural=True)
    prior_precision: float = param(1.0, gt=0, doc="precision of the prior of every coefficient")
    prior_scale: float = param(1.0, gte=0, doc="how far the models' priors lie apart")

    state_type = Bags
    capabilities = Capabilities(
        context=True,
        reward="continuous",
        propensity="points",
        category="contextual",
        propensities_cost="M K d",
        update_cost="M d^2",
    )

    def init(self, *, n_arms: int, dim: int = 0) -> Bags:
        """The state before the first interaction; ``dim`` is at least 1."""
        check_features(dim, owner=type(self).__name__)
        return zeros(Bags, K=n_arms, M=self.models, d=dim, p=dim * (dim + 1) // 2)

    def prepare(self, state: Bags) -> Array:
        """Coefficients of every model, (..., M, K, d)."""
        n_arms, many, dim = state.moment.shape[-3:]
        leading = state.moment.shape[:-3]
        count = int(np.prod(leading, dtype=np.int64)) * n_arms
        solved = np.empty((count, many, dim))
        several = max(1, _BLOCK // (many * dim * dim))
        for low in range(0, count, several):
            some = np.arange(low, min(low + several, count))
            solved[some] = self._solved(state, some)
        return np.ascontiguousarray(solved.reshape(*leading, n_arms, many, dim).swapaxes(-3, -2))

    def advance(self, prepared: Array, state: Bags, batch: Interactions) -> Array:
        """Solve anew for the arms that were observed."""
        many, n_arms, dim = prepared.shape[-3:]
        coefficients = prepared.reshape(-1, many, n_arms, dim, copy=False)
        for index, _, _ in _rows(batch, n_arms):
            coefficients[index // n_arms, :, index % n_arms] = self._solved(state, index)
        return prepared

    def update_in_place(self, state: Bags, batch: Interactions) -> None:
        """Toss a coin per model and row; add x xᵀ and r x twice or not at all."""
        n_arms, many, dim = state.moment.shape[-3:]
        pulls = state.pulls.reshape(-1, copy=False)
        precision = state.precision.reshape(-1, many, state.precision.shape[-1], copy=False)
        moment = state.moment.reshape(-1, many, dim, copy=False)
        for index, x, rewards in _rows(batch, n_arms):
            words = row_words(index % n_arms, pulls[index], rewards, x)
            weights = 2.0 * tosses(words, count=many)
            precision[index] += weights[..., None] * _pairs(x, x)[:, None]
            moment[index] += (weights * rewards[:, None])[..., None] * x[:, None]
            pulls[index] += 1.0

    def propensities(
        self, prepared: Array, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Share of the models' votes, shape (..., K)."""
        many, _, dim = prepared.shape[-3:]
        x = check_context(context, dim=dim, owner="BaggedLinearPolicy")
        votes = share(_products(prepared[..., 0, :, :], x), mask)
        for model in range(1, many):
            votes += share(_products(prepared[..., model, :, :], x), mask)
        votes /= votes.sum(-1, keepdims=True)
        return votes

    def sample(
        self,
        prepared: Array,
        context: Array | None = None,
        *,
        mask: BoolArray | None = None,
        rng: np.random.Generator,
    ) -> IntArray:
        """The best arm in the eyes of one model, drawn anew for each leading index."""
        many, n_arms, dim = prepared.shape[-3:]
        x = check_context(context, dim=dim, owner="BaggedLinearPolicy")
        leading = np.broadcast_shapes(prepared.shape[:-3], x.shape[:-1])
        own = np.broadcast_to(prepared, (*leading, many, n_arms, dim))
        model = rng.integers(0, many, leading)[..., None, None, None]
        chosen = np.take_along_axis(own, model, axis=-3)[..., 0, :, :]
        scores = (chosen @ np.broadcast_to(x, (*leading, dim))[..., None])[..., 0]
        return pick(scores, mask=mask, rng=rng)

    def _solved(self, state: Bags, index: IntArray) -> Array:
        """Coefficients (m, M, d) for some of the flattened arms."""
        n_arms, many, dim = state.moment.shape[-3:]
        packed = state.precision.reshape(-1, many, state.precision.shape[-1])[index]
        matrix = packed.take(_square(dim), axis=-1) + self.prior_precision * np.eye(dim)
        prior = self.prior_scale * _priors(n_arms, many, dim)[index % n_arms]
        right = state.moment.reshape(-1, many, dim)[index] + self.prior_precision * prior
        return cast(Array, np.linalg.solve(matrix, right[..., None]))[..., 0]


@lru_cache(maxsize=16)
def _priors(n_arms: int, many: int, dim: int) -> Array:
    """Fixed standard normal numbers (K, M, d), which an even number of models balances to 0.

    They depend on arm, model and feature only, not on the number of arms.
    """
    from scipy.special import ndtri

    half = (many + 1) // 2
    arms, models, features = (np.arange(n, dtype=np.uint64) for n in (n_arms, half, dim))
    words = mixed(mixed(arms)[:, np.newaxis] + models)
    words = mixed(words[..., np.newaxis] + features)
    numbers = cast(Array, ndtri(cast(Any, fractions(words))))
    both = np.concatenate([numbers, -numbers], axis=1)[:, :many]
    both.flags.writeable = False
    return both
