"""KL-LUCB: leader and challenger by confidence bounds from a Bernoulli divergence."""

from __future__ import annotations

from dataclasses import dataclass
from math import e

import numpy as np

from qbrix.checks import param
from qbrix.policies._index import largest_mean
from qbrix.policies._pairs import PairPolicy
from qbrix.types import Array

__all__ = ["KLLUCBPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KLLUCBPolicy(PairPolicy):
    r"""Observe the arm of the largest mean and the other arm of the largest upper bound, in pairs.

    .. math::

        U_a = \max\{ q \ge \hat\mu_a : N_a \, \mathrm{kl}(\hat\mu_a, q) \le \beta \}, \qquad
        L_a = \min\{ q \le \hat\mu_a : N_a \, \mathrm{kl}(\hat\mu_a, q) \le \beta \}

    with :math:`\beta = \ell + \ln \ell`, :math:`\ell = \ln(k_1 K t^\alpha / \delta)`,
    δ = 1 − confidence and t the number of the round, in which the leader h and the challenger l are
    observed once each, in either order. Every allowed arm is observed once before; arms that tie
    share evenly. It stops when :math:`U_l \le L_h`.

    Parameters
    ----------
    confidence : float in (0, 1), default 0.95
        Whose bounds choose the challenger; the one at which it stops may be another.
    alpha : float > 1, default 1.1
        Growth of the exploration with t; the constant
        :math:`k_1 = 2e + 1 + e / (\alpha - 1) + (e + 1) / (\alpha - 1)^2` follows from it, 405.4
        for 1.1. The authors' experiments use 1.1.
    practical : bool, default False
        Explore with :math:`\beta = \ln((1 + \ln t) / \delta)` instead, as experiments in print do:
        errors stay within δ in practice, without a proof.

    Examples
    --------
    >>> from qbrix.policies._pairs import Pairs
    >>> policy = KLLUCBPolicy()
    >>> state = Pairs(
    ...     pulls=np.ones(3), total_reward=np.array([0.0, 1.0, 0.5]),
    ...     new_pulls=np.zeros(3), new_reward=np.zeros(3),
    ... )
    >>> policy.propensities(policy.prepare(state))
    array([0. , 0.5, 0.5])

    Notes
    -----
    It errs with a probability of at most δ. Its mean number of observations is governed by
    Chernoff information in the place of LUCB's squared gaps: fewer where means are near 0 or 1.
    *Applies when* rewards of an arm are independent in [0, 1] with a fixed mean. Leader and
    challenger are those of the last complete round, so that batches of more than two rows are
    spent on one pair.

    References
    ----------
    Kaufmann and Kalyanakrishnan (2013), *Information Complexity in Bandit Subset Selection*:
    KL-LUCB, with one arm to be found.
    """

    alpha: float = param(1.1, gt=1, doc="growth of the exploration with the round")
    practical: bool = param(False, doc="explore as experiments do, without a proof")

    def bounds(
        self, pulls: Array, mean: Array, *, t: Array, n_arms: int, delta: float
    ) -> tuple[Array, Array]:
        """The ends of what the divergence allows, shape (..., K)."""
        if self.practical:
            exploration = np.log((1.0 + np.log(t)) / delta)
        else:
            over = self.alpha - 1.0
            constant = 2.0 * e + 1.0 + e / over + (e + 1.0) / over**2
            level = np.log(constant * n_arms / delta) + self.alpha * np.log(t)
            exploration = level + np.log(level)
        return 1.0 - _upper(1.0 - mean, exploration, pulls), _upper(mean, exploration, pulls)


def _upper(mean: Array, exploration: Array, pulls: Array) -> Array:
    return largest_mean(mean, exploration, pulls, tolerance=1e-6, max_iterations=50)
