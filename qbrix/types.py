"""The words of the library: shape letters, array aliases and the batch that a policy learns from.

Shape letters, used in every docstring:

======  =====================================================
``K``   arms
``d``   features of a context
``B``   contexts decided in one call
``T``   horizon, the number of rounds
``R``   replications of a simulation
``n``   logged rows (interactions)
``r``   numbers that a policy records at decision time
``...`` leading axes: none in serving, ``(R,)`` in the simulator
======  =====================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "BoolArray", "IntArray", "Interactions"]

Array: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Interactions:
    """Rows of decisions with their rewards, in the order in which they are learned.

    Leading axes are those of the state that learns. A replication with fewer rows than ``n`` is
    padded with arm −1; a padded row teaches nothing.

    Attributes
    ----------
    arms : IntArray, shape (..., n)
        Index of the chosen arm in ``[0, K)``, or −1 for padding.
    rewards : Array, shape (..., n)
        Observed reward, within the support that the policy declares.
    propensities : Array, shape (..., n)
        Probability in (0, 1] with which the arm was drawn.
    state_versions : IntArray, shape (..., n)
        Version of the state that decided; it may lie many versions back.
    contexts : Array, shape (..., n, d), optional
        What was known at the decision; None for policies that use no context.
    recorded : Array, shape (..., n, r), optional
        What `Policy.record` returned at the decision.
    cells : IntArray, shape (m,), optional
        Where the rows belong in a flattened (..., K) array, ``row of the leading axes * K + arm``,
        from a caller who knows it anyway; no row is padding then.
    """

    arms: IntArray
    rewards: Array
    propensities: Array
    state_versions: IntArray
    contexts: Array | None = None
    recorded: Array | None = None
    cells: IntArray | None = None
