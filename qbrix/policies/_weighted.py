"""What exponential weights and their kin share: importance-weighted losses, and the softmax."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.policies._counts import Cells, allowed
from qbrix.state import State, array
from qbrix.types import Array, BoolArray, Interactions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Losses(State):
    """How often each arm was observed, and its losses divided by the propensities."""

    pulls: Array = array("K")
    weighted_loss: Array = array("K")


def add_losses(state: Losses, batch: Interactions, *, bias: float = 0.0) -> None:
    """Count each row and add its loss 1 − r over its logged propensity plus ``bias``."""
    cells = Cells.of(batch, state.pulls.shape[-1])
    losses = 1.0 - cells.column(batch.rewards)
    cells.add(state.pulls, 1.0)
    cells.add(state.weighted_loss, losses / (cells.column(batch.propensities) + bias))


def merged(a: Losses, b: Losses) -> Losses:
    """The sums of both histories."""
    return Losses(pulls=a.pulls + b.pulls, weighted_loss=a.weighted_loss + b.weighted_loss)


def next_round(pulls: Array) -> Array:
    """t, the index of the round to be played, shape (..., 1): observations so far, plus one."""
    t: Array = pulls.sum(-1, keepdims=True) + 1.0
    return t


def softmax(scores: Array, mask: BoolArray | None) -> Array:
    """exp(scores) over its sum, (..., K), relative to the largest, so that nothing overflows."""
    kept = allowed(scores, mask)
    weights: Array = np.exp(kept - kept.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights
