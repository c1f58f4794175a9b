"""From what decides to one decision: the only way in which qbrix turns a policy into an arm."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qbrix.draw import draw, edges, edges_of_one, mix_floor
from qbrix.policies.base import Policy
from qbrix.types import Array, BoolArray

__all__ = ["Decider", "Decision"]


class Decision(NamedTuple):
    """A drawn arm with everything that proves it: ``low <= u < low + propensity``."""

    arm: int
    u: float
    low: float
    propensity: float
    recorded: tuple[float, ...] = ()


class Decider:
    """A prepared state ready to decide; safe to share between threads, never changed.

    Parameters
    ----------
    policy : Policy
    prepared : result of ``policy.prepare``
    floor : float in [0, 1]
    mask : BoolArray, shape (K,), optional
    law : Array, shape (K,), optional
        Propensities of a policy without context as they were computed once, elsewhere; every
        replica that is given the same ones draws from equal bits.
    """

    def __init__(
        self,
        policy: Policy[Any, Any],
        prepared: Any,
        *,
        floor: float = 0.0,
        mask: BoolArray | None = None,
        law: Array | None = None,
    ) -> None:
        self.policy = policy
        self.prepared = prepared
        self.floor = floor
        self.mask = mask
        allowed = mask is None or bool(mask.all())
        self._plain = allowed and floor == 0.0 and not policy.capabilities.recorded
        self._fixed: list[float] | None = None
        if not policy.capabilities.context:
            self._fixed = edges(self._mixed(None) if law is None else law).tolist()

    def __repr__(self) -> str:
        return f"<Decider of {self.policy!r}, floor {self.floor:g}>"

    def propensities(self, contexts: Array | None) -> Array:
        """The law after floor and mask, before the lattice: (K,) or (B, K)."""
        return self._mixed(contexts)

    def decide(self, u: float, context: Array | None = None) -> Decision:
        """Draw one arm at ``u`` for one context of shape (d,)."""
        upper = self._fixed
        if upper is None:
            arm = self.policy.certain(self.prepared, context) if self._plain else None
            if arm is not None:
                return Decision(arm, u, 0.0, 1.0)
            upper = edges_of_one(self._mixed(context))
        drawn = draw(upper, u)
        if not self.policy.capabilities.recorded:
            return Decision(*drawn)
        noted = self.policy.record(self.prepared, context, np.asarray(drawn.arm), mask=self.mask)
        return Decision(*drawn, () if noted is None else tuple(noted.tolist()))

    def decide_many(self, u: Array, contexts: Array | None) -> list[Decision]:
        """Draw B arms, with one call of the policy.

        Parameters
        ----------
        u : Array, shape (B,)
        contexts : Array, shape (B, d), optional
            Only a policy without context does without.
        """
        if self._fixed is not None:
            upper = np.asarray(self._fixed)
            arms = upper.searchsorted(u, side="right")
            low, high = upper[arms - 1], upper[arms]
        else:
            upper = edges(self._mixed(contexts))
            arms, rows = (u[:, None] >= upper).sum(-1), np.arange(len(u))
            low, high = upper[rows, arms - 1], upper[rows, arms]
        low = np.where(arms > 0, low, 0.0)
        widths = high - low
        recorded: list[tuple[float, ...]] = [()] * len(u)
        if self.policy.capabilities.recorded:
            noted = self.policy.record(self.prepared, contexts, arms, mask=self.mask)
            recorded = recorded if noted is None else [tuple(row) for row in noted.tolist()]
        columns = (arms.tolist(), u.tolist(), low.tolist(), widths.tolist(), recorded)
        return list(map(Decision._make, zip(*columns, strict=True)))

    def _mixed(self, contexts: Array | None) -> Array:
        law = self.policy.propensities(self.prepared, contexts, mask=self.mask)
        return mix_floor(law, floor=self.floor, mask=self.mask)
