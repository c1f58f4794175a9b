"""Contexts and batches for linear policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbrix.policies import Policy
from qbrix.state import State
from qbrix.types import Array, Interactions


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


def shares(
    policy: Policy[Any, Any],
    state: State,
    context: list[float],
    *,
    mask: list[bool] | None = None,
) -> list[float]:
    """Propensities for one context."""
    law: Array = policy.propensities(
        policy.prepare(state), np.array(context), mask=None if mask is None else np.array(mask)
    )
    listed: list[float] = law.tolist()
    return listed
