"""Contexts and batches for linear policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbrix.policies import Policy
from qbrix.state import State
from qbrix.types import Array, Interactions
from tests.policies.numbers import rows


def observed(arms: list[int], rewards: list[float], contexts: list[list[float]]) -> Interactions:
    """Rows with contexts for a state without leading axes."""
    return rows(arms, rewards, contexts=contexts)


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
