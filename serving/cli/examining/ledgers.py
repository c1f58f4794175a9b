"""Every experiment's ledger, folded from zero."""

from __future__ import annotations

from collections.abc import AsyncIterator

from qbrix.errors import QbrixError
from serving.cli.attached import open_attached
from serving.cli.examining.finding import Finding, fail, ok
from serving.cli.replay import replay_all
from serving.settings import SharedSettings

__all__ = ["examine_ledgers"]


async def examine_ledgers(shared: SharedSettings) -> AsyncIterator[Finding]:
    """One finding per live experiment; one that breaks hides no other."""
    try:
        async with open_attached(shared) as stores:
            async for record, told in replay_all(stores, shared):
                name = f"replay {record.name} ({record.id})"
                if told.holds:
                    since = "" if told.since is None else f" since {told.since}"
                    state = told.state_digest[:12]
                    yield ok(name, f"{told.versions} versions{since}, state {state}")
                else:
                    mend = f"see qbrix replay {record.id} --verify"
                    yield fail(name, "; ".join(told.problems), mend)
    except QbrixError as error:
        yield fail("replay", str(error), "mend the stores first")
