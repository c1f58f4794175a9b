"""Laws that jump: telling a near tie from a wrong answer.

Index policies, ε-greedy and votes over points answer with laws that jump where two scores change
places. Rounding differs between machines in the last bits, so at such a place two correct
machines may stand on different sides of the jump. A difference is forgiven only when it is a jump
and when a state that differs by a relative 1e-8 or less gives the other side: then the scores lie
within that margin of each other. Nothing in the log has to be believed for that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qbrix.policies.base import Policy
from qbrix.rng import stream
from qbrix.state import AnyArray, State, map_arrays
from qbrix.types import Array, BoolArray

__all__ = ["is_near_tie"]

JUMP = 1e-6

_AMPLITUDES = tuple(10.0**-exponent for exponent in range(15, 7, -1))
_TRIES = 8


def is_near_tie(
    policy: Policy[Any, Any],
    state: State,
    *,
    context: Array | None,
    mask: BoolArray | None,
    accepts: Callable[[Array], bool],
) -> bool:
    """Whether a state within relative 1e-8 of ``state`` has a law that ``accepts`` approves."""
    rng = stream(0, "near tie")
    for amplitude in _AMPLITUDES:
        for _ in range(_TRIES):

            def moved(values: AnyArray, amplitude: float = amplitude) -> AnyArray:
                if values.dtype != np.float64:
                    return values
                noise: AnyArray = 1.0 + amplitude * rng.uniform(-1.0, 1.0, values.shape)
                return values * noise

            nearby = policy.prepare(map_arrays(moved, state))
            if accepts(policy.propensities(nearby, context, mask=mask)):
                return True
    return False
