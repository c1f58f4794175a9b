"""From what the wire says to what is decided and learned with."""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from qbrix.checks import check_rewards
from qbrix.errors import InvalidRequest, ShapeError
from qbrix.support import RewardRange, rescaled
from serving.proxy.messages import SelectContext

__all__ = ["RecentKeys", "check_reward", "encode_context", "new_decision_id", "wall_ms"]


class RecentKeys:
    """The latest keys, up to a limit: what we remember to have acknowledged."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._keys: OrderedDict[tuple[str, int, str, str], None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, int, str, str]) -> None:
        """Remember the key, forget the oldest when there are too many."""
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)


def new_decision_id(now_ms: int, entropy: bytes) -> str:
    """A UUIDv7 as 32 hex characters: time first, then 74 of 80 random bits."""
    noise = int.from_bytes(entropy, "big")
    version_and_time = now_ms << 16 | 0x7000 | noise >> 68
    variant_and_rest = 0x8000_0000_0000_0000 | noise & 0x3FFF_FFFF_FFFF_FFFF
    return f"{version_and_time:016x}{variant_and_rest:016x}"


def encode_context(context: SelectContext, *, dim: int) -> bytes:
    """The vector as raw little-endian float64; nothing for a policy without context."""
    if not dim:
        return b""
    if context.properties is not None:
        raise InvalidRequest(
            "this experiment has no context schema and takes no properties; "
            f"send context.vector with {dim} numbers",
            code="INVALID_CONTEXT_PROPERTIES",
        )
    vector: Sequence[float] = context.vector or ()
    if len(vector) != dim:
        raise ShapeError(
            f"context.vector has {len(vector)} numbers, the experiment needs {dim} "
            "(policy_params.dim)"
        )
    return struct.pack(f"<{dim}d", *vector)


def check_reward(reward: float, *, support: str, reward_range: RewardRange | None) -> None:
    """Raise SupportError unless the policy can learn from the reward, rescaled where it must be."""
    if reward_range is None and 0.0 <= reward <= 1.0 and (support == "bounded" or reward in (0, 1)):
        return
    paid = rescaled(np.asarray([reward]), reward_range)
    check_rewards(paid, support=support, owner="the experiment's policy")


def wall_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
