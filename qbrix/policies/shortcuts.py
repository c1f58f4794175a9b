"""Which of a policy's faster forms may stand for its plain one."""

from __future__ import annotations

from typing import Any

import numpy as np

from qbrix.policies.base import Policy
from qbrix.state import to_bytes
from qbrix.types import Interactions

__all__ = ["is_nearer", "learns_from_propensities"]


def is_nearer(policy: Policy[Any, Any], name: str, *, than: str) -> bool:
    """Whether ``name`` is defined in the same class as ``than`` or in one derived from it.

    A shortcut that was inherited from a class whose plain form has been overridden since does not
    describe this policy any more.
    """
    lineage = type(policy).__mro__

    def depth(method: str) -> int:
        return next(i for i, owner in enumerate(lineage) if method in vars(owner))

    return depth(name) <= depth(than)


def learns_from_propensities(policy: Policy[Any, Any], *, n_arms: int, dim: int) -> bool:
    """Whether learning depends on the logged propensity; asked by learning twice and comparing.

    Where it does not, `Policy.sample` need not be accompanied by the probability of what it drew.
    """
    arms = np.arange(n_arms).repeat(2)
    rewards = np.tile([0.0, 1.0], n_arms)
    width = policy.capabilities.recorded
    learned = [
        policy.update(
            policy.init(n_arms=n_arms, dim=dim),
            Interactions(
                arms=arms,
                rewards=rewards,
                propensities=np.full(2 * n_arms, propensity),
                state_versions=np.zeros(2 * n_arms, dtype=np.int64),
                contexts=np.ones((2 * n_arms, dim)) if dim else None,
                recorded=np.full((2 * n_arms, width), 0.5) if width else None,
            ),
        )
        for propensity in (0.25, 0.5)
    ]
    return to_bytes(learned[0]) != to_bytes(learned[1])
