"""An experiment's ledger folded again and held against everything that serving kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import numpy as np

from qbrix.bundle import Bundle
from qbrix.errors import QbrixError, StateMismatch, Unavailable
from qbrix.evaluation import Decisions, LoggedBatch, LoggedData, LoggedDecision, LogVerification
from qbrix.evaluation.chain import Chain
from qbrix.ledger import Batch, Configuration
from qbrix.state import from_bytes
from serving.loading import PolicyLoader
from serving.publishing import restored
from serving.storage.base import CommittedBatch, DecisionEvent, Ledger, StateRecord, Stores

__all__ = ["Replayed", "replay"]

_PAGE = 200
_DECISIONS = 10_000
_EVER = 2**62


@dataclass(slots=True)
class Replayed:
    """What came out: how far the chain holds, and the sentence that says where it breaks.

    ``since`` is the version that was taken as serving keeps it, because the ledger does not hold
    what was before; None when everything was folded from zero. ``last`` is where the ledger ends.
    """

    experiment: str
    since: int | None = None
    last: int | None = None
    versions: int = 0
    states: int = 0
    kept: int = 0
    max_state_error: float = 0.0
    ledger_digest: str = ""
    state_digest: str = ""
    problems: list[str] = field(default_factory=list)
    log: LogVerification | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


async def replay(
    stores: Stores,
    loader: PolicyLoader,
    experiment: str,
    *,
    to: int | None = None,
    verify: bool = False,
) -> Replayed:
    """Fold version 0 … ``to`` (the last one by default) again.

    A ledger whose beginning was dropped is folded from the oldest state that serving keeps.
    ``verify`` also computes every logged decision of these versions anew, which needs all of them.
    What does not hold is told in the answer; raises Unavailable only.
    """
    told = Replayed(experiment)
    last = _EVER if to is None else to
    try:
        await _fold(stores, loader, told, last=last)
        if verify and told.holds and told.since is None:
            told.log = await _verified(stores, loader, experiment, last=last)
            told.problems += told.log.problems
    except Unavailable:
        raise
    except QbrixError as error:
        told.problems.append(str(error))
    if told.holds and told.last is None:
        told.problems.append(f"the ledger has no experiment {experiment}")
    if told.holds and to is not None and told.last != to:
        told.problems.append(f"the ledger ends at version {told.last}, before {to}")
    return told


async def _fold(stores: Stores, loader: PolicyLoader, told: Replayed, *, last: int) -> None:
    kept = await _kept_states(stores, told.experiment)
    chain: Chain | None = None
    async for committed in _batches(stores.ledger, told.experiment, last=last):
        batch = committed.batch
        if batch.control is not None:  # fetches its bundle; the resolver is the same one
            await loader.resolver_for(batch.control.configuration)
        if chain is None:
            chain = await _begun(loader, told, batch, kept.get(batch.version - 1))
        if chain is not None:
            await _take(chain, told, committed, kept.get(batch.version))
        told.last = batch.version
        told.ledger_digest, told.state_digest = committed.ledger_digest, committed.state_digest
    if told.last is not None and chain is None and told.last not in kept:
        raise StateMismatch(
            f"what was before version {told.last} was dropped by CORTEX_LEDGER_RETENTION_S, and "
            "serving keeps no state of then, so that nothing can be folded"
        )


async def _begun(
    loader: PolicyLoader, told: Replayed, batch: Batch, before: StateRecord | None
) -> Chain | None:
    """A chain that goes on with ``batch``; None when nothing is known of what was before."""
    if batch.version == 0 and batch.control is not None:
        return Chain(told.experiment, await loader.resolver_for(batch.control.configuration))
    if before is None:
        told.since = batch.version
        return None
    resolver = await loader.resolver_for(Configuration.from_json(before.configuration))
    told.since = before.version
    return Chain(told.experiment, resolver, start=restored(before, resolver))


async def _take(
    chain: Chain, told: Replayed, committed: CommittedBatch, record: StateRecord | None
) -> None:
    """The next version, compared with the digests and the state that serving kept of it."""
    await asyncio.to_thread(
        chain.take,
        committed.batch,
        ledger_digest=committed.ledger_digest,
        state_digest=committed.state_digest,
    )
    if record is not None:
        _meet(chain, record, committed)
        told.kept += 1
        told.max_state_error = max(told.max_state_error, chain.max_state_error)
    told.versions, told.states = chain.versions, chain.states


def _meet(chain: Chain, record: StateRecord, committed: CommittedBatch) -> None:
    """A state that serving kept is that of its version, digests and configuration included."""
    now = chain.now
    assert now is not None
    noted = (record.ledger_digest, record.state_digest, record.configuration)
    if noted != (committed.ledger_digest, committed.state_digest, now.configuration.to_json()):
        raise StateMismatch(
            f"version {now.version} of experiment {now.experiment}: the state that serving keeps "
            "has other digests, or another configuration, than the ledger"
        )
    chain.meet(from_bytes(now.policy.state_type, record.state))


async def _kept_states(stores: Stores, experiment: str) -> dict[int, StateRecord]:
    """The latest state, and earlier ones as far as there are some."""
    latest = await stores.ledger.snapshot(experiment)
    if latest is None:
        return {}
    kept = {latest.version: latest}
    for epoch in range(latest.epoch + 1):
        at_most = latest.version
        while True:
            found = await stores.windows.checkpoint(experiment, epoch=epoch, at_most=at_most)
            if found is None:
                break
            kept.setdefault(found.version, found)
            at_most = found.version - 1
    return kept


async def _batches(ledger: Ledger, experiment: str, *, last: int) -> AsyncIterator[CommittedBatch]:
    after = -1
    while page := await ledger.batches(experiment, after=after, limit=_PAGE):
        for committed in page:
            if committed.batch.version > last:
                return
            yield committed
        after = page[-1].batch.version


async def _verified(
    stores: Stores, loader: PolicyLoader, experiment: str, *, last: int
) -> LogVerification:
    batches: list[LoggedBatch] = []
    bundles: dict[str, Bundle] = {}
    async for one in _batches(stores.ledger, experiment, last=last):
        control = one.batch.control
        if control is not None and control.configuration.policy.bundle is not None:
            sha256 = control.configuration.policy.bundle
            bundles[sha256] = await loader.bundle(sha256)
        batches.append(
            LoggedBatch(
                batch=one.batch,
                ledger_digest=one.ledger_digest,
                state_digest=one.state_digest,
                committed_ms=one.committed_ms,
            )
        )
    decisions = [
        _logged(event)
        async for event in _decisions(stores.ledger, experiment)
        if event.version <= last
    ]
    log = LoggedData(
        experiment=experiment,
        batches=tuple(batches),
        decisions=Decisions.of(decisions),
        bundles=bundles,
    )
    return await asyncio.to_thread(log.verify)


async def _decisions(ledger: Ledger, experiment: str) -> AsyncIterator[DecisionEvent]:
    after: int | None = 0
    while after is not None:
        page, after = await ledger.decisions(experiment, after=after, limit=_DECISIONS)
        for event in page:
            yield event


def _logged(event: DecisionEvent) -> LoggedDecision:
    context = np.frombuffer(event.context, dtype="<f8").astype(np.float64)
    return LoggedDecision(
        decision_id=event.decision_id,
        context_id=event.context_id,
        epoch=event.epoch,
        version=event.version,
        arm=event.arm,
        u=event.u,
        low=event.low,
        propensity=event.propensity,
        source=event.source,
        context=context if context.size else None,
        decided_ms=event.decided_ms,
        sampling=event.sampling,
    )
