r"""How much speaks for the arm of the largest mean: likelihood ratios of Bernoulli arms.

Against one other arm b the generalised ratio for a is

.. math::

    Z_{a,b} = N_a \, \mathrm{kl}(\hat\mu_a, m) + N_b \, \mathrm{kl}(\hat\mu_b, m), \qquad
    m = \frac{S_a + S_b}{N_a + N_b}

for means that are not the wrong way round: what it takes to make the two equal.
"""

from __future__ import annotations

import numpy as np

from qbrix.policies._counts import UNOBSERVED
from qbrix.policies.identification import check_confidence
from qbrix.theory import bernoulli_divergence
from qbrix.types import Array, BoolArray, IntArray

LAST = -UNOBSERVED / 2.0
"""Score of what comes after everything else; finite even less the margin of a tie."""


def observed_means(pulls: Array, total: Array) -> Array:
    """Mean rewards, shape (..., K); `LAST` for an unobserved arm."""
    return np.where(pulls > 0.0, total / np.maximum(pulls, 1.0), LAST)


def transport(pulls: Array, total: Array, *, leader: IntArray) -> Array:
    """Z of the leader against every arm, shape (..., K); 0 against an arm that is no worse.

    Parameters
    ----------
    pulls, total : Array, shape (..., K)
    leader : IntArray, shape (...)
    """
    index = leader[..., None]
    own = np.take_along_axis(pulls, index, -1)
    paid = np.take_along_axis(total, index, -1)
    both = np.maximum(own + pulls, 1.0)
    shared = np.clip((paid + total) / both, 0.0, 1.0)
    mean = np.clip(total / np.maximum(pulls, 1.0), 0.0, 1.0)
    best = np.take_along_axis(mean, index, -1)
    rival = (mean < best) & (pulls > 0.0) & (own > 0.0)
    of_best = np.where(rival, bernoulli_divergence(best, shared), 0.0)
    of_other = np.where(rival, bernoulli_divergence(mean, shared), 0.0)
    cost: Array = own * of_best + pulls * of_other
    return cost


def likelihood_ratio(pulls: Array, total: Array) -> Array:
    """Least Z of the arm of the largest mean against the others, shape (...); ∞ for one arm."""
    leader = observed_means(pulls, total).argmax(-1)
    cost = transport(pulls, total, leader=leader)
    others = np.arange(pulls.shape[-1]) != leader[..., None]
    least: Array = np.where(others, cost, np.inf).min(-1)
    return least


def certain(pulls: Array, total: Array, *, confidence: float, practical: bool = False) -> BoolArray:
    r"""Chernoff's stopping rule, shape (...): the likelihood ratio exceeds its threshold.

    .. math:: \min_b Z_{a,b}(t) > \ln \frac{2 t (K - 1)}{\delta}

    With Bernoulli arms it errs with a probability of at most δ = 1 − confidence, whatever the
    sampling, although it is asked after every round. The practical threshold is
    :math:`\ln((1 + \ln t) / \delta)`.

    References
    ----------
    Garivier and Kaufmann (2016), *Optimal Best Arm Identification with Fixed Confidence*,
    Theorem 10, and section 6 for the practical threshold.
    """
    delta = check_confidence(confidence)
    t = np.maximum(pulls.sum(-1), 1.0)
    rivals = max(pulls.shape[-1] - 1, 1)
    odds = 1.0 + np.log(t) if practical else 2.0 * t * rivals
    enough: BoolArray = likelihood_ratio(pulls, total) > np.log(odds / delta)
    return enough
