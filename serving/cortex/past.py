"""What a retraction has to know: the rows of its decision, and the batches to fold again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from qbrix.errors import QbrixError, StateMismatch, Unavailable
from qbrix.ledger import Batch, Course, Resolver
from qbrix.ledger.course import refold, taken_back
from serving.cortex.deployments import Live
from serving.cortex.kinds import parted
from serving.publishing import restored
from serving.storage.base import FeedbackEvent, Ledger, Windows
from serving.storage.records_windows import StoredRow
from serving.storage.rows import is_id

__all__ = ["Past", "by_decision", "pasts_of"]

_log = structlog.get_logger("cortex")

_PAGE = 200
_MOST_ROWS = 4_000_000  # in memory at once: about a gigabyte


@dataclass(frozen=True, slots=True)
class Past:
    """The rows of some decisions, a state from before them, and the batches since."""

    rows: Mapping[str, Sequence[StoredRow]] = field(default_factory=dict)
    start: Course | None = None
    batches: Sequence[Batch] = ()
    missing: str = ""  # why there are no batches

    def refolded(self, since: Sequence[Batch], batch: Batch, resolver: Resolver) -> Course:
        """What would decide before ``batch`` if what it takes back had never come."""
        if self.missing:
            raise StateMismatch(self.missing)
        behind = [*self.batches, *since]
        return refold(self.start, behind, resolver, without=taken_back([*behind, batch]))


async def pasts_of(
    ledger: Ledger,
    windows: Windows,
    heads: Mapping[str, Live],
    groups: Mapping[str, Sequence[FeedbackEvent]],
) -> dict[str, Past]:
    """For every experiment of which rewards are to be taken back."""
    pasts: dict[str, Past] = {}
    for name, live in heads.items():
        _, takes, _ = parted(groups[name])
        ids = sorted({event.decision_id for event in takes if is_id(event.decision_id)})
        if not ids:
            continue
        rows = by_decision(await windows.rows_of(name, ids))
        epoch = live.deployment.epoch
        versions = [event.version for event in takes if event.epoch == epoch]
        pasts[name] = Past(rows)
        if versions and rows:
            pasts[name] = await _with_batches(ledger, windows, live, rows, version=min(versions))
    return pasts


def by_decision(rows: Sequence[StoredRow]) -> dict[str, list[StoredRow]]:
    """The rows of each decision, in the order of the ledger."""
    grouped: dict[str, list[StoredRow]] = {}
    for row in rows:
        grouped.setdefault(row.event.decision_id, []).append(row)
    return grouped


async def _with_batches(
    ledger: Ledger,
    windows: Windows,
    live: Live,
    rows: Mapping[str, Sequence[StoredRow]],
    *,
    version: int,
) -> Past:
    """Without batches where they cannot be read: what is to be folded again is then refused."""
    try:
        start, batches = await _since(ledger, windows, live, version=version)
    except Unavailable:
        raise
    except QbrixError as error:
        _log.error("past_unreadable", experiment=live.record.id, error=str(error))
        return Past(rows, missing=f"what was learned since cannot be folded again: {error}")
    return Past(rows, start, batches)


async def _since(
    ledger: Ledger, windows: Windows, live: Live, *, version: int
) -> tuple[Course | None, list[Batch]]:
    """A state of at most ``version``, or none at the start of the epoch; what follows it."""
    deployment = live.deployment
    found = await windows.checkpoint(live.record.id, epoch=deployment.epoch, at_most=version)
    start = None
    if found is not None:
        start = (await asyncio.to_thread(restored, found, live.resolver)).course
        after = found.version
    else:
        after = await windows.epoch_start(live.record.id, deployment.epoch) - 1
    batches: list[Batch] = []
    size = 0
    while after < deployment.version:
        page = await ledger.batches(live.record.id, after=after, limit=_PAGE)
        if not page:
            break
        batches += [committed.batch for committed in page]
        after = batches[-1].version
        size += sum(len(one.batch.rows) for one in page if one.batch.rows is not None)
        if size > _MOST_ROWS:
            raise StateMismatch(
                f"more than {_MOST_ROWS} rewards were learned since version {version}; "
                "reset the experiment, or leave the reward as it is"
            )
    return start, batches
