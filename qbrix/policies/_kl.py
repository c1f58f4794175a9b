r"""The Bernoulli divergence and its upper inverse.

.. math::

    \mathrm{kl}(p, q) = p \ln\frac{p}{q} + (1 - p) \ln\frac{1 - p}{1 - q}
"""

from __future__ import annotations

import numpy as np

from qbrix.types import Array


def upper_index(mean: Array, level: Array, *, tolerance: float, max_iterations: int) -> Array:
    r"""Largest q in [mean, 1] with ``kl(mean, q) <= level``.

    Newton's method in :math:`u = -\ln(1 - q)`, where the divergence is convex and, towards q = 1,
    a straight line. From the right of the root it descends without overshooting; the first point
    is the smaller of two upper bounds (Pinsker's, and the divergence without its second logarithm).

    Parameters
    ----------
    mean : Array, in [0, 1]
    level : Array, >= 0
        Broadcasts with ``mean``.
    tolerance : float
        Stop when no step is larger, relative to the distance that u has from the mean's.
    max_iterations : int

    Returns
    -------
    Array
        In [mean, 1].
    """
    p, level = np.broadcast_arrays(mean, level)
    rest = 1.0 - p
    inner = (rest > 0.0) & (level > 0.0)
    p_, rest_ = np.where(inner, p, 0.5), np.where(inner, rest, 0.5)
    level_ = np.where(inner, level, 1.0)
    floor = -np.log(rest_)
    constant = _x_log_x(p_) + _x_log_x(rest_) - level_
    u = _above(p_, rest_, constant, level_)
    for _ in range(max_iterations):
        q = -np.expm1(-u)
        value = constant + rest_ * u - p_ * np.log(q)
        step = value * q / np.maximum(q - p_, 1e-300)
        moved = np.maximum(u - step, floor)
        small = np.abs(moved - u) <= tolerance * (u - floor)
        u = moved
        if small.all():
            break
    return np.where(inner, np.maximum(-np.expm1(-u), p), p)


def _x_log_x(x: Array) -> Array:
    """x ln x, 0 at 0."""
    return x * np.log(np.maximum(x, 1e-300))


def _above(p: Array, rest: Array, constant: Array, level: Array) -> Array:
    """A point at or right of the root."""
    pinsker = np.minimum(p + np.sqrt(level / 2.0), 1.0)
    linear = -constant / rest
    return np.minimum(-np.log(np.maximum(1.0 - pinsker, 1e-300)), linear)
