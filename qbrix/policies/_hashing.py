"""Fixed coin tosses: numbers that look random and follow from what they are for, on every machine.

``update`` may not draw. What a randomised algorithm would draw for an interaction is computed here
from the interaction: integers modulo 2^64, which no processor rounds.

References
----------
Steele, Lea and Flood (2014), *Fast Splittable Pseudorandom Number Generators*, for the mixing
function (SplitMix64).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbrix.types import Array, BoolArray, IntArray

Words: TypeAlias = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mixed(words: Words) -> Words:
    """Every bit of the result depends on every bit of the word; an array, not a scalar."""
    z = words + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    result: Words = z ^ (z >> np.uint64(31))
    return result


def row_words(arms: IntArray, counts: Array, rewards: Array, contexts: Array) -> Words:
    """A word for each of m rows: the count-th observation of its arm, (m,) and contexts (m, d)."""
    odd = 2 * np.arange(1, contexts.shape[-1] + 1, dtype=np.uint64) + np.uint64(1)
    features = np.ascontiguousarray(contexts).view(np.uint64) * mixed(odd)
    words = mixed(arms.astype(np.uint64)) + counts.astype(np.uint64)
    words = mixed(words) + np.ascontiguousarray(rewards).view(np.uint64)
    return mixed(mixed(words) + features.sum(-1, dtype=np.uint64))


def tosses(words: Words, *, count: int) -> BoolArray:
    """``count`` ≤ 64 fair coins for each word, (..., count)."""
    coins: BoolArray = ((words[..., None] >> np.arange(count, dtype=np.uint64)) & np.uint64(1)) > 0
    return coins


def fractions(words: Words) -> Array:
    """A number in (0, 1) for each word."""
    inside: Array = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    return inside
