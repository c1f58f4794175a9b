"""Random numbers inside compiled loops: xoroshiro128+, ziggurat normals, Marsaglia–Tsang gammas.

A stream is two words of 64 bits that its owner hands from call to call.

D. Blackman and S. Vigna (2021), Scrambled Linear Pseudorandom Number Generators. G. Marsaglia and
W. W. Tsang (2000), The Ziggurat Method for Generating Random Variables, and A Simple Method for
Generating Gamma Variables.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qbrix.policies.kernels._compiled import compiled, inlined

__all__ = ["Stream", "beta", "exponential", "log_odds", "normal", "odds", "streams", "uniform"]

Stream: TypeAlias = NDArray[np.uint64]

_LAYERS = 256
_TAIL = 3.6541528853610088
_AREA = 4.92867323399e-3
_SCALE = 1.0 / 9007199254740992.0


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def streams(rng: np.random.Generator, count: int) -> Stream:
    """So many streams, (count, 2); the first ones are the same whatever the count."""
    return rng.integers(0, 1 << 64, size=(count, 2), dtype=np.uint64)


@inlined
def _next(stream: Stream) -> np.uint64:
    s0 = stream[0]
    s1 = stream[1]
    result: np.uint64 = s0 + s1
    s1 ^= s0
    stream[0] = ((s0 << np.uint64(24)) | (s0 >> np.uint64(40))) ^ s1 ^ (s1 << np.uint64(16))
    stream[1] = (s1 << np.uint64(37)) | (s1 >> np.uint64(27))
    return result


@inlined
def uniform(stream: Stream) -> float:
    """A number in [0, 1)."""
    return np.float64(_next(stream) >> np.uint64(11)) * _SCALE


@inlined
def exponential(stream: Stream) -> float:
    """An exponential number of mean 1."""
    return -math.log(1.0 - uniform(stream))


@compiled
def _outside(stream: Stream, layer: int, x: float) -> float:
    """The rare case that a point does not lie within its layer's box: the number, or NaN."""
    if layer == 0:
        while True:
            a = exponential(stream) / _TAIL
            b = exponential(stream)
            if b + b > a * a:
                return _TAIL + a
    low, high = _DENSITIES[layer], _DENSITIES[layer + 1]
    if low + uniform(stream) * (high - low) < math.exp(-0.5 * x * x):
        return x
    return math.nan


@inlined
def normal(stream: Stream) -> float:
    """A standard normal number."""
    while True:
        word = _next(stream)
        layer = int((word >> np.uint64(3)) & np.uint64(255))  # the lowest bits are weak
        x = np.float64(np.int64(word) >> np.int64(11)) * (2.0 * _SCALE) * _EDGES[layer]
        if abs(x) < _EDGES[layer + 1]:
            return float(x)
        far = _outside(stream, layer, abs(x))
        if not math.isnan(far):
            return math.copysign(far, x)


@inlined
def _gamma(stream: Stream, d: float, c: float) -> float:
    """Gamma with shape d + 1/3 >= 1, given c = 1/sqrt(9 d)."""
    while True:
        x = normal(stream)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        u = 1.0 - uniform(stream)
        square = x * x
        if u < 1.0 - 0.0331 * square * square:
            return d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return d * v


@inlined
def beta(stream: Stream, d_a: float, c_a: float, d_b: float, c_b: float) -> float:
    """Beta with shapes d_a + 1/3 and d_b + 1/3, both >= 1; the c as for `_gamma`."""
    x = _gamma(stream, d_a, c_a)
    return x / (x + _gamma(stream, d_b, c_b))


@compiled
def odds(stream: Stream, a: float, b: float) -> float:
    """θ / (1 - θ) for θ from Beta(a, b), a and b >= 1."""
    d_a, d_b = a - 1.0 / 3.0, b - 1.0 / 3.0
    above = _gamma(stream, d_a, 1.0 / math.sqrt(9.0 * d_a))
    return above / _gamma(stream, d_b, 1.0 / math.sqrt(9.0 * d_b))


@compiled
def log_odds(stream: Stream, a: float, b: float) -> float:
    """ln θ - ln(1 - θ) for θ from Beta(a, b), a and b > 0, however small."""
    return _log_gamma(stream, a) - _log_gamma(stream, b)


@compiled
def _log_gamma(stream: Stream, shape: float) -> float:
    """Logarithm of a gamma number: that of shape + 1 times u^(1 / shape)."""
    d = shape + 2.0 / 3.0
    above = math.log(_gamma(stream, d, 1.0 / math.sqrt(9.0 * d)))
    return above - exponential(stream) / shape
