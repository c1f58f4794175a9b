r"""Upper inverses of the Bernoulli divergence, solved for and followed as their levels grow.

.. math::

    \mathrm{kl}(p, q) = p \ln\frac{p}{q} + (1 - p) \ln\frac{1 - p}{1 - q}

The unknown is :math:`u = -\ln(1 - q)`. In it the divergence is convex, nearly a straight line
towards q = 1, and exactly one for p = 0. Newton's method therefore lands right of the root from
wherever it starts, and descends from there without overshooting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.types import Array, IntArray

EDGE = 1e-15
"""Means are kept this far from 0 and 1, where the formulas divide by 0; moves no q by 1e-13."""


@dataclass(slots=True, kw_only=True)
class Roots:
    """Where :math:`\\mathrm{kl}(p, q) = \\ell` for many p, all arrays of one shape.

    Attributes
    ----------
    p, rest, negentropy : Array
        p, 1 − p and p ln p + (1 − p) ln(1 − p).
    u : Array
        The root for the level that was solved for last.
    growth : Array
        Its derivative by the level.
    """

    p: Array
    rest: Array
    negentropy: Array
    u: Array
    growth: Array

    def solve(self, level: Array, *, tolerance: float, max_iterations: int) -> None:
        """Newton's method from ``u``, until no step exceeds the tolerance relative to the root."""
        for _ in range(max_iterations):
            step = self.step(level)
            if not np.count_nonzero(np.abs(step) > tolerance * self.u):
                break

    def step(self, level: Array) -> Array:
        """One step of Newton's method; the line with slope ``growth`` then bounds u from above.

        The line is tangent to a convex divergence, so it bounds the root for every other level too.
        """
        q = 1.0 - np.exp(-self.u)
        self.growth = q / (q - self.p)
        excess = self.rest * self.u - self.p * np.log(q) + (self.negentropy - level)
        step: Array = excess * self.growth
        self.u = self.u - step
        return step

    def replace(self, where: IntArray, other: Roots) -> None:
        """Put ``other`` in the place of the flat positions ``where``."""
        self.p.reshape(-1)[where] = other.p
        self.rest.reshape(-1)[where] = other.rest
        self.negentropy.reshape(-1)[where] = other.negentropy
        self.u.reshape(-1)[where] = other.u
        self.growth.reshape(-1)[where] = other.growth

    def index(self) -> Array:
        """q, in [p, 1]."""
        q: Array = 1.0 - np.exp(-self.u)
        return q


def near_roots(mean: Array, level: Array) -> Roots:
    r"""A start for `Roots.solve`: :math:`u_p + s + \frac{2 - p}{6 p} s^2`, a series in the level.

    With :math:`s^2 = 2 \ell p / (1 - p)`. It errs little where the level is small against the
    variance; elsewhere it lies above the mean, from where Newton's method finds the root.

    Parameters
    ----------
    mean : Array, in [0, 1]
    level : Array, > 0, of the same shape
    """
    p = np.minimum(np.maximum(mean, EDGE), 1.0 - EDGE)
    rest = 1.0 - p
    log_rest = np.log(rest)
    ratio = level / rest
    u = np.sqrt(2.0 * p * ratio) + (1.0 + rest) * ratio / 3.0 - log_rest
    return Roots(
        p=p, rest=rest, negentropy=p * np.log(p) + rest * log_rest, u=u, growth=np.ones_like(u)
    )
