"""`Intake` over Redis streams; one entry carries many events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar
from uuid import uuid4

from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as Broken
from redis.exceptions import RedisError, ResponseError

from serving.storage import codec, keys
from serving.storage.base import Appended, Outlook, Read, ShardOutlook
from serving.storage.reading import unpack_entries
from serving.storage.records import DecisionEvent, FeedbackEvent
from serving.storage.redis.connection import RedisConnection, translated
from serving.storage.redis.scripts import APPEND, ARCHIVE, LOOK, TRIM

__all__ = ["RedisIntake"]

E = TypeVar("E")

_FIELD = b"e"
_EVENTS_PER_ENTRY = 128
_ENTRIES_PER_READ = 64
_ASKED = "appendonly", "appendfsync", "maxmemory", "maxmemory-policy"
_NOTHING = ("", 0)


class RedisIntake:
    """See `serving.storage.base.Intake`."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._append = connection.commands.register_script(APPEND)
        self._archive = connection.commands.register_script(ARCHIVE)
        self._look = connection.commands.register_script(LOOK)
        self._trim = connection.commands.register_script(TRIM)
        self._name = uuid4().hex
        self._names = count()
        self._sender = f"by:{self._name[:16]}"
        self._sent: dict[int, tuple[str, int]] = {}  # by shard: incarnation, events of ours in it

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> Appended:
        """See `Intake`."""
        entries: list[bytes | int] = []
        for start in range(0, len(events), _EVENTS_PER_ENTRY):
            together = events[start : start + _EVENTS_PER_ENTRY]
            entries += (codec.pack_feedback(together), len(together))
        with translated():
            answer = await self._said(
                self._append, _feedback_keys(shard), (*self._who(shard), *entries)
            )
        incarnation, position, unread, sent = answer.decode("ascii").split()
        self._sent[shard] = incarnation, int(sent)
        return Appended(incarnation, position, int(unread))

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        """See `Intake`."""
        starts = range(0, len(events), _EVENTS_PER_ENTRY)
        entries = [codec.pack_decisions(events[at : at + _EVENTS_PER_ENTRY]) for at in starts]
        with translated():
            position = await self._said(self._archive, (keys.decision_stream(shard),), entries)
        return _text(position)

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
        with translated():
            name, *_ = await self._look(keys=_feedback_keys(shard), args=self._who(shard))
        return _text(name)

    async def trim(self, shard: int, *, incarnation: str, feedback: str, decisions: str) -> None:
        """See `Intake`."""
        names = (*_feedback_keys(shard), keys.decision_stream(shard))
        places = (feedback, _behind(feedback), decisions, _behind(decisions))
        with translated():
            await self._trim(keys=names, args=(incarnation, *places))

    async def backlog(self, shard: int) -> int:
        """See `Intake`."""
        with translated():
            *_, unread = await self._look(keys=_feedback_keys(shard), args=self._who(shard))
        return int(unread)

    async def look(self, shards: Sequence[int]) -> Outlook:
        """See `Intake`."""
        pipeline = self._connection.commands.pipeline(transaction=False)
        for shard in shards:
            pipeline.execute_command("EVAL", LOOK, 2, *_feedback_keys(shard), *self._who(shard))
        pipeline.execute_command("CONFIG GET", *_ASKED)
        with translated():
            *found, settings = await pipeline.execute(raise_on_error=False)
            for answer in found:
                if isinstance(answer, RedisError):
                    raise answer
        return Outlook(
            durability=_worth(settings),
            shards={
                shard: ShardOutlook(incarnation=_text(name), passed=_text(passed), unread=unread)
                for shard, (name, passed, unread) in zip(shards, found, strict=True)
            },
        )

    async def durability(self) -> str:
        """See `Intake`."""
        return (await self.look(())).durability

    async def _said(
        self, script: AsyncScript, names: tuple[str, ...], words: Sequence[str | bytes | int]
    ) -> bytes:
        """What the script says; an answer that did not come, or is an error, is asked for again."""
        with suppress(Broken):
            said = await self._connection.line.ask(
                "EVALSHA", script.sha, len(names), *names, *words
            )
            if said.startswith(b"+"):
                return said[1:]
        answer: bytes = await script(keys=names, args=words)
        return answer

    def _who(self, shard: int) -> tuple[str, str, str, int]:
        """A name for streams that need one, and what this object must find there."""
        return f"{self._name}.{next(self._names)}", self._sender, *self._sent.get(shard, _NOTHING)

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


def _feedback_keys(shard: int) -> tuple[str, str]:
    return keys.streams(shard), keys.feedback_stream(shard)


def _worth(found: dict[Any, Any] | RedisError) -> str:
    """What an acknowledgement is worth; a server that does not tell is taken to forget."""
    if isinstance(found, ResponseError):
        return "memory"
    if isinstance(found, RedisError):
        raise found
    settings = {_text(name): _text(value) for name, value in found.items()}
    evicts = settings.get("maxmemory-policy", "").startswith("allkeys")
    if evicts and settings.get("maxmemory", "0") != "0":
        return "evicting"
    if settings.get("appendonly") != "yes" or settings.get("appendfsync") == "no":
        return "memory"
    return settings["appendfsync"]


def _behind(position: str) -> str:
    """The smallest id that is greater than ``position``."""
    milliseconds, _, sequence = position.partition("-")
    return f"{milliseconds}-{int(sequence or 0) + 1}"


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word
