"""The probability that an arm's score is the largest, under independent Student t scores."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.polynomial import polyval

from qbrix.policies._best_arm import BLOCK, CUTOFF, race, require, together
from qbrix.policies._counts import share
from qbrix.policies._gaussian_best_arm import POINT
from qbrix.types import Array, BoolArray, IntArray

WIDEST = 16.0 / 3.0
"""Scales in a panel around the centre of an arm that is nearly Gaussian."""
NEAR = 1.5
"""Panel around the centre, in distances from there to the poles of the density."""
GROWTH = 2.0
"""Panel in a tail, in distances from its nearer end to the centre."""
_LARGE = 40.0
"""Above it Γ(x + ½) / (Γ(x) √x) is its asymptotic series in 1/x, to rounding."""
_RATIO = (1.0, -1 / 8, 1 / 128, 5 / 1024, -21 / 32768, -399 / 262144, 869 / 4194304)
_COUNTS: Array = 2.0 ** np.arange(0.0, 10.5, 0.5)
"""How many like arms may share in what decides where the race begins."""


def student_best_arm(
    mean: Array, scale: Array, freedom: Array, *, mask: BoolArray | None = None
) -> Array:
    r"""Probability that each arm has the largest of K independent scores :math:`m + s \, t_\nu`.

    .. math:: P_a = \int f_a(x) \prod_{b \ne a} F_b(x) \, dx

    Parameters
    ----------
    mean : Array, shape (..., K)
        Locations :math:`m`, finite.
    scale : Array, shape (..., K)
        Scales :math:`s \ge 0`, finite. An arm of scale 0 scores its location for certain.
    freedom : Array, shape (..., K)
        Degrees of freedom :math:`\nu \ge 2`.
    mask : BoolArray, broadcastable to (..., K), optional
        Which arms take part. The parameters of the others are not looked at.

    Returns
    -------
    Array, shape (..., K)
        Non-negative, sums to 1 over the last axis, 0 where masked; absolute error ≤ 1e-10 for K up
        to 1000. Certain scores within ``1e-9 * max(1, |best|)`` of the best certain one share its
        probability evenly.

    Raises
    ------
    InvalidParameter
        A mean is not finite, a scale is negative or not finite, degrees of freedom are below 2, or
        a row has no allowed arm.
    ShapeError
        The arrays do not broadcast, or have no axis of arms.

    Examples
    --------
    >>> student_best_arm(np.zeros(4), np.ones(4), np.full(4, 2.0))
    array([0.25, 0.25, 0.25, 0.25])

    Notes
    -----
    With z > 0 a tail is at most half of :math:`(1 + z^2/\nu)^{-\nu/2}`: their difference is 0 at
    both ends, rises first and falls then. Hence windows in closed form, and a beginning of the race
    below which the product of all distribution functions, not only one of them, vanishes: with
    heavy tails that is far higher. Panels are short around a centre, within reach of the poles
    :math:`m \pm i s \sqrt\nu`, and grow in proportion to the distance from it.
    """
    m, s, allowed = together(mean, scale, mask)
    nu = np.broadcast_to(np.asarray(freedom, dtype=np.float64), m.shape)
    require(np.isfinite(m) | ~allowed, m, name="mean", expected="a finite number")
    good = (s >= 0) & (s < np.inf) | ~allowed
    require(good, s, name="scale", expected="a finite number >= 0")
    require((nu >= 2) & (nu < np.inf) | ~allowed, nu, name="freedom", expected="a number >= 2")
    n_arms = m.shape[-1]
    flat = [value.reshape(-1, n_arms) for value in (m, s, nu)]
    mask = allowed.reshape(-1, n_arms)
    wins = np.empty(mask.shape)
    rows = max(1, BLOCK // n_arms)
    for low in range(0, len(wins), rows):
        block = slice(low, low + rows)
        wins[block] = _masses(*(value[block] for value in flat), allowed=mask[block])
    wins /= wins.sum(-1, keepdims=True)
    return wins.reshape(m.shape)


def _masses(mean: Array, scale: Array, freedom: Array, *, allowed: BoolArray) -> Array:
    """The integrals of `student_best_arm` before their sum is set to 1, shape (rows, K)."""
    certain = allowed & (scale < POINT)
    wide = allowed & ~certain
    mean, freedom = np.where(allowed, mean, 0.0), np.where(wide, freedom, 1.0)
    scale = np.where(wide, scale, 0.0)
    offset, start = _origin(mean, scale, freedom, allowed)
    centre = offset - start
    ends = np.where(wide, centre + scale * _reach(freedom, CUTOFF), 0.0)
    narrowness = np.divide(1.0, scale, out=np.zeros_like(scale), where=ends > 0.0)
    shift, height = centre * narrowness, _peak(freedom) * narrowness
    power = -0.5 * (freedom + 1.0)
    shortest = scale * np.minimum(WIDEST, NEAR * np.sqrt(freedom))

    def density(points: Array, rows: IntArray) -> Array:
        z: Array = points * narrowness[rows, :, None]
        z -= shift[rows, :, None]
        np.clip(z, -1e150, 1e150, out=z)
        z *= z
        z /= freedom[rows, :, None]
        np.log1p(z, out=z)
        z *= power[rows, :, None]
        np.exp(z, out=z)
        z *= height[rows, :, None]
        return z

    def step(edge: Array) -> Array:
        away = edge - centre
        tail = np.where(away < 0.0, -away * (GROWTH / (1.0 + GROWTH)), away * GROWTH)
        return np.maximum(shortest, tail)

    wins, clear = race(density, step, ends)
    some = certain.any(-1)
    if some.any():
        wins[some] += clear[some] * share(mean[some], certain[some])
    return wins


def _origin(mean: Array, scale: Array, freedom: Array, allowed: BoolArray) -> tuple[Array, Array]:
    """Locations (rows, K) and where the race begins (rows, 1), counted from a location near by.

    Candidates are points that leave to no arm more than a part of the cut-off; the highest one is
    taken where the arms' parts add up to the whole.
    """
    counts = _COUNTS[2.0 * mean.shape[-1] > _COUNTS].reshape(-1, 1, 1)
    reach = scale * _reach(freedom, CUTOFF / counts)
    highest = np.where(allowed, mean - reach, -np.inf).argmax(-1)
    row = np.arange(len(mean))
    offset = mean - mean[row, highest, None]
    start = np.where(allowed, offset - reach, -np.inf).max(-1, keepdims=True)
    above = np.where(scale > 0.0, np.maximum(offset - start, 0.0), 0.0)
    z = np.divide(above, scale, out=np.zeros_like(above), where=scale > 0.0)
    parts = 0.5 * freedom * np.log1p(z * z / freedom)
    enough = parts.sum(-1) >= CUTOFF * (1.0 - 1e-9)
    enough[0] = True
    chosen = len(enough) - 1 - enough[::-1].argmax(0)
    return offset[chosen, row], start[chosen, row]


def _reach(freedom: Array, cutoff: Array | float) -> Array:
    """Scales from the centre beyond which a tail has less than ``exp(-cutoff)``."""
    reach: Array = np.sqrt(freedom * np.expm1(2.0 * cutoff / freedom))
    return reach


def _peak(freedom: Array) -> Array:
    """The standard density at 0: Γ((ν + 1) / 2) / (Γ(ν / 2) √(νπ)), shape as given."""
    from scipy.special import gammaln

    x = 0.5 * freedom
    inverse = 1.0 / np.maximum(x, _LARGE)
    series = polyval(inverse, _RATIO)
    small = np.minimum(x, _LARGE)
    exact = np.exp(gammaln(small + 0.5) - gammaln(small)) / np.sqrt(small)
    ratio: Array = np.where(x > _LARGE, series, exact) / np.sqrt(2.0 * np.pi)
    return ratio
