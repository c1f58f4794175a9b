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
from qbrix.types import Array, BoolArray, IntArray

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
    """`atoms_best_arm` without leading axes and mask, shape (K,).

    One walk over all atoms in order: each changes one factor of the product of distribution
    functions, so its logarithm is a running sum, taken from the top, where every factor is 1.
    """
    arm, value, below, mass = _above_the_highest_start(atoms, weights)
    above = below + mass
    seen = below > 0.0
    known = np.log(below, out=np.zeros_like(below), where=seen)
    product = -(np.log(above) - known)[::-1].cumsum()[::-1]
    tied = np.flatnonzero(np.diff(value, prepend=-np.inf))
    size = np.diff(tied, append=value.size)
    others = (product[tied] - np.add.reduceat(known, tied)).repeat(size)
    won = np.exp(others)
    many = (size > 1).repeat(size)
    if many.any():
        won[many] = _shared(others[many], below[many], mass[many], size=size[size > 1])
    won *= mass
    law = np.bincount(arm, won, minlength=len(atoms))
    return np.asarray(law / law.sum(), dtype=np.float64)


def _above_the_highest_start(atoms: Array, weights: Array) -> tuple[IntArray, Array, Array, Array]:
    """Arm, value, mass below and own mass of the atoms that can win, by value; (N,) each.

    An atom below the lowest one of some arm always loses. Equal atoms of an arm are one.
    """
    order = atoms.argsort(-1, kind="stable")
    values = np.take_along_axis(atoms, order, -1)
    upto = np.take_along_axis(weights, order, -1).cumsum(-1)
    first = np.diff(values, axis=-1, prepend=-np.inf) != 0.0
    arm, column = first.nonzero()
    following = np.append(np.flatnonzero(first)[1:], first.size) - 1
    below = np.where(column > 0, upto[arm, column - 1], 0.0)
    mass = upto.reshape(-1)[following] - below
    value = values[arm, column]
    real = mass > 0.0
    arm, value, below, mass = arm[real], value[real], below[real], mass[real]
    can_win = value >= value[below == 0.0].max()
    by_value = np.flatnonzero(can_win)[value[can_win].argsort(kind="stable")]
    return arm[by_value], value[by_value], below[by_value], mass[by_value]


def _shared(others: Array, below: Array, mass: Array, *, size: IntArray) -> Array:
    """Probability that each of the atoms that tie (groups of these sizes) beats all others."""
    starts = size.cumsum() - size
    nodes, gauss = leggauss(min(int(size.max()) // 2 + 1, _MOST_NODES))
    won = np.zeros_like(mass)
    for node, weight in zip(nodes, gauss, strict=True):
        own = np.log(below + (0.5 + 0.5 * node) * mass)
        group = np.add.reduceat(own, starts).repeat(size)
        won += 0.5 * weight * np.exp(others + group - own)
    return won


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
