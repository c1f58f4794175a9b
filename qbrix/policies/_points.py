r"""Fixed quasi-random points, for posteriors whose laws have no closed form.

Point i of a d-dimensional set is :math:`\{(i + ½) \sqrt{q_j}\}`, j = 1 … d, with the first d primes
q and the fractional part {·} (Richtmyer's sequence). Roots and products round alike everywhere, so
every machine holds the same points.

An arm's posterior becomes M equally likely atoms, one per point; arms are independent, and the
probability that an arm is the best is that of a race between independent atoms, ties shared
evenly. Unlike a vote over M joint points this resolves probabilities far below 1/M.

References
----------
Niederreiter (1978), *Quasi-Monte Carlo Methods and Pseudo-Random Numbers*, section 5: irrational
square roots as a good lattice.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.polynomial.legendre import leggauss

from qbrix.policies._best_arm import together
from qbrix.types import Array, BoolArray

POINTS = 1024
"""Points in a set, M."""
_MOST_NODES = 16
"""Gauss nodes for ties: exact for up to 32 arms that tie in one atom."""


@lru_cache(maxsize=16)
def points(dimensions: int) -> Array:
    """The fixed points, shape (M, dimensions), inside (0, 1), read-only."""
    steps = np.sqrt(np.array(_primes(dimensions), dtype=np.float64))
    multiples = (np.arange(POINTS)[:, None] + 0.5) * steps
    inside: Array = multiples - np.trunc(multiples)
    inside.flags.writeable = False
    return inside


def atoms_best_arm(atoms: Array, weights: Array, *, mask: BoolArray | None = None) -> Array:
    r"""Probability that each arm has the largest of K independent discrete variables.

    .. math::

        P_a = \sum_x w_a(x) \int_0^1 \prod_{b \ne a} \bigl( F_b(x^-) + s \, w_b(x) \bigr) ds

    The integral over s shares ties evenly: it gives every arm an independent uniform rank.

    Parameters
    ----------
    atoms : Array, shape (..., K, m)
        Values, in any order; equal values tie.
    weights : Array, shape (..., K, m)
        Probabilities of the atoms, ≥ 0, summing to 1 over the last axis; 0 pads.
    mask : BoolArray, broadcastable to (..., K), optional
        Which arms take part.

    Returns
    -------
    Array, shape (..., K)
        Non-negative, sums to 1 over the last axis, 0 where masked.
    """
    leading, n_arms = atoms.shape[:-2], atoms.shape[-2]
    every = np.zeros(atoms.shape[:-1])
    chosen = np.broadcast_to(together(every, every, mask)[2], every.shape).reshape(-1, n_arms)
    values = atoms.reshape(-1, *atoms.shape[-2:])
    shares = np.broadcast_to(weights, atoms.shape).reshape(values.shape)
    result = np.zeros((len(values), n_arms))
    for row, arms in enumerate(chosen):
        result[row, arms] = _race(values[row, arms], shares[row, arms])
    return result.reshape(*leading, n_arms)


def _race(atoms: Array, weights: Array) -> Array:
    """`atoms_best_arm` without leading axes and mask, shape (K,)."""
    n_arms, size = atoms.shape
    everywhere = atoms.reshape(-1)
    below, here = np.empty((2, n_arms, n_arms, size))
    for arm in range(n_arms):
        order = atoms[arm].argsort(kind="stable")
        ordered = atoms[arm, order]
        total = np.concatenate([[0.0], weights[arm, order].cumsum()])
        left = total[np.searchsorted(ordered, everywhere, side="left")]
        right = total[np.searchsorted(ordered, everywhere, side="right")]
        below[arm] = left.reshape(n_arms, size)
        here[arm] = (right - left).reshape(n_arms, size)
        below[arm, arm], here[arm, arm] = 1.0, 0.0
    nodes, gauss = leggauss(min(n_arms // 2 + 1, _MOST_NODES))
    won = np.zeros(n_arms)
    for node, weight in zip(nodes, gauss, strict=True):
        others = (below + (0.5 + 0.5 * node) * here).prod(0)
        won += 0.5 * weight * (weights * others).sum(-1)
    law: Array = won / won.sum()
    return law


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
