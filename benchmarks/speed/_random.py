"""Random numbers inside compiled loops: xoroshiro128+, ziggurat normals, Marsaglia–Tsang gammas.

D. Blackman and S. Vigna (2021), Scrambled Linear Pseudorandom Number Generators. G. Marsaglia and
W. W. Tsang (2000), The Ziggurat Method for Generating Random Variables, and A Simple Method for
Generating Gamma Variables.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

__all__ = ["below", "beta", "normal", "seeded", "uniform"]

_LAYERS = 256
_TAIL = 3.6541528853610088
_AREA = 4.92867323399e-3
_SCALE = 1.0 / 9007199254740992.0


def _ziggurat() -> tuple[np.ndarray, np.ndarray]:
    """Right edges of the layers, and the density there, for exp(-x²/2)."""
    edges = np.zeros(_LAYERS + 1)
    edges[0] = _AREA / math.exp(-0.5 * _TAIL * _TAIL)
    edges[1] = _TAIL
    for i in range(2, _LAYERS):
        previous = edges[i - 1]
        density = _AREA / previous + math.exp(-0.5 * previous * previous)
        edges[i] = math.sqrt(-2.0 * math.log(density))
    return edges, np.exp(-0.5 * edges * edges)


_EDGES, _DENSITIES = _ziggurat()


def seeded(seed: int) -> np.ndarray:
    """The generator's state: two words of 64 bits."""
    return np.random.SeedSequence(seed).generate_state(2, np.uint64)


@nb.njit(inline="always")
def _next(state):
    s0 = state[0]
    s1 = state[1]
    result = s0 + s1
    s1 ^= s0
    state[0] = ((s0 << np.uint64(24)) | (s0 >> np.uint64(40))) ^ s1 ^ (s1 << np.uint64(16))
    state[1] = (s1 << np.uint64(37)) | (s1 >> np.uint64(27))
    return result


@nb.njit(inline="always")
def uniform(state):
    """A number in [0, 1)."""
    return np.float64(_next(state) >> np.uint64(11)) * _SCALE


@nb.njit(inline="always")
def below(state, bound):
    """An integer in [0, bound)."""
    return np.int64(uniform(state) * bound)


@nb.njit
def _outside(state, layer, x):
    """The rare case that a point does not lie within its layer's box: the number, or NaN."""
    if layer == 0:
        while True:
            a = -math.log(1.0 - uniform(state)) / _TAIL
            b = -math.log(1.0 - uniform(state))
            if b + b > a * a:
                return _TAIL + a
    low, high = _DENSITIES[layer], _DENSITIES[layer + 1]
    if low + uniform(state) * (high - low) < math.exp(-0.5 * x * x):
        return x
    return math.nan


@nb.njit(inline="always")
def normal(state):
    """A standard normal number."""
    while True:
        word = _next(state)
        layer = np.int64(word & np.uint64(255))
        x = np.float64(np.int64(word) >> np.int64(11)) * (2.0 * _SCALE) * _EDGES[layer]
        if abs(x) < _EDGES[layer + 1]:
            return x
        far = _outside(state, layer, abs(x))
        if not math.isnan(far):
            return math.copysign(far, x)


@nb.njit(inline="always")
def _gamma(state, d, c):
    """Gamma with shape d + 1/3 >= 1, given c = 1/sqrt(9 d)."""
    while True:
        x = normal(state)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        u = 1.0 - uniform(state)
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return d * v


@nb.njit(inline="always")
def beta(state, d_a, c_a, d_b, c_b):
    """Beta with shapes d_a + 1/3 and d_b + 1/3, both >= 1."""
    x = _gamma(state, d_a, c_a)
    return x / (x + _gamma(state, d_b, c_b))
