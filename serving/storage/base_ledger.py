"""The protocol of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from qbrix.errors import Conflict
from serving.storage.records import (
    CommittedBatch,
    ControlRequest,
    DecisionEvent,
    ExperimentRecord,
    Key,
    Promotion,
    StateRecord,
)
from serving.storage.records_windows import Progress

__all__ = ["AlreadyCounted", "Ledger", "LedgerStep"]


class AlreadyCounted(Conflict):
    """The ledger has a reward that a step would count; nothing of the step is committed."""


class LedgerStep(Protocol):
    """One transaction of cortex over one shard; all of it is committed, or nothing."""

    async def append(self, experiment: str, committed: CommittedBatch) -> None:
        """Batch, rows and keys of the next version; Conflict when it is not the next one.

        AlreadyCounted, now or at the end of the step, when the ledger has one of the keys.
        """
        ...

    async def put_snapshot(self, state: StateRecord) -> None:
        """Replace the experiment's latest snapshot."""
        ...

    async def put_window(self, experiment: str, progress: Progress) -> None:
        """Remember up to which decision an experiment's windows are closed."""
        ...

    async def put_checkpoint(self, state: StateRecord) -> None:
        """Keep a state to go back to; the older ones are thinned out."""
        ...

    async def drop_checkpoints(self, experiment: str, *, after: int) -> None:
        """Forget the states of later versions: they know what was taken back."""
        ...

    async def settle_control(
        self, control_id: int, *, status: str, outcome: dict[str, Any]
    ) -> bool:
        """Close a pending control change; False when it was cancelled meanwhile."""
        ...

    async def put_promotion(
        self, experiment: str, *, version: int, bundle: str, certificate: str
    ) -> None:
        """Keep the certificate beside the version that it let in."""
        ...

    async def put_policy(self, record: ExperimentRecord) -> None:
        """Make the stored record say what decides now: policy, parameters, bundle, support, floor,
        reward range and attribution are those of ``record``, the rest stays.
        """
        ...

    async def bury(self, experiment: str, *, reason: str, payload: bytes) -> None:
        """Dead-letter what cannot be folded."""
        ...

    async def put_decisions(self, decisions: Sequence[DecisionEvent]) -> None:
        """Archive decisions; one that is archived already is left as it is."""
        ...

    async def move(self, stream: str, *, incarnation: str, position: str) -> None:
        """Remember up to where a stream (a name from `serving.storage.keys`) has been read."""
        ...

    def meanwhile(self, begin: Callable[[], None]) -> None:
        """Call ``begin`` once before the commit, when the store works and this process waits."""
        ...


class Ledger(Protocol):
    """What was learned."""

    async def acquire(self, shard: int, *, holder: str, ttl_s: float) -> int | None:
        """The lease's term when ``holder`` has it now (renewed or taken over), else None.

        The term rises with every change of holder. ``holder`` names one life of one process: a
        process that starts again takes another name. The store's clock counts, nobody else's.
        """
        ...

    async def release(self, shard: int, *, holder: str) -> None:
        """Let the lease expire at once."""
        ...

    def step(self, shard: int, *, term: int) -> AbstractAsyncContextManager[LedgerStep]:
        """A transaction that commits on leaving; Conflict when the lease has another term."""
        ...

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """All keys (experiment, epoch, decision id, feedback id) that the ledger has of their
        decisions: those that it counted, and perhaps others of the same decisions.
        """
        ...

    async def marked(self, experiments: Sequence[str]) -> set[str]:
        """Those of which the ledger has keys of our own: of retractions and closed windows."""
        ...

    async def position(self, stream: str) -> tuple[str, str] | None:
        """(incarnation, position) that the last committed step left."""
        ...

    async def shards(self) -> int:
        """One more than the highest shard that a live experiment is on; 0 without any."""
        ...

    async def experiments(self, shard: int) -> list[ExperimentRecord]:
        """The live experiments of a shard."""
        ...

    async def experiment(self, experiment: str) -> ExperimentRecord | None:
        """One live experiment, whoever owns it."""
        ...

    async def snapshot(self, experiment: str) -> StateRecord | None:
        """The latest snapshot."""
        ...

    async def pending_controls(self, shard: int) -> list[ControlRequest]:
        """Oldest first."""
        ...

    async def batches(
        self, experiment: str, *, after: int, limit: int, changes_only: bool = False
    ) -> list[CommittedBatch]:
        """Batches with a version greater than ``after``, in order; all, or the control changes."""
        ...

    async def decisions(
        self, experiment: str, *, after: int, limit: int
    ) -> tuple[list[DecisionEvent], int | None]:
        """Archived decisions behind a cursor, and the next cursor (None at the end)."""
        ...

    async def find_decision(self, tenant: str, decision_id: str) -> DecisionEvent:
        """One archived decision, also when only its feedback was kept. Raises NotFound."""
        ...

    async def promotions(self, experiment: str) -> list[Promotion]:
        """Oldest first."""
        ...

    async def bundle(self, sha256: str) -> bytes:
        """A bundle's bytes, whoever owns it. Raises NotFound."""
        ...
