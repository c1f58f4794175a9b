"""What decides, apart from the state: code, hyper-parameters, floor and choosable arms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from qbrix.checks import check_mask
from qbrix.errors import InvalidParameter
from qbrix.ledger.attribution import Attribution
from qbrix.support import RewardRange, check_range
from qbrix.types import BoolArray

__all__ = ["REPLACING", "Configuration", "Control", "PolicyRef"]

REPLACING = ("promote", "rollback")
"""Reasons of a change to another policy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PolicyRef:
    """Which code with which hyper-parameters.

    Attributes
    ----------
    name : str
        Behaviour-versioned id, e.g. ``BetaTSPolicy@1``.
    parameters : Mapping[str, Any]
        Hyper-parameters, JSON values.
    bundle : str, optional
        SHA-256 (hex) of the bundle that carries the source; None for a library policy.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    bundle: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Configuration:
    """All that decides at one version except the state.

    Attributes
    ----------
    policy : PolicyRef
    n_arms : int >= 1
        K, retired arms included.
    dim : int >= 0
        d; 0 for a policy without context.
    floor : float in [0, 1]
        Exploration floor, mixed in before the draw.
    retired : tuple of int
        Indices of arms that may not be chosen any more.
    reward_range : (float, float), optional
        Smallest and largest reward that is accepted; the policy learns ``(r - low) / (high - low)``
        while the ledger keeps r.
    attribution : Attribution
        Which rewards of a decision count, and when.
    """

    policy: PolicyRef
    n_arms: int
    dim: int = 0
    floor: float = 0.0
    retired: tuple[int, ...] = ()
    reward_range: RewardRange | None = None
    attribution: Attribution = field(default_factory=Attribution)

    def __post_init__(self) -> None:
        if self.n_arms < 1:
            raise InvalidParameter(f"n_arms = {self.n_arms}, expected at least 1")
        if not 0.0 <= self.floor <= 1.0:
            raise InvalidParameter(f"floor = {self.floor!r}, expected a number in [0, 1]")
        check_mask(self.mask, n_arms=self.n_arms)
        if self.reward_range is not None:
            check_range(self.reward_range)

    @property
    def mask(self) -> BoolArray | None:
        """Choosable arms, (K,), or None when all of them are."""
        if not self.retired:
            return None
        mask = np.ones(self.n_arms, dtype=bool)
        mask[list(self.retired)] = False
        return mask

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces, shortest floats; it is what digests cover."""
        told = asdict(self)
        # What is not set is written as it was before it could be.
        if self.reward_range is None:
            del told["reward_range"]
        if self.attribution == Attribution():
            del told["attribution"]
        return json.dumps(told, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Configuration:
        """Read `to_json`."""
        read = json.loads(text)
        read["policy"] = PolicyRef(**read["policy"])
        read["retired"] = tuple(read["retired"])
        if "reward_range" in read:
            low, high = read["reward_range"]
            read["reward_range"] = (low, high)
        if "attribution" in read:
            read["attribution"] = Attribution(**read["attribution"])
        return cls(**read)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One change of what decides.

    Attributes
    ----------
    reason : str
        Why, in one word: ``create``, ``configure``, ``arms``, ``promote``, ``rollback``, ``reset``.
    configuration : Configuration
        The whole configuration after the change.
    start : {"keep", "init", "bundle"}
        What happens to the state: it stays, starts anew, or is the one in the policy's bundle. The
        last two begin a new epoch.
    """

    reason: str
    configuration: Configuration
    start: Literal["keep", "init", "bundle"] = "keep"
