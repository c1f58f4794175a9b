"""The protocols of intake and channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from serving.storage.records import DecisionEvent, FeedbackEvent, StateRecord

__all__ = ["Appended", "Channel", "Intake", "Outlook", "Read", "ShardOutlook"]

E = TypeVar("E")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read(Generic[E]):
    """What a stream held behind a position.

    ``position`` is that of the last entry seen (the one asked for when there was none);
    ``damaged`` are entries that no version of ours can have written.
    """

    events: list[E]
    position: str
    damaged: list[bytes]


@dataclass(frozen=True, slots=True)
class Appended:
    """Where the last of some events lies, and how many are unread there, these included."""

    incarnation: str
    position: str
    unread: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardOutlook:
    """A shard's stream of feedback: up to ``passed`` the ledger has it, ``unread`` events wait."""

    incarnation: str
    passed: str
    unread: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What who sends feedback must know; ``durability`` as `Intake.durability`."""

    durability: str
    shards: dict[int, ShardOutlook]


class Intake(Protocol):
    """Durable streams, one for feedback and one for decisions per shard.

    A shard's streams have a name, their incarnation. Streams that vanished, and a stream that does
    not hold any more what this object appended to it, get another one: whoever read them begins
    anew, whoever sent to them sends again.
    """

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> Appended:
        """Where the last event lies, on disk when this returns.

        Raises Unavailable otherwise; the events may be there all the same.
        """
        ...

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        """Position of the last event; best effort; raises Unavailable."""
        ...

    async def read_feedback(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[FeedbackEvent]:
        """About ``limit`` events behind a position, in order; ``block_ms`` 0 does not wait."""
        ...

    async def read_decisions(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[DecisionEvent]:
        """As `read_feedback`."""
        ...

    async def incarnation(self, shard: int) -> str:
        """The name of the shard's streams."""
        ...

    async def trim(self, shard: int, *, incarnation: str, feedback: str, decisions: str) -> None:
        """Drop what lies at or before these positions, and tell who sent it: the ledger has it.

        Nothing happens when the streams have another incarnation by now.
        """
        ...

    async def backlog(self, shard: int) -> int:
        """How many events of feedback nobody has trimmed yet."""
        ...

    async def look(self, shards: Sequence[int]) -> Outlook:
        """All that who sends must know, in one round trip."""
        ...

    async def durability(self) -> str:
        """What an acknowledgement is worth: ``always``, ``everysec``, ``memory``, ``evicting``."""
        ...


class Channel(Protocol):
    """Copies and calls."""

    async def publish(self, state: StateRecord) -> bool:
        """Replace the copy if (term, version) does not fall back, and tell every motor.

        The call goes to the topic `serving.storage.keys.STATES` with the experiment as payload.
        """
        ...

    async def fetch(self, experiment: str) -> StateRecord | None:
        """The copy."""
        ...

    async def versions(self, experiments: Sequence[str]) -> list[int | None]:
        """Of the copies, in one round trip."""
        ...

    async def announce(self, topic: str, payload: str) -> None:
        """Tell everybody: topics are in `serving.storage.keys`."""
        ...

    def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        """(topic, payload) for ever.

        Yields (topic, "") for each topic as soon as it hears, and again after every interruption:
        what was missed is then anybody's guess.
        """
        ...

    async def ping(self) -> None:
        """Raises Unavailable when the store does not answer."""
        ...
