"""LUCB: observe the leader and its challenger until their confidence intervals part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._pairs import PairPolicy
from qbrix.types import Array

__all__ = ["LUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LUCBPolicy(PairPolicy):
    r"""Observe the arm of the largest mean and the other arm of the largest upper bound, in pairs.

    .. math::

        h = \arg\max_a \hat\mu_a, \qquad
        l = \arg\max_{a \ne h} \hat\mu_a + \beta(N_a, t), \qquad
        \beta(n, t) = \sqrt{\frac{1}{2 n} \ln \frac{5 K t^4}{4 \delta}}

    with δ = 1 − confidence and t the number of the round, in which each of the two is observed
    once, in either order. Every allowed arm is observed once before; arms that tie share evenly. It
    stops when :math:`\hat\mu_l + \beta(N_l, t) \le \hat\mu_h - \beta(N_h, t)`.

    Parameters
    ----------
    confidence : float in (0, 1), default 0.95
        Whose bounds choose the challenger; the one at which it stops may be another.

    Examples
    --------
    >>> from qbrix.policies._pairs import Pairs
    >>> policy = LUCBPolicy()
    >>> state = Pairs(
    ...     pulls=np.ones(3), total_reward=np.array([0.0, 1.0, 0.5]),
    ...     new_pulls=np.zeros(3), new_reward=np.zeros(3),
    ... )
    >>> policy.propensities(policy.prepare(state))
    array([0. , 0.5, 0.5])

    Notes
    -----
    It errs with a probability of at most δ, and takes
    :math:`O(H \ln(H / \delta))` observations on average, :math:`H = \sum_a \Delta_a^{-2}`.
    *Applies when* rewards of an arm are independent in [0, 1] with a fixed mean. Leader and
    challenger are those of the last complete round, so that batches of more than two rows are
    spent on one pair.

    References
    ----------
    Kalyanakrishnan, Tewari, Auer and Stone (2012), *PAC Subset Selection in Stochastic Multi-Armed
    Bandits*: LUCB1, with one arm to be found.
    """

    def bounds(
        self, pulls: Array, mean: Array, *, t: Array, n_arms: int, delta: float
    ) -> tuple[Array, Array]:
        """Mean ± β, shape (..., K)."""
        level = np.log(1.25 * n_arms / delta) + 4.0 * np.log(t)
        radius = np.sqrt(level / (2.0 * pulls))
        return mean - radius, mean + radius
