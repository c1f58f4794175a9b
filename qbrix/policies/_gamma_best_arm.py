"""The probability that an arm's rate is the largest, under independent Gamma posteriors."""

from __future__ import annotations

import numpy as np

from qbrix.policies._best_arm import CUTOFF, best_arm, race, require, together
from qbrix.policies._beta_best_arm import STIRLING
from qbrix.policies._excess import above, decay_below
from qbrix.types import Array, BoolArray, IntArray

PANEL = 3.0
"""Longest panel for two arms near a mode, in log-rate; also panels in a narrow window."""
LARGE = 16.0
"""From this shape on Stirling's series has all digits."""


def gamma_best_arm(shape: Array, rate: Array, *, mask: BoolArray | None = None) -> Array:
    r"""Probability that each arm has the largest of K independent Gamma variables.

    .. math::

        P_a = \int_0^\infty f_a(x) \prod_{b \ne a} F_b(x) \, dx, \qquad
        f_a(x) \propto x^{\alpha_a - 1} e^{-\beta_a x}

    Parameters
    ----------
    shape : Array, shape (..., K)
        :math:`\alpha` > 0, prior included.
    rate : Array, shape (..., K)
        :math:`\beta` > 0, prior included.
    mask : BoolArray, broadcastable to (..., K), optional
        Which arms take part. The parameters of the others are not looked at.

    Returns
    -------
    Array, shape (..., K)
        Non-negative, sums to 1 over the last axis, 0 where masked.

    Examples
    --------
    >>> gamma_best_arm(np.array([1.0, 1.0]), np.array([1.0, 3.0])).round(9)
    array([0.75, 0.25])

    Notes
    -----
    In :math:`y = \ln x` the density is entire and log-concave: from its mode
    :math:`y_0 = \ln(\alpha / \beta)` it falls by :math:`\alpha (e^s - 1 - s)` over a distance s,
    which also gives the ends of the window, by the two inverses of `qbrix.policies._excess`.
    """
    a, b, allowed = together(shape, rate, mask)
    for name, values in (("shape", a), ("rate", b)):
        good = (values > 0) & (values < np.inf) | ~allowed
        require(good, values, name=name, expected="a finite number > 0")
    return best_arm(_masses, a, b, allowed)


def _masses(shape: Array, rate: Array, allowed: BoolArray) -> Array:
    """The integrals of `gamma_best_arm` before their sum is set to 1, shape (rows, K)."""
    a, b = np.where(allowed, shape, 1.0), np.where(allowed, rate, 1.0)
    mode = np.log(a / b)
    left, right = decay_below(CUTOFF / a), np.log(above(CUTOFF / a))
    start = np.where(allowed, mode - left, -np.inf).max(-1, keepdims=True)
    window = left + right
    ends = np.where(allowed, np.minimum(mode + right - start, window), 0.0)
    top = np.where(ends > 0.0, _log_mode(a), -np.inf)
    mode -= start

    def density(points: Array, rows: IntArray) -> Array:
        s: Array = np.minimum(points - mode[rows, :, None], 700.0)
        height: Array = a[rows, :, None] * (s - np.expm1(s))
        height += top[rows, :, None]
        np.exp(height, out=height)
        return height

    def step(edge: Array) -> Array:
        ahead = mode - edge
        longest: Array = np.maximum(np.maximum(ahead / 2.0, -ahead), PANEL)
        np.minimum(window / PANEL, longest, out=longest)
        return longest

    return race(density, step, ends)[0]


def _log_mode(a: Array) -> Array:
    """Log-density of the log-rate at its mode, a ln a − a − ln Γ(a)."""
    from scipy.special import gammaln

    small, large = np.minimum(a, LARGE), np.maximum(a, LARGE)
    rest = np.zeros(a.shape)
    for coefficient in reversed(STIRLING):
        rest = rest / (large * large) + coefficient
    stirling = 0.5 * np.log(large / (2.0 * np.pi)) - rest / large
    return np.where(a < LARGE, small * np.log(small) - small - gammaln(small), stirling)
