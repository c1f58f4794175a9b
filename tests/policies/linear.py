"""Contexts and batches for linear policies."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbrix.policies import Policy
from qbrix.state import State, stack
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


def followed(policy: Any, *, dim: int, steps: int) -> tuple[Any, Any]:
    """What `advance` makes of R = 3 with 4 arms, one replication late at times (padding), and what
    `prepare` makes anew of the state that came out.
    """
    rng = np.random.default_rng(8)
    state = stack([policy.init(n_arms=4, dim=dim)] * 3)
    prepared = policy.prepare(state)
    for step in range(steps):
        arms = rng.integers(0, 4, (3, 1))
        arms[2] = -1 if step % 3 else arms[2]
        batch = Interactions(
            arms=arms,
            rewards=rng.standard_normal((3, 1)),
            propensities=np.ones((3, 1)),
            state_versions=np.zeros((3, 1), dtype=np.int64),
            contexts=rng.standard_normal((3, 1, dim)),
        )
        policy.update_in_place(state, batch)
        prepared = policy.advance(prepared, state, batch)
    return prepared, policy.prepare(state)


def assert_followed(policy: Any, *, dim: int, steps: int) -> None:
    """Coefficients and inverses, to 1e-10."""
    prepared, anew = followed(policy, dim=dim, steps=steps)
    np.testing.assert_allclose(prepared.coefficients, anew.coefficients, atol=1e-10)
    np.testing.assert_allclose(prepared.inverse, anew.inverse, atol=1e-10)
