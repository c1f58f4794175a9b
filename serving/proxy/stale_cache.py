"""A memory of what a store holds that goes on answering while the store is away."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import structlog
from typing_extensions import TypedDict

from qbrix.errors import QbrixError

__all__ = ["Ages", "Entry", "StaleCache"]

V = TypeVar("V")

_log = structlog.get_logger("proxy")

_GATHERED_S = 0.05  # what falls due meanwhile is asked for together; nobody waits for it


class Ages(TypedDict):
    """How many values are known, and the seconds since the youngest and oldest were looked up."""

    known: int
    youngest_s: float | None
    oldest_s: float | None


class Entry(Generic[V]):
    """What was found, when, and whether the store was away at the last try.

    ``checked_s`` is when it was known to be true; a value that was changed since has no such time.
    """

    __slots__ = ("away", "checked_s", "found_s", "tried_s", "value")

    def __init__(self, value: V, *, checked_s: float) -> None:
        self.value = value
        self.checked_s = self.found_s = checked_s
        self.tried_s = checked_s
        self.away = False


class StaleCache(Generic[V]):
    """Values by key. Younger than ``ttl_s``: answered at once. Older: answered at once and looked
    up in the background. Older than twice that, or invalidated: the caller waits for the store up
    to ``grace_s``, then takes the old value. Only a key never seen before can fail.

    With ``still``, which says of many values at once which are as the store has them, the
    background asks so first and looks up only the others.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[V | None]],
        *,
        ttl_s: float,
        still: Callable[[Mapping[str, V]], Awaitable[set[str]]] | None = None,
        limit: int = 100_000,
        grace_s: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._still = still
        self._ttl_s = ttl_s
        self._limit = limit
        self._grace_s = grace_s
        self._clock = clock
        self._entries: OrderedDict[str, Entry[V]] = OrderedDict()
        self._absent: OrderedDict[str, float] = OrderedDict()
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._changed: set[str] = set()
        self._due: set[str] = set()
        self._rechecking: asyncio.Task[None] | None = None

    def peek(self, key: str) -> V | None:
        """The value if it may be used without waiting."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now_s = self._clock()
        age_s = now_s - entry.checked_s
        if age_s <= self._ttl_s:
            return entry.value
        if age_s > 2 * self._ttl_s and not entry.away:
            return None
        if now_s - entry.tried_s > min(1.0, self._ttl_s):
            self._renew(key, entry)
        return entry.value

    async def get(self, key: str) -> V | None:
        """The value, None when the store has none; raises Unavailable for an unknown key only."""
        value = self.peek(key)
        if value is not None or self._clock() - self._absent.get(key, -self._ttl_s) < self._ttl_s:
            return value
        old = self._entries.get(key)
        task = self._refresh(key)
        await asyncio.wait({task}, timeout=None if old is None else self._grace_s)
        if old is not None and not task.done():  # whoever comes next need not wait as well
            old.away = True
        if (entry := self._entries.get(key)) is not None:
            return entry.value
        if task.done() and (failure := task.exception()) is not None:
            raise failure
        return None

    def put(self, key: str, value: V | None) -> None:
        """Remember what was just written or read; None for something that does not exist."""
        if value is None:
            self._entries.pop(key, None)
            self._absent[key] = self._clock()
        else:
            self._absent.pop(key, None)
            self._entries[key] = Entry(value, checked_s=self._clock())
            self._entries.move_to_end(key)
        for remembered in (self._entries, self._absent):
            while len(remembered) > self._limit:
                remembered.popitem(last=False)

    def invalidate(self, key: str) -> None:
        """The value changed elsewhere: the next caller looks it up."""
        self._absent.pop(key, None)
        if key in self._loading:
            self._changed.add(key)
        if (old := self._entries.get(key)) is not None:
            # Another entry, so that who looks at the old one does not take it for the latest.
            changed = Entry(old.value, checked_s=float("-inf"))
            changed.found_s, changed.tried_s = old.found_s, old.tried_s
            self._entries[key] = changed

    def ages(self) -> Ages:
        """Of the values in memory, which lie there in the order of their look-up."""
        if not self._entries:
            return Ages(known=0, youngest_s=None, oldest_s=None)
        now_s = self._clock()
        ends = (next(reversed(self._entries.values())), next(iter(self._entries.values())))
        youngest_s, oldest_s = (round(now_s - entry.found_s, 3) for entry in ends)
        return Ages(known=len(self._entries), youngest_s=youngest_s, oldest_s=oldest_s)

    def forget_absent(self) -> None:
        """What was missing may be there by now."""
        self._absent.clear()

    def invalidate_all(self) -> None:
        """Changes may have been missed."""
        self._absent.clear()
        for key in [*self._entries, *self._loading]:
            self.invalidate(key)

    async def close(self) -> None:
        """Stop looking up."""
        tasks = list(self._loading.values())
        if self._rechecking is not None:
            tasks.append(self._rechecking)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _renew(self, key: str, entry: Entry[V]) -> None:
        if self._still is None:
            self._refresh(key)
            return
        entry.tried_s = self._clock()
        self._due.add(key)
        if self._rechecking is None or self._rechecking.done():
            self._rechecking = asyncio.create_task(self._recheck(self._still))

    async def _recheck(self, still: Callable[[Mapping[str, V]], Awaitable[set[str]]]) -> None:
        """Of what is due, ask at once what is still so; look up the rest."""
        while self._due:
            await asyncio.sleep(_GATHERED_S)
            due, self._due = self._due, set()
            asked = {key: entry for key in due if (entry := self._entries.get(key)) is not None}
            asked_s = self._clock()
            try:
                same = await still({key: entry.value for key, entry in asked.items()})
            except QbrixError as error:
                _log.warning("look_up_failed", error=repr(error), values=len(asked))
                for entry in asked.values():
                    entry.away = True
                continue
            for key, entry in asked.items():
                if key not in same:
                    self._refresh(key)
                elif self._entries.get(key) is entry:  # else it was written or changed meanwhile
                    entry.checked_s = entry.found_s = entry.tried_s = asked_s
                    entry.away = False
                    self._entries.move_to_end(key)

    def _refresh(self, key: str) -> asyncio.Task[None]:
        task = self._loading.get(key)
        if task is None:
            if (entry := self._entries.get(key)) is not None:
                entry.tried_s = self._clock()
            task = asyncio.create_task(self._look_up(key))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._settle(key, done))
        return task

    async def _look_up(self, key: str) -> None:
        """Look up until no change was heard of meanwhile."""
        while True:
            self._changed.discard(key)
            before = self._entries.get(key)
            value = await self._load(key)
            if key not in self._changed:
                break
        if self._entries.get(key) is before:  # else somebody wrote it meanwhile: that is newer
            self.put(key, value)

    def _settle(self, key: str, task: asyncio.Task[None]) -> None:
        self._loading.pop(key, None)
        if task.cancelled() or (failure := task.exception()) is None:
            return
        _log.warning("look_up_failed", error=repr(failure))
        if (entry := self._entries.get(key)) is not None:
            entry.away = True
