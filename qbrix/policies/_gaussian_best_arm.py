"""The probability that an arm's score is the largest, under independent Gaussian scores."""

from __future__ import annotations

import numpy as np

from qbrix.policies._best_arm import CUTOFF, best_arm, race, require, together
from qbrix.types import Array, BoolArray, IntArray

PANELS = 3.0
"""Panels in an arm's window when two arms race."""
TIE = 1e-9
"""Scores within this share of max(1, |best|) tie."""
POINT = 1e-300
"""A scale below this is a point mass: its reciprocal would overflow."""


def gaussian_best_arm(mean: Array, scale: Array, *, mask: BoolArray | None = None) -> Array:
    r"""Probability that each arm has the largest of K independent Gaussian scores.

    .. math::

        P_a = \int \frac{1}{s_a} \varphi\!\left(\frac{x - m_a}{s_a}\right)
              \prod_{b \ne a} \Phi\!\left(\frac{x - m_b}{s_b}\right) dx

    Parameters
    ----------
    mean : Array, shape (..., K)
        Expected scores :math:`m`, finite.
    scale : Array, shape (..., K)
        Standard deviations :math:`s \ge 0`, finite. An arm of scale 0 scores its mean for certain.
    mask : BoolArray, broadcastable to (..., K), optional
        Which arms take part. The parameters of the others are not looked at.

    Returns
    -------
    Array, shape (..., K)
        Non-negative, sums to 1 over the last axis, 0 where masked; absolute error ≤ 1e-10 for K
        from 1 to 1000, whatever the ratio of the scales. Certain scores within
        ``1e-9 * max(1, |best|)`` of the best certain one share its probability evenly.

    Raises
    ------
    InvalidParameter
        A mean is not finite, a scale is negative or not finite, or a row has no allowed arm.
    ShapeError
        The arrays do not broadcast, or have no axis of arms.

    Examples
    --------
    >>> gaussian_best_arm(np.zeros(4), np.ones(4))
    array([0.25, 0.25, 0.25, 0.25])
    >>> gaussian_best_arm(np.array([0.0, 0.0, 0.0]), np.array([0.0, 0.0, 5.0]))
    array([0.25, 0.25, 0.5 ])

    Notes
    -----
    The normal density is entire, so a window of eight standard deviations to either side takes
    three panels. Coordinates count from the mean of the arm whose window begins highest, and then
    from that beginning: differences of close means are exact there, and scales of any ratio keep
    their digits. A point mass is a window of length zero; it wins when nobody scores above it.

    References
    ----------
    Agrawal and Goyal (2013), *Thompson Sampling for Contextual Bandits with Linear Payoffs*,
    Algorithm 1: with disjoint arms its scores are independent normals, which race here.
    """
    m, s, allowed = together(mean, scale, mask)
    require(np.isfinite(m) | ~allowed, m, name="mean", expected="a finite number")
    good = (s >= 0) & (s < np.inf) | ~allowed
    require(good, s, name="scale", expected="a finite number >= 0")
    return best_arm(_masses, m, s, allowed)


def _masses(mean: Array, scale: Array, allowed: BoolArray) -> Array:
    """The integrals of `gaussian_best_arm` before their sum is set to 1, shape (rows, K)."""
    wide = allowed & (scale >= POINT)
    mean, scale = np.where(allowed, mean, 0.0), np.where(wide, scale, 0.0)
    reach = np.sqrt(2.0 * CUTOFF) * scale
    highest = np.where(allowed, mean - reach, -np.inf).argmax(-1)
    offset = mean - mean[np.arange(len(mean)), highest, None]
    start = np.where(allowed, offset - reach, -np.inf).max(-1, keepdims=True)
    ends = np.where(wide, np.minimum(offset + reach - start, 2.0 * reach), 0.0)
    panel = 2.0 * reach / PANELS
    narrowness = np.divide(np.sqrt(0.5), scale, out=np.zeros_like(scale), where=ends > 0)
    shift, height = (offset - start) * narrowness, narrowness / np.sqrt(np.pi)

    def density(points: Array, rows: IntArray) -> Array:
        z: Array = points * narrowness[rows, :, None]
        z -= shift[rows, :, None]
        np.clip(z, -30.0, 30.0, out=z)
        z *= z
        np.negative(z, out=z)
        np.exp(z, out=z)
        z *= height[rows, :, None]
        return z

    wins, clear = race(density, lambda _: panel, ends)
    certain = allowed & (scale == 0)
    if certain.any():
        wins += clear * _shares(mean, certain)
    return wins


def _shares(mean: Array, certain: BoolArray) -> Array:
    """How the best certain scores divide what nobody beats, shape (rows, K)."""
    best = np.where(certain, mean, -np.inf).max(-1, keepdims=True)
    tied = certain & (mean >= best - TIE * np.maximum(1.0, np.abs(best)))
    shares: Array = tied / np.maximum(tied.sum(-1, keepdims=True), 1)
    return shares
