"""Contexts and batches for linear policies."""

from __future__ import annotations

import numpy as np

from qbrix.types import Interactions


def observed(arms: list[int], rewards: list[float], contexts: list[list[float]]) -> Interactions:
    """Rows with contexts for a state without leading axes."""
    n = len(arms)
    return Interactions(
        arms=np.array(arms),
        rewards=np.array(rewards),
        propensities=np.ones(n),
        state_versions=np.zeros(n, dtype=np.int64),
        contexts=np.array(contexts),
    )
