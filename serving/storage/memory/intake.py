"""`Intake` in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import uuid4

from serving.storage import codec, keys
from serving.storage.base import Appended, Outlook, Read, ShardOutlook
from serving.storage.reading import unpack_entries
from serving.storage.records import DecisionEvent, FeedbackEvent

__all__ = ["MemoryIntake"]

E = TypeVar("E")


class MemoryIntake:
    """See `serving.storage.base.Intake`."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, list[tuple[int, bytes, int]]] = defaultdict(list)
        self._last: defaultdict[str, int] = defaultdict(int)
        self._incarnations: dict[int, str] = {}
        self._passed: dict[int, str] = {}
        self._unread: defaultdict[str, int] = defaultdict(int)  # events, by stream
        self._arrived = asyncio.Condition()

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> Appended:
        """See `Intake`."""
        stream = keys.feedback_stream(shard)
        position = await self._append(stream, codec.pack_feedback(events), len(events))
        return Appended(self._incarnation(shard), position, self._unread[stream])

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        """See `Intake`."""
        stream = keys.decision_stream(shard)
        return await self._append(stream, codec.pack_decisions(events), len(events))

    async def read_feedback(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[FeedbackEvent]:
        """See `Intake`."""
        stream = keys.feedback_stream(shard)
        return await self._read(stream, codec.unpack_feedback, after, limit, block_ms=block_ms)

    async def read_decisions(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[DecisionEvent]:
        """See `Intake`."""
        stream = keys.decision_stream(shard)
        return await self._read(stream, codec.unpack_decisions, after, limit, block_ms=block_ms)

    async def incarnation(self, shard: int) -> str:
        """See `Intake`."""
        return self._incarnation(shard)

    async def trim(self, shard: int, *, incarnation: str, feedback: str, decisions: str) -> None:
        """See `Intake`."""
        if self._incarnation(shard) != incarnation:
            return
        self._passed[shard] = feedback
        for stream, upto in (
            (keys.feedback_stream(shard), feedback),
            (keys.decision_stream(shard), decisions),
        ):
            entries = self._streams[stream]
            self._streams[stream] = [entry for entry in entries if entry[0] > int(upto)]
            self._unread[stream] = sum(entry[2] for entry in self._streams[stream])

    async def backlog(self, shard: int) -> int:
        """See `Intake`."""
        return self._unread[keys.feedback_stream(shard)]

    async def look(self, shards: Sequence[int]) -> Outlook:
        """See `Intake`."""
        outlooks = {
            shard: ShardOutlook(
                incarnation=self._incarnation(shard),
                passed=self._passed.get(shard, "0"),
                unread=self._unread[keys.feedback_stream(shard)],
            )
            for shard in shards
        }
        return Outlook(durability=await self.durability(), shards=outlooks)

    async def durability(self) -> str:
        """What is in memory only is lost with it."""
        return "memory"

    def lose(self) -> None:
        """What a flushed or emptied Redis does."""
        self._streams.clear()
        self._last.clear()
        self._incarnations.clear()
        self._passed.clear()
        self._unread.clear()

    def _incarnation(self, shard: int) -> str:
        return self._incarnations.setdefault(shard, uuid4().hex)

    async def _append(self, stream: str, entry: bytes, events: int) -> str:
        self._last[stream] += 1
        self._unread[stream] += events
        self._streams[stream].append((self._last[stream], entry, events))
        async with self._arrived:
            self._arrived.notify_all()
        return str(self._last[stream])

    async def _read(
        self,
        stream: str,
        unpack: Callable[[bytes], list[E]],
        after: str,
        limit: int,
        *,
        block_ms: int,
    ) -> Read[E]:
        def behind() -> list[tuple[str, bytes]]:
            entries = self._streams[stream]
            return [(str(place), entry) for place, entry, _ in entries if place > int(after)]

        if block_ms and not behind():
            try:
                async with asyncio.timeout(block_ms / 1000), self._arrived:
                    await self._arrived.wait_for(behind)
            except TimeoutError:
                pass
        return unpack_entries(behind(), unpack, after=after, limit=limit)
