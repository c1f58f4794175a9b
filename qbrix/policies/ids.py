"""Information-directed sampling for rewards of 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander

from qbrix.checks import param
from qbrix.policies._counts import Rewards
from qbrix.policies._index import SumPolicy
from qbrix.policies.base import Capabilities
from qbrix.types import Array, BoolArray

__all__ = ["IDSPolicy"]

_ORDER = 8
_EDGES = np.array([-18.0, -9.0, -4.5, -1.5, 1.5, 4.5, 9.0, 18.0])
"""Panel edges of an arm, in standard deviations of its log-odds."""
_LEAST_GAIN = 1e-12
"""Added to every information gain, in nats: below it quadrature has no digits."""
_TIE = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class IDSPolicy(SumPolicy[Rewards, Rewards]):
    r"""Choose the mixture that pays least regret for what it learns about the best arm.

    .. math::

        p = \arg\min_\pi \frac{\bigl(\sum_a \pi_a \Delta_a\bigr)^2}{\sum_a \pi_a g_a}, \qquad
        \Delta_a = E[\max_b \theta_b] - E[\theta_a], \quad
        g_a = I(A^*; r_a)

    under the posterior :math:`\theta_a \sim \mathrm{Beta}(\alpha + S_a, \beta + N_a - S_a)`.
    :math:`g_a` is the information, in nats, that one reward of arm a gives about which arm is the
    best. The minimum is reached by at most two arms; mixtures that tie share evenly.

    Parameters
    ----------
    alpha_prior, beta_prior : float > 0, default 1
        Prior successes and failures of every arm.

    Examples
    --------
    >>> policy = IDSPolicy()
    >>> policy.propensities(policy.init(n_arms=4)).round(9)
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    Bayesian regret at most :math:`\sqrt{K T H / 2}`, where H is the entropy of the prior law of the
    best arm; often below Thompson sampling where arms inform unequally. *Applies when* rewards are
    0 or 1, independent with a fixed mean, and the prior is meant. Between two updates it repeats
    its mixture, often one arm: batches cost it more than they cost Thompson sampling.

    References
    ----------
    Russo and Van Roy (2018), *Learning to Optimize via Information-Directed Sampling*, section 5
    for the bound, section 6 for the Beta–Bernoulli computation and for why two arms are enough.
    """

    alpha_prior: float = param(1.0, gt=0, doc="prior successes of every arm")
    beta_prior: float = param(1.0, gt=0, doc="prior failures of every arm")

    state_type = Rewards
    capabilities = Capabilities(
        reward="binary",
        order_free=True,
        propensity="quadrature",
        max_arms=250,
        propensities_cost="K^3",
    )

    def propensities(
        self, prepared: Rewards, context: Array | None = None, *, mask: BoolArray | None = None
    ) -> Array:
        """Probability of every arm, shape (..., K)."""
        shape = prepared.pulls.shape
        a = (self.alpha_prior + prepared.total_reward).reshape(-1, shape[-1])
        b = (self.beta_prior + prepared.pulls - prepared.total_reward).reshape(a.shape)
        able = np.broadcast_to(True if mask is None else mask, shape).reshape(a.shape)
        law = np.zeros(a.shape)
        patterns, which = np.unique(able, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            block = np.ix_(np.flatnonzero(which.reshape(-1) == number), np.flatnonzero(pattern))
            law[block] = best_mixture(*regret_and_gain(a[block], b[block]))
        return law.reshape(shape)


def regret_and_gain(a: Array, b: Array) -> tuple[Array, Array]:
    """Expected regret and information gain of every arm of Beta(a, b), (rows, K) each."""
    chance, joint = _best_and_means(a, b)
    mean = a / (a + b)
    given = np.divide(
        joint,
        chance[..., None],
        out=mean[:, None].repeat(a.shape[1], 1),
        where=chance[..., None] > 1e-12,
    )
    gain = (chance[..., None] * _divergence(given, mean[:, None])).sum(1)
    best = np.einsum("raa->r", joint)
    return np.maximum(best[:, None] - mean, 0.0), gain


def best_mixture(regret: Array, gain: Array) -> Array:
    """The law over arms that minimises squared regret over gain, (rows, K)."""
    size = regret.shape[-1]
    if size == 1:
        return np.ones(regret.shape)
    i, j = np.triu_indices(size, k=1)
    gain = gain + _LEAST_GAIN
    slope, rise = regret[:, i] - regret[:, j], gain[:, i] - gain[:, j]
    product = slope * rise
    flat = np.abs(product) < 1e-15
    inner = (rise * regret[:, j] - 2.0 * slope * gain[:, j]) / np.where(flat, 1.0, product)
    shares = np.stack(
        [np.where(flat, 0.5, inner.clip(0.0, 1.0)), np.zeros(slope.shape), np.ones(slope.shape)]
    )
    ratio = (regret[:, j] + shares * slope) ** 2 / (gain[:, j] + shares * rise)
    lowest = ratio.min(0)
    chosen = (ratio <= lowest * (1.0 + _TIE)).argmax(0)
    first = np.take_along_axis(shares, chosen[None], axis=0)[0]
    pairs = lowest <= lowest.min(-1, keepdims=True) * (1.0 + _TIE)
    law = np.zeros(regret.shape)
    rows = np.broadcast_to(np.arange(len(law))[:, None], pairs.shape)
    np.add.at(law, (rows, i), pairs * first)
    np.add.at(law, (rows, j), pairs * (1.0 - first))
    law /= law.sum(-1, keepdims=True)
    return law


def _best_and_means(a: Array, b: Array) -> tuple[Array, Array]:
    """P(A* = i), (rows, K), and E[θ_j 1(A* = i)], (rows, K, K), by panels in the log-odds."""
    points, weights, below = _rule()
    spread = np.sqrt(1.0 / a + 1.0 / b)[..., None]
    edges = np.sort((np.log(a / b)[..., None] + spread * _EDGES).reshape(len(a), -1), axis=-1)
    lengths = np.diff(edges)[..., None]
    y = edges[:, :-1, None] + lengths * points
    x = 1.0 / (1.0 + np.exp(-y))
    log_x, log_rest = -np.logaddexp(0.0, -y), -np.logaddexp(0.0, y)
    height = a[..., None, None] * log_x[:, None] + b[..., None, None] * log_rest[:, None]
    mass = np.exp(height - height.max((-2, -1), keepdims=True)) * lengths[:, None]
    mass /= (mass @ weights).sum(-1)[..., None, None]
    worth = mass * x[:, None]
    under = np.maximum(_cumulated(mass, weights, below), 1e-20)
    part = np.minimum(_cumulated(worth, weights, below) / under, x[:, None])
    everyone = under.prod(1, keepdims=True) * weights
    wins = (mass * everyone / under).reshape(*a.shape, -1)
    chance = wins.sum(-1)
    joint = wins @ part.reshape(*a.shape, -1).swapaxes(-1, -2)
    own = (wins * x.reshape(len(a), 1, -1)).sum(-1)
    arms = np.arange(a.shape[1])
    joint[:, arms, arms] = own
    total = chance.sum(-1, keepdims=True)
    return chance / total, joint / total[..., None]


def _cumulated(mass: Array, weights: Array, below: Array) -> Array:
    """Integral up to every node, of the shape of ``mass``."""
    panels = mass @ weights
    before = panels.cumsum(-1) - panels
    total: Array = before[..., None] + mass @ below
    return total


def _divergence(p: Array, q: Array) -> Array:
    """Bernoulli divergence of numbers inside (0, 1)."""
    p, q = p.clip(1e-15, 1.0 - 1e-15), q.clip(1e-15, 1.0 - 1e-15)
    value: Array = p * np.log(p / q) + (1.0 - p) * np.log((1.0 - p) / (1.0 - q))
    return np.maximum(value, 0.0)


@cache
def _rule() -> tuple[Array, Array, Array]:
    """Gauss points and weights on [0, 1], and the matrix of integrals up to each point."""
    points, weights = leggauss(_ORDER)
    legendre = legvander(points, _ORDER)
    before = np.hstack([np.full((_ORDER, 1), -1.0), legendre[:, : _ORDER - 1]])
    below = (legendre[:, 1:] - before) @ legendre[:, :_ORDER].T * weights / 4.0
    return (points + 1.0) / 2.0, weights / 2.0, np.ascontiguousarray(below.T)
