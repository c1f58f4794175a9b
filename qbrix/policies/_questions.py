"""Contexts and states of any leading axes, as one flat list of questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import check_context
from qbrix.types import Array, BoolArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked of which state.

    Attributes
    ----------
    leading : tuple of int
        Leading axes of the answer, which has b rows when they are flattened.
    owner : IntArray, shape (b,)
        Which of the flattened states is asked.
    contexts : Array, shape (b, d)
    mask : BoolArray, shape (b, K), optional
    """

    leading: tuple[int, ...]
    owner: IntArray
    contexts: Array
    mask: BoolArray | None

    @classmethod
    def of(
        cls, pulls: Array, context: Array | None, mask: BoolArray | None, *, dim: int
    ) -> Questions:
        """Broadcast a context (..., d) and a mask with states whose pulls are (..., K)."""
        x = check_context(context, dim=dim, owner="the policy")
        states, n_arms = pulls.shape[:-1], pulls.shape[-1]
        leading = np.broadcast_shapes(states, x.shape[:-1])
        numbers = np.arange(int(np.prod(states, dtype=np.int64))).reshape(states)
        if mask is not None:
            mask = np.broadcast_to(mask, (*leading, n_arms)).reshape(-1, n_arms)
        return cls(
            leading=leading,
            owner=np.broadcast_to(numbers, leading).reshape(-1),
            contexts=np.broadcast_to(x, (*leading, dim)).reshape(-1, dim),
            mask=mask,
        )
