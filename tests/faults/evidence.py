"""What the stores hold after a run, read past the roles; and the wait until it can be judged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qbrix.errors import Unavailable
from qbrix.ledger.disposition import FOLDING
from serving.storage.base import CommittedBatch, DeadLetter, DecisionEvent, StateRecord, Stores
from serving.tokens import DecisionToken, TokenSealer
from tests.faults.history import Attempt, History

__all__ = ["Evidence", "RewardKey", "Secrets", "gather", "reward_key", "wait_until_learned"]

# experiment, epoch, decision id, feedback id: what makes a reward the same one
RewardKey = tuple[str, int, str, str]

_ALL = 100_000
_LOOK_S = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class Secrets:
    """What only the servers know, and who has to judge them."""

    draw_key: bytes
    token_key: bytes
    tenant: str

    def opener(self) -> TokenSealer:
        """Opens the tokens that the clients were given, however old they say that they are."""
        return TokenSealer([self.token_key], lifetime_s=400 * 86_400.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """The ledger and all copies of what follows from it, by experiment.

    ``backlog`` counts events and changes that wait.
    Windows of decisions made before ``closed_before_ms`` must be closed.
    """

    batches: Mapping[str, Sequence[CommittedBatch]]
    published: Mapping[str, StateRecord | None]
    snapshots: Mapping[str, StateRecord | None]
    dead: Sequence[DeadLetter] = ()
    decisions: Sequence[DecisionEvent] = ()
    backlog: int = 0
    counters: Mapping[str, float] = field(default_factory=dict)
    bundles: Mapping[str, bytes] = field(default_factory=dict)
    closed_before_ms: int = 0


def reward_key(attempt: Attempt, token: DecisionToken) -> RewardKey:
    """The key under which the ledger counts a reward."""
    return (token.experiment, token.epoch, token.decision_id, attempt.feedback_id)


async def gather(stores: Stores, experiments: Sequence[str]) -> Evidence:
    """Everything about these experiments; copies first, for the ledger may go on meanwhile."""
    ledger = stores.ledger
    records = [await ledger.experiment(name) for name in experiments]
    shards = {record.shard for record in records if record is not None}
    pending = [one for shard in shards for one in await ledger.pending_controls(shard)]
    waiting = sum([await stores.intake.backlog(shard) for shard in shards])
    published = {name: await stores.channel.fetch(name) for name in experiments}
    snapshots = {name: await ledger.snapshot(name) for name in experiments}
    letters: list[DeadLetter] = []
    decided: list[DecisionEvent] = []
    for name in experiments:
        letters += await stores.archive.dead_letters(name, limit=_ALL)
        decided += (await ledger.decisions(name, after=0, limit=_ALL))[0]
    batches = {name: await ledger.batches(name, after=-1, limit=_ALL) for name in experiments}
    controls = [one.batch.control for found in batches.values() for one in found]
    used = {one.configuration.policy.bundle for one in controls if one is not None}
    return Evidence(
        batches=batches,
        published=published,
        snapshots=snapshots,
        dead=letters,
        decisions=decided,
        bundles={one: await ledger.bundle(one) for one in used if one is not None},
        backlog=waiting + sum(one.experiment in experiments for one in pending),
    )


async def wait_until_learned(
    stores: Stores,
    history: History,
    experiments: Sequence[str],
    secrets: Secrets,
    *,
    within_s: float,
    closed_before_ms: int = 0,
) -> Evidence:
    """The evidence, once everything acknowledged is counted and published; or when time is up.

    It does not judge: what is still missing at the end is found by the checker.
    """
    ends = time.monotonic() + within_s
    while True:
        try:
            found = await gather(stores, experiments)
        except Unavailable:
            if time.monotonic() > ends:
                raise
        else:
            found = replace(found, closed_before_ms=closed_before_ms)
            if time.monotonic() > ends or _is_settled(found, history, secrets):
                return found
        await asyncio.sleep(_LOOK_S)


def _is_settled(found: Evidence, history: History, secrets: Secrets) -> bool:
    if found.backlog:
        return False
    counted: set[tuple[str, str]] = set()
    learned: set[str] = set()
    for name, batches in found.batches.items():
        published = found.published[name]
        if published is None or published.version != batches[-1].batch.version:
            return False
        for one in batches:
            if (rows := one.batch.rows) is not None:
                counted.update(zip(rows.decision_ids, rows.feedback_ids, strict=True))
                learned.update(rows.where(np.isin(rows.dispositions, FOLDING)).decision_ids)
    opener = secrets.opener()
    wanted = {
        (opener.open(one.request_id, tenant=secrets.tenant).decision_id, one.feedback_id)
        for one in history.of("feedback")
        if one.outcome == "ok"
        and one.experiment in found.batches
        and one.ended_s > history.lost_until_s()
    }
    return wanted <= counted and _due(found) <= learned


def _due(found: Evidence) -> set[str]:
    """Decisions of which something must have been learned by now, if only their default."""
    closing = set()
    for name, batches in found.batches.items():
        control = batches[0].batch.control
        if control is not None and control.configuration.attribution.closes:
            closing.add(name)
    return {
        event.decision_id
        for event in found.decisions
        if event.experiment in closing
        and event.source == "policy"
        and event.decided_ms < found.closed_before_ms
    }
