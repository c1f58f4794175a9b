"""Expected regret without simulation: every state that can be reached, with its probability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qbrix.errors import InvalidParameter
from qbrix.policies import Policy
from qbrix.state import State, map_arrays, stack, take
from qbrix.types import Array, IntArray, Interactions

__all__ = ["exact_regret"]


def exact_regret(policy: Policy[Any, Any], means: Sequence[float], *, horizon: int) -> Array:
    r"""Expected cumulative pseudo-regret on Bernoulli arms, computed from the propensities.

    .. math:: R_T = \sum_{t=1}^T \sum_s P(S_{t-1} = s) \sum_a p_a(s) (\mu^* - \mu_a)

    A layer holds every state that can be reached in t rounds, as one state with a leading axis.
    States with equal bits are one, so the layers of a count-based policy grow as a polynomial of t;
    those of a policy whose state depends on the order of events grow exponentially.

    Parameters
    ----------
    policy : Policy
        Without context.
    means : sequence of K numbers in [0, 1]
        Expected reward of each arm.
    horizon : int >= 1
        T.

    Returns
    -------
    Array, shape (T,)
        Regret after 1, …, T rounds.

    Examples
    --------
    Two uniformly random rounds lose half the gap each:

    >>> from qbrix.policies import get
    >>> exact_regret(get("random")(), [0.9, 0.8], horizon=2).round(12)
    array([0.05, 0.1 ])
    """
    if policy.capabilities.context:
        raise InvalidParameter(f"{type(policy).__name__} needs contexts; enumeration has none")
    mean = np.asarray(means, dtype=np.float64)
    gaps = mean.max() - mean
    states = stack([policy.init(n_arms=mean.size)])
    weights = np.ones(1)
    lost = np.empty(horizon)
    for t in range(horizon):
        law = policy.propensities(policy.prepare(states))
        lost[t] = weights @ (law @ gaps)
        states, weights = _next_layer(policy, states, weights, law, mean, version=t)
    return lost.cumsum()


def _next_layer(
    policy: Policy[Any, Any],
    states: State,
    weights: Array,
    law: Array,
    mean: Array,
    *,
    version: int,
) -> tuple[State, Array]:
    """Every (state, arm, reward) of positive probability, learned and merged."""
    outcomes = np.stack([1.0 - mean, mean], axis=-1)
    joint = weights[:, None, None] * law[..., None] * outcomes
    rows, arms, rewards = np.nonzero(joint)
    batch = Interactions(
        arms=arms[:, None],
        rewards=rewards[:, None].astype(np.float64),
        propensities=law[rows, arms][:, None],
        state_versions=np.full((rows.size, 1), version, dtype=np.int64),
    )
    return _merged(policy.update(take(states, rows), batch), joint[rows, arms, rewards])


def _merged(states: State, weights: Array) -> tuple[State, Array]:
    """Equal states once, with the sum of their probabilities."""
    columns: list[Array] = []

    def collect(value: Any) -> Any:
        columns.append(value.reshape(weights.size, -1).astype(np.float64))
        return value

    map_arrays(collect, states)
    keys = np.concatenate(columns, axis=-1)
    first: IntArray
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    merged: Array = np.bincount(which.reshape(-1), weights=weights).astype(np.float64)
    return take(states, first), merged
