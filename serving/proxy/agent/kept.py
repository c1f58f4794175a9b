"""What was acknowledged and is not yet known to be in the ledger, to be sent again if need be."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from serving.storage import codec
from serving.storage.base import Appended, FeedbackEvent, ShardOutlook
from serving.storage.reading import reaches

__all__ = ["Kept", "KeptFeedback"]

_TOGETHER = 128  # events: fewer, larger groups are quick to look through


@dataclass(slots=True, eq=False)
class Kept:
    """Events, packed, and where the last of them lies."""

    packed: list[bytes]
    events: int
    incarnation: str
    position: str

    @property
    def size_bytes(self) -> int:
        """Of what is packed."""
        return sum(map(len, self.packed))

    def unpacked(self) -> list[FeedbackEvent]:
        """The events again."""
        return [event for data in self.packed for event in codec.unpack_feedback(data)]


class KeptFeedback:
    """By shard, in the order of the streams; the caller sets the limit."""

    def __init__(self) -> None:
        self._shards: dict[int, deque[Kept]] = {}
        self.events = 0
        self.size_bytes = 0

    def add(self, shard: int, events: Sequence[FeedbackEvent], place: Appended) -> None:
        """These were acknowledged."""
        packed = codec.pack_feedback(events)
        self.events += len(events)
        self.size_bytes += len(packed)
        groups = self._shards.setdefault(shard, deque())
        last = groups[-1] if groups else None
        if (
            last is not None
            and last.incarnation == place.incarnation
            and last.events + len(events) <= _TOGETHER
        ):
            last.packed.append(packed)
            last.events += len(events)
            last.position = place.position
        else:
            groups.append(Kept([packed], len(events), place.incarnation, place.position))

    def settle(self, shard: int, outlook: ShardOutlook) -> list[Kept]:
        """Let go what the ledger has; hand out what lay in streams that are gone."""
        strays = []
        for group in list(self._shards.get(shard, ())):
            stray = group.incarnation != outlook.incarnation
            if stray:
                strays.append(group)
            if stray or reaches(outlook.passed, group.position):
                self._shards[shard].remove(group)
                self._count(group, sign=-1)
        return strays

    def take_back(self, shard: int, strays: Sequence[Kept]) -> None:
        """They could not be sent again, this time."""
        self._shards.setdefault(shard, deque()).extendleft(reversed(strays))
        for group in strays:
            self._count(group, sign=1)

    def _count(self, group: Kept, *, sign: int) -> None:
        self.events += sign * group.events
        self.size_bytes += sign * group.size_bytes
