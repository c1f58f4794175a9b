r"""A logarithm with the same bits on every machine, for detectors that learn by one.

The logarithms of numerical libraries differ in their last bits between processors. Here
:math:`x = 2^e m` is split exactly, and with :math:`z = (m - 1) / (m + 1)`, m in [√½, √2),

.. math:: \ln x = e \ln 2 + 2 \Bigl( z + \frac{z^3}{3} + \frac{z^5}{5} + \dots \Bigr)

needs + − × ÷ only. As |z| < 0.1716, what is left after z²³ is below 1e-19.
"""

from __future__ import annotations

import numpy as np

from qbrix.types import Array

_LN2 = 0.6931471805599453
_ROOT_HALF = 0.7071067811865476


def natural_log(x: Array) -> Array:
    """ln x for positive finite numbers, to about two units in the last place."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _ROOT_HALF
    m = np.where(small, mantissa + mantissa, mantissa)
    z = (m - 1.0) / (m + 1.0)
    square = z * z
    series = np.full_like(z, 1.0 / 23.0)
    for odd in range(21, 0, -2):
        series *= square
        series += 1.0 / odd
    series *= z + z
    series += (exponent - small) * _LN2
    return series


def x_log_x(x: Array) -> Array:
    """x ln x, 0 for x = 0."""
    positive = x > 0.0
    return np.where(positive, x * natural_log(np.where(positive, x, 1.0)), 0.0)
