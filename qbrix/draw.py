"""The platform's draw: from propensities and a hashed uniform number to one arm.

A policy answers with a law; the platform draws from it, so that the logged propensity *is* the
probability of the drawn arm and a decision can be replayed from its id.

The unit interval is cut at edges that lie on the lattice of multiples of 2⁻⁵³, and the uniform
number lies on the same lattice. Differences and sums of such numbers in [0, 1] are exact in
float64, hence ``low <= u < low + propensity`` holds to the bit for every draw.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from qbrix.types import Array, BoolArray

__all__ = ["Draw", "draw", "edges", "edges_of_one", "mix_floor", "uniform", "uniforms"]

_LATTICE = 2.0**53


class Draw(NamedTuple):
    """One drawn arm: ``low <= u < low + propensity``, all in [0, 1]."""

    arm: int
    u: float
    low: float
    propensity: float


def uniform(key: bytes, *, experiment: str, epoch: int, decision_id: str) -> float:
    """The number in [0, 1) that decides ``decision_id``; only the holder of ``key`` can know it.

    Parameters
    ----------
    key : bytes
        The server's secret, 16 to 64 bytes.
    experiment, decision_id : str
        Identifiers without the character NUL.
    epoch : int
        Epoch of the experiment; a reset gives every decision id a new number.
    """
    message = f"{experiment}\x00{epoch}\x00{decision_id}".encode()
    word = hashlib.blake2b(message, digest_size=8, key=key).digest()
    return (int.from_bytes(word, "big") >> 11) / _LATTICE


def uniforms(key: bytes, *, experiment: str, epoch: int, decision_ids: Sequence[str]) -> Array:
    """`uniform` of many decisions of one experiment, with the same bits, shape (n,)."""
    begun = hashlib.blake2b(f"{experiment}\x00{epoch}\x00".encode(), digest_size=8, key=key)
    words = bytearray()
    for decision_id in decision_ids:
        one = begun.copy()
        one.update(decision_id.encode())
        words += one.digest()
    return (np.frombuffer(words, dtype=">u8") >> np.uint64(11)) / _LATTICE


def mix_floor(propensities: Array, *, floor: float, mask: BoolArray | None = None) -> Array:
    """``(1 - floor) p + floor / K'`` over the K' arms that ``mask`` allows.

    Parameters
    ----------
    propensities : Array, shape (..., K)
    floor : float in [0, 1]
        Share of decisions that explore uniformly.
    mask : BoolArray, shape (..., K), optional
        Arms that may be chosen; all of them by default.
    """
    if floor == 0.0:
        return propensities
    allowed = np.ones(propensities.shape[-1]) if mask is None else mask.astype(np.float64)
    share: Array = floor * allowed / allowed.sum(-1, keepdims=True)
    return (1.0 - floor) * propensities + share


def edges(propensities: Array) -> Array:
    """Upper edges of the arms' intervals, on the lattice 2⁻⁵³; the last one is exactly 1.

    Parameters
    ----------
    propensities : Array, shape (..., K)
        Non-negative, with a positive sum.

    Returns
    -------
    Array, shape (..., K)
        Non-decreasing; arm k owns ``[edges[k-1], edges[k])``, empty when its propensity is 0.
    """
    cumulative = np.cumsum(propensities, axis=-1)
    return np.rint(cumulative / cumulative[..., -1:] * _LATTICE) / _LATTICE


def edges_of_one(propensities: Array) -> list[float]:
    """`edges` of one decision, (K,), with the same bits: a list is faster than small arrays."""
    values = propensities.tolist()
    if values.count(0.0) == len(values) - 1:
        arm = values.index(max(values))
        return [0.0] * arm + [1.0] * (len(values) - arm)
    cumulative = list(accumulate(values))
    whole = cumulative[-1]
    return [
        value / whole if value in (0.0, whole) else round(value / whole * _LATTICE) / _LATTICE
        for value in cumulative
    ]


def draw(upper: Array | Sequence[float], u: float) -> Draw:
    """The arm whose interval holds ``u``.

    Parameters
    ----------
    upper : Array, shape (K,), or K numbers
        Result of `edges` for one decision; as a list it is drawn from several times faster.
    u : float in [0, 1), on the lattice 2⁻⁵³
        Result of `uniform`.
    """
    arm = bisect_right(upper, u)
    low = float(upper[arm - 1]) if arm else 0.0
    return Draw(arm, u, low, float(upper[arm]) - low)
