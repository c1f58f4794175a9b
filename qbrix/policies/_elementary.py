r"""A logarithm and an exponential with the same bits on every machine, for learning by them.

Those of numerical libraries differ in their last bits between processors. Here both are split into
an exact power of two and a series that needs + − × ÷ only. With :math:`x = 2^k m`, m in [√½, √2)
and :math:`z = (m - 1) / (m + 1)`, |z| < 0.1716,

.. math:: \ln x = k \ln 2 + 2 \Bigl( z + \frac{z^3}{3} + \frac{z^5}{5} + \dots \Bigr) ,

and with :math:`x = k \ln 2 + r`, |r| < 0.3466,

.. math:: e^x = 2^k \Bigl( 1 + r + \frac{r^2}{2!} + \frac{r^3}{3!} + \dots \Bigr) .

What is left after z²³ and after r¹⁴ is below 1e-18.
"""

from __future__ import annotations

import numpy as np

from qbrix.types import Array

_LN2 = 0.6931471805599453
_ROOT_HALF = 0.7071067811865476
_LN2_HEAD = 0.693147180369123816490
_LN2_TAIL = 1.90821492927058770002e-10
"""ln 2 in two parts; the first has so many zero bits that its product with k is exact."""


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


def exponential(x: Array) -> Array:
    """e to the x, to about two units in the last place; x is kept within ±700."""
    kept = np.clip(x, -700.0, 700.0)
    k = np.floor(kept / _LN2 + 0.5)
    r = (kept - k * _LN2_HEAD) - k * _LN2_TAIL
    series = np.full_like(r, 1.0 / 14.0)
    for order in range(13, 0, -1):
        series *= r
        series += 1.0
        series /= order
    series *= r
    series += 1.0
    return np.ldexp(series, k.astype(np.int64))
