"""`Intake` over Redis streams; one entry carries many events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import uuid4

from redis.exceptions import ResponseError

from qbrix.errors import Unavailable
from serving.storage import codec, keys
from serving.storage.base import Read
from serving.storage.reading import unpack_entries
from serving.storage.records import DecisionEvent, FeedbackEvent
from serving.storage.redis.connection import RedisConnection, translated

__all__ = ["RedisIntake"]

E = TypeVar("E")

_FIELD = b"e"
_EVENTS_PER_ENTRY = 128
_ENTRIES_PER_READ = 64

_TRIM = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[2])
redis.call('XTRIM', KEYS[3], 'MINID', ARGV[3])
return 1
"""


class RedisIntake:
    """See `serving.storage.base.Intake`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._trim = connection.commands.register_script(_TRIM)

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> str:
        """See `Intake`."""
        return await self._append(keys.feedback_stream(shard), events, codec.pack_feedback)

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        """See `Intake`."""
        return await self._append(keys.decision_stream(shard), events, codec.pack_decisions)

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
        key = keys.incarnation(shard)
        found = await self._connection.command("GET", key)
        if found is None:
            await self._connection.command("SET", key, uuid4().hex, "NX")
            found = await self._connection.command("GET", key)
        return _text(found)

    async def trim(self, shard: int, *, incarnation: str, feedback: str, decisions: str) -> None:
        """See `Intake`."""
        names = keys.incarnation(shard), keys.feedback_stream(shard), keys.decision_stream(shard)
        with translated():
            await self._trim(keys=names, args=(incarnation, _behind(feedback), _behind(decisions)))

    async def backlog(self, shard: int) -> int:
        """See `Intake`."""
        return int(await self._connection.command("XLEN", keys.feedback_stream(shard)))

    async def durability(self) -> str:
        """See `Intake`; a server that does not tell is taken for one that forgets."""
        names = "appendonly", "appendfsync", "maxmemory", "maxmemory-policy"
        try:
            found = await self._connection.command("CONFIG GET", *names)
        except Unavailable as error:
            if isinstance(error.__cause__, ResponseError):
                return "memory"
            raise
        settings = {_text(name): _text(value) for name, value in found.items()}
        evicts = settings.get("maxmemory-policy", "").startswith("allkeys")
        if evicts and settings.get("maxmemory", "0") != "0":
            return "evicting"
        if settings.get("appendonly") != "yes" or settings.get("appendfsync") == "no":
            return "memory"
        return settings["appendfsync"]

    async def _append(
        self, stream: str, events: Sequence[E], pack: Callable[[Sequence[E]], bytes]
    ) -> str:
        starts = range(0, len(events), _EVENTS_PER_ENTRY)
        entries = [pack(events[start : start + _EVENTS_PER_ENTRY]) for start in starts]
        with translated():
            pipeline = self._connection.commands.pipeline(transaction=False)
            for entry in entries:
                pipeline.execute_command("XADD", stream, "*", _FIELD, entry)
            positions: list[bytes] = await pipeline.execute()
        return _text(positions[-1])

    async def _read(
        self,
        stream: str,
        unpack: Callable[[bytes], list[E]],
        after: str,
        limit: int,
        *,
        block_ms: int,
    ) -> Read[E]:
        read: Read[E] = Read(events=[], position=after, damaged=[])
        while len(read.events) < limit:
            entries = await self._entries(stream, after=read.position, block_ms=block_ms)
            more = unpack_entries(
                entries, unpack, after=read.position, limit=limit - len(read.events)
            )
            read = Read(
                events=read.events + more.events,
                position=more.position,
                damaged=read.damaged + more.damaged,
            )
            if len(entries) < _ENTRIES_PER_READ:
                break
            block_ms = 0
        return read

    async def _entries(self, stream: str, *, after: str, block_ms: int) -> list[tuple[str, bytes]]:
        wait = ("BLOCK", block_ms) if block_ms else ()
        answer = await self._connection.command(
            "XREAD", "COUNT", _ENTRIES_PER_READ, *wait, "STREAMS", stream, after
        )
        if not answer:
            return []
        return [(_text(place), fields.get(_FIELD, b"")) for place, fields in answer[0][1]]


def _behind(position: str) -> str:
    """The smallest id that is greater than ``position``."""
    milliseconds, _, sequence = position.partition("-")
    return f"{milliseconds}-{int(sequence or 0) + 1}"


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
