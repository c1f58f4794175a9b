r"""The race of independent scores: one quadrature behind every exact best-arm probability.

Arm :math:`a` has a score with density :math:`f_a` and distribution function :math:`F_a`. It is the
best with probability

.. math::

    P_a = \int f_a(x) \prod_{b \ne a} F_b(x) \, dx .

Any increasing change of the variable leaves it as it is, so a law may come in the coordinate where
its density is smooth and unimodal. Four thoughts make the integral exact to 1e-10 and fast:

1. *Windows.* Outside its window an arm has no more than ``exp(-CUTOFF)`` of its mass on either
   side. Below ``start``, the highest lower end of a window, one factor of the product vanishes.
   Every arm whose window ends above ``start`` holds ``start`` in its window; the others never win.
2. *Panels.* Hence an arm that still matters at a distance e above ``start`` is at least e wide.
   Panels can grow with the narrowest arm that is left, and their number grows with the logarithm
   of the ratio of scales, not with the number of arms.
3. *One evaluation.* Within a panel the density is a polynomial of degree ``ORDER - 1`` to rounding,
   so its values at the Gauss points give :math:`F_b = 1 - \int_x^\infty f_b` at those points as
   well, by one matrix. No distribution function is ever called, and :math:`\sum_a P_a = 1` is a
   test of the whole calculation rather than an identity.
4. *The others.* The product without arm a is the whole product over :math:`F_a`. A factor is kept
   above ``FLOOR``: where two factors are that small nothing is lost, and one divides out exactly.

The maximum of K like scores is narrower than one of them, by a factor of log K at worst; panels
shrink alike. The error is that of the polynomials (below 1e-12), plus the mass cut off,
:math:`K e^{-32} < 1.3 \cdot 10^{-11}` at K = 1000, plus the rounding in the log-density.

References
----------
Trefethen (2019), *Approximation Theory and Approximation Practice*, Theorems 8.2 and 19.3: how
interpolation and Gauss quadrature converge for analytic functions.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander
from numpy.typing import NDArray

from qbrix.errors import InvalidParameter, ShapeError
from qbrix.types import Array, BoolArray, IntArray

CUTOFF = 32.0
"""A window leaves ``exp(-CUTOFF)`` of an arm's mass outside, on either side."""
ORDER = 32
"""Gauss points in a panel."""
FLOOR = 1e-20
"""What a distribution function is lifted to, far below its rounding error."""
BLOCK = 2**14
"""Arms (rows × K) whose windows are made at once."""
POINTS = 2**15
"""Densities (rows × K × points) that are held at once, to stay in cache; one row may need more."""

S = TypeVar("S", bound=np.generic)
Step: TypeAlias = Callable[[Array], Array]
Density: TypeAlias = Callable[[Array, IntArray], Array]
Masses: TypeAlias = Callable[[Array, Array, BoolArray], Array]


def together(first: Array, second: Array, mask: BoolArray | None) -> tuple[Array, Array, BoolArray]:
    """Both parameters and the mask in their common shape (..., K), with an allowed arm a row."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    chosen = np.atleast_1d(np.asarray(True if mask is None else mask, dtype=np.bool_))
    try:
        shape = np.broadcast_shapes(a.shape, b.shape, chosen.shape)
    except ValueError:
        raise ShapeError(
            f"parameters of shapes {a.shape} and {b.shape} and a mask of shape {chosen.shape} "
            "do not fit; all must broadcast to (..., K)"
        ) from None
    if not (a.ndim or b.ndim) or not shape[-1]:
        raise ShapeError(f"parameters have shapes {a.shape} and {b.shape}, expected (..., K >= 1)")
    if not chosen.any(-1).all():
        raise InvalidParameter("mask allows no arm in some row; at least one must be choosable")
    return _fit(a, shape), _fit(b, shape), _fit(chosen, shape)


def _fit(array: NDArray[S], shape: tuple[int, ...]) -> NDArray[S]:
    return array if array.shape == shape else np.broadcast_to(array, shape)


def require(holds: BoolArray, values: Array, *, name: str, expected: str) -> None:
    """Refuse the first value for which `holds` is False."""
    if not holds.all():
        where = tuple(int(i) for i in np.argwhere(~holds)[0])
        raise InvalidParameter(
            f"{name}{list(where)} is {values[where]}, expected {expected}; "
            "mask the arm or mend its parameters"
        )


def best_arm(masses: Masses, first: Array, second: Array, allowed: BoolArray) -> Array:
    """Apply `masses`, which takes shapes (rows, K), block by block, and divide by the sums."""
    n_arms = first.shape[-1]
    a, b = first.reshape(-1, n_arms), second.reshape(-1, n_arms)
    mask = allowed.reshape(-1, n_arms)
    result = np.empty(a.shape)
    rows = max(1, BLOCK // n_arms)
    for low in range(0, len(result), rows):
        block = slice(low, low + rows)
        result[block] = masses(a[block], b[block], mask[block])
    result /= result.sum(-1, keepdims=True)
    return result.reshape(first.shape)


def race(density: Density, step: Step, ends: Array) -> tuple[Array, Array]:
    """Integrate who wins above ``start``, the origin of every coordinate here.

    Parameters
    ----------
    density : callable
        From points of shape (r, 1, N) and the r rows that they belong to (an index array), to
        densities of shape (r, K, N); 0 for an arm whose window ends below the origin.
    step : callable
        From the left edge of a panel, shape (rows, 1), to its greatest length for two arms, shape
        (rows, K).
    ends : Array, shape (rows, K)
        Where each arm's window ends; ≤ 0 for an arm that never matters.

    Returns
    -------
    wins : Array, shape (rows, K)
        Probability that the arm is the best with a score above the origin.
    clear : Array, shape (rows, 1)
        Probability that no arm of positive density has a score above the origin.
    """
    edges = _edges(step, ends)
    panels = (edges[:, :-1] < edges[:, 1:]).sum(-1)
    order = panels.argsort()
    wins, clear = np.zeros(ends.shape), np.ones((len(ends), 1))
    done = int(np.count_nonzero(panels == 0))
    while done < len(order):
        most = panels[order[-1]]
        rows = order[max(done, len(order) - max(1, POINTS // (ends.shape[1] * most * ORDER))) :]
        wins[rows], clear[rows] = _integrate(density, edges[rows, : most + 1], rows)
        order = order[: -len(rows)]
    return wins, clear


def _integrate(density: Density, edges: Array, rows: IntArray) -> tuple[Array, Array]:
    """`race` for some rows, with all their panels at once."""
    points, weights, rest = _rule()
    lengths = edges[:, 1:] - edges[:, :-1]
    nodes = edges[:, :-1, None] + lengths[..., None] * points
    mass = density(nodes.reshape(len(rows), 1, -1), rows).reshape(len(rows), -1, *nodes.shape[1:])
    mass *= lengths[:, None, :, None]
    in_panel = mass @ weights
    above = in_panel[..., ::-1].cumsum(-1)[..., ::-1]
    below = mass @ rest
    below += (above - in_panel)[..., None]
    np.subtract(1.0, below, out=below)
    np.maximum(below, FLOOR, out=below)
    clear = np.maximum(1.0 - above[..., 0], 0.0).prod(-1, keepdims=True)
    everyone = below.prod(1, keepdims=True)
    mass *= np.divide(everyone, below, out=below)
    wins: Array = (mass @ weights).sum(-1)
    return wins, clear


def _edges(step: Step, ends: Array) -> Array:
    """Panel edges of shape (rows, panels + 1), from 0 to the last end; empty panels come last."""
    top = ends.max(-1, keepdims=True).clip(min=0.0)
    finer = 1.0 + np.log(np.maximum((ends > 0).sum(-1, keepdims=True), 1)) / 5.0
    edges = [np.zeros_like(top)]
    while (edges[-1] < top).any():
        lengths = np.where(edges[-1] < ends, step(edges[-1]), np.inf)
        edges.append(np.minimum(edges[-1] + lengths.min(-1, keepdims=True) / finer, top))
    return np.concatenate(edges, axis=-1)


@cache
def _rule() -> tuple[Array, Array, Array]:
    r"""Gauss points and weights on [0, 1], and the matrix of :math:`\int_{x_i}^1 \ell_j`.

    The cardinal polynomial is :math:`\ell_j = w_j \sum_k (k + ½) P_k(x_j) P_k` on [−1, 1], and
    :math:`(2k + 1) \int_{-1}^x P_k = P_{k+1}(x) - P_{k-1}(x)`, where :math:`P_{-1} = -1`.
    """
    points, weights = leggauss(ORDER)
    legendre = legvander(points, ORDER)
    before = np.hstack([np.full((ORDER, 1), -1.0), legendre[:, : ORDER - 1]])
    below = (legendre[:, 1:] - before) @ legendre[:, :ORDER].T * weights / 2.0
    return (points + 1.0) / 2.0, weights / 2.0, np.ascontiguousarray((weights - below).T) / 2.0
