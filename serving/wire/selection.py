"""The question that a proxy asks a motor, and its answer: the same fused and split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from qbrix.errors import QbrixError, Unavailable

__all__ = ["Outcome", "Query", "Selector", "Unreachable"]


class Unreachable(Unavailable):
    """The motor did not answer; another may."""


class Query(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision to make; ``context`` is raw little-endian float64, empty when absent.

    ``request`` is the name of the request that it serves, for the log.
    """

    tenant: str
    experiment: str
    decision_id: str
    context: bytes = b""
    request: str = ""


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision made: ``low <= u < low + propensity``.

    ``age_ms`` is how long ago the state was known to be the latest one.
    """

    arm: int
    u: float
    low: float
    propensity: float
    recorded: tuple[float, ...]
    epoch: int
    version: int
    age_ms: int


class Selector(Protocol):
    """A motor in the same process, or the way to one elsewhere."""

    async def decide(self, queries: Sequence[Query]) -> list[Outcome | QbrixError]:
        """One outcome or error per query, in order; raises Unavailable when nobody answers."""
        ...

    async def start(self) -> None:
        """Begin to follow state changes, or open the way to who does."""
        ...

    async def stop(self) -> None:
        """Let go."""
        ...

    async def wait(self) -> None:
        """Until it cannot follow state changes any more; raises what ended that."""
        ...

    def at_hand(self, experiment: str) -> int | None:
        """How many arms the prepared state in memory has, if `decide_at_once` can answer."""
        ...

    def decide_at_once(self, query: Query) -> Outcome | QbrixError:
        """One outcome or error; only after `at_hand` said that it can be had."""
        ...

    def facts(self) -> dict[str, Any]:
        """For whoever watches: ``known`` states in memory, or ``elsewhere``, who has them."""
        ...

    async def ping(self) -> None:
        """Raises Unavailable when nobody answers."""
        ...
