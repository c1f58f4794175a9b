"""What the roles store and the guarantees they rely on; every backend passes one contract suite.

Four stores, by what they promise:

* `Catalog` (Postgres): tenants' resources. A write is on disk when the call returns.
* `Ledger` (Postgres): what was learned, append-only. One transaction a step, fenced by the term.
* `Intake` (Redis streams): feedback and decisions on their way to the ledger. Durable when the
  call returns, read in order, trimmed only behind what the ledger has committed.
* `Channel` (Redis keys and pub/sub): copies of states and wake-up calls. Everything in it can be
  rebuilt from the other stores; a lost message costs latency, never truth.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from serving.storage.records import (
    ApiKeyRecord,
    ArmRecord,
    CommittedBatch,
    ControlRequest,
    DecisionEvent,
    ExperimentRecord,
    FeedbackEvent,
    Key,
    PoolRecord,
    StateRecord,
)

__all__ = [
    "ApiKeyRecord",
    "ArmRecord",
    "Catalog",
    "Channel",
    "CommittedBatch",
    "ControlRequest",
    "DecisionEvent",
    "ExperimentRecord",
    "FeedbackEvent",
    "Intake",
    "Key",
    "Ledger",
    "LedgerStep",
    "PoolRecord",
    "Read",
    "StateRecord",
    "Stores",
]

E = TypeVar("E")


@dataclass(frozen=True, kw_only=True, slots=True)
class Read(Generic[E]):
    """What a stream held behind a position.

    ``position`` is that of the last entry seen (the one asked for when there was none);
    ``damaged`` are entries that no version of ours can have written.
    """

    events: list[E]
    position: str
    damaged: list[bytes]


class Catalog(Protocol):
    """Tenants' resources. Every method is confined to the tenant it is given."""

    async def create_tenant(self, name: str) -> str:
        """The new tenant's id. Raises Conflict when the name is taken."""
        ...

    async def find_tenant(self, name: str) -> str | None:
        """The id of the tenant of that name."""
        ...

    async def ping(self) -> None:
        """Raises Unavailable when the store does not answer."""
        ...

    async def put_api_key(self, record: ApiKeyRecord) -> None:
        """Store a credential; a key with the same digest is left as it is."""
        ...

    async def find_api_key(self, key_sha256: str) -> ApiKeyRecord | None:
        """The active credential with this digest."""
        ...

    async def list_api_keys(self, tenant: str) -> list[ApiKeyRecord]:
        """All of the tenant's credentials, newest first."""
        ...

    async def get_api_key(self, tenant: str, key_id: str) -> ApiKeyRecord:
        """Raises NotFound (``api_key``)."""
        ...

    async def change_api_key(self, record: ApiKeyRecord) -> None:
        """Replace name, digest, scopes and activity of a credential. Raises NotFound."""
        ...

    async def delete_api_key(self, tenant: str, key_id: str) -> None:
        """Forget a credential. Raises NotFound."""
        ...

    async def touch_api_keys(self, used: Mapping[str, int]) -> None:
        """Key id → last use in ms; a later time wins, unknown ids are left out."""
        ...

    async def create_pool(self, pool: PoolRecord) -> None:
        """Raises Conflict when the tenant has a pool of that name."""
        ...

    async def get_pool(self, tenant: str, pool_id: str) -> PoolRecord:
        """Raises NotFound."""
        ...

    async def list_pools(self, tenant: str, *, limit: int, offset: int) -> list[PoolRecord]:
        """Newest first."""
        ...

    async def rename_pool(self, tenant: str, pool_id: str, *, name: str) -> PoolRecord:
        """Raises NotFound, Conflict."""
        ...

    async def change_pool(
        self, pool: PoolRecord, *, controls: Sequence[ControlRequest]
    ) -> list[ControlRequest]:
        """Store name and arms, and enqueue the control changes, in one transaction.

        Raises NotFound, Conflict.
        """
        ...

    async def delete_pool(self, tenant: str, pool_id: str) -> None:
        """Raises NotFound, or Conflict (POOL_HAS_EXPERIMENTS)."""
        ...

    async def create_experiment(
        self, record: ExperimentRecord, *, creation: CommittedBatch, state: StateRecord
    ) -> None:
        """Experiment, version 0 of its ledger and its first snapshot, in one transaction.

        Raises Conflict when the tenant has an experiment of that name, NotFound for the pool.
        """
        ...

    async def get_experiment(self, tenant: str, experiment: str) -> ExperimentRecord:
        """Raises NotFound."""
        ...

    async def list_experiments(
        self,
        tenant: str,
        *,
        limit: int,
        offset: int,
        search: str | None = None,
        enabled: bool | None = None,
        pool_id: str | None = None,
    ) -> list[ExperimentRecord]:
        """Newest first; ``search`` is a case-insensitive substring of the name."""
        ...

    async def change_experiment(
        self,
        record: ExperimentRecord,
        *,
        control: ControlRequest | None = None,
    ) -> ControlRequest | None:
        """Store the record and enqueue the control change (its id is assigned) in one transaction.

        Policy, bundle and support are not written: they change by promotion only. Raises NotFound,
        Conflict (name taken, or the record names a policy that was replaced meanwhile).
        """
        ...

    async def delete_experiment(self, tenant: str, experiment: str) -> None:
        """Mark as deleted: the name is free again, the ledger stays. Raises NotFound."""
        ...

    async def put_bundle(self, tenant: str, sha256: str, data: bytes) -> None:
        """Store a bundle's bytes; the same digest twice is one bundle."""
        ...

    async def get_bundle(self, tenant: str, sha256: str) -> bytes:
        """Raises NotFound."""
        ...

    async def request_control(self, control: ControlRequest) -> ControlRequest:
        """Enqueue a control change; returns it with its id."""
        ...

    async def get_control(self, control_id: int) -> ControlRequest:
        """Status and outcome of a control change."""
        ...

    async def cancel_control(self, control_id: int) -> bool:
        """True when it was still pending: it will never be applied."""
        ...


class LedgerStep(Protocol):
    """One transaction of cortex over one shard; all of it is committed, or nothing."""

    async def known(self, keys: Sequence[Key]) -> set[Key]:
        """Those of (experiment, epoch, decision id, feedback id) that the ledger has counted."""
        ...

    async def append(self, experiment: str, committed: CommittedBatch) -> None:
        """Batch, rows and keys of the next version; Conflict when it is not the next one."""
        ...

    async def put_snapshot(self, state: StateRecord) -> None:
        """Replace the experiment's latest snapshot."""
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

    async def put_policy(
        self,
        experiment: str,
        *,
        policy: str,
        parameters: dict[str, Any],
        bundle: str | None,
        support: str,
    ) -> None:
        """Make the experiment's record say what decides now."""
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
        """A transaction that commits on leaving; raises Conflict when the term is not the lease's."""
        ...

    async def position(self, stream: str) -> tuple[str, str] | None:
        """(incarnation, position) that the last committed step left."""
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

    async def batches(self, experiment: str, *, after: int, limit: int) -> list[CommittedBatch]:
        """Batches with a version greater than ``after``, in order."""
        ...

    async def decisions(
        self, experiment: str, *, after: int, limit: int
    ) -> tuple[list[DecisionEvent], int | None]:
        """Archived decisions behind a cursor, and the next cursor (None at the end)."""
        ...

    async def find_decision(self, tenant: str, decision_id: str) -> DecisionEvent:
        """One archived decision, also when only its feedback was kept. Raises NotFound."""
        ...

    async def bundle(self, sha256: str) -> bytes:
        """A bundle's bytes, whoever owns it. Raises NotFound."""
        ...


class Intake(Protocol):
    """Durable streams, one for feedback and one for decisions per shard."""

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> str:
        """Position of the last event, on disk when this returns.

        Raises Unavailable otherwise; the events may be there all the same.
        """
        ...

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> str:
        """Position of the last event; best effort; raises Unavailable."""
        ...

    async def read_feedback(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[FeedbackEvent]:
        """About ``limit`` events behind a position, in order; ``block_ms`` 0 does not wait."""
        ...

    async def read_decisions(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> Read[DecisionEvent]:
        """As `read_feedback`."""
        ...

    async def incarnation(self, shard: int) -> str:
        """A name that the shard's streams got when they were made; a lost stream gets another."""
        ...

    async def trim(self, shard: int, *, feedback: str, decisions: str) -> None:
        """Drop what lies at or before these positions: the ledger has it."""
        ...

    async def backlog(self, shard: int) -> int:
        """How many entries (of one or more events) of feedback nobody has trimmed yet."""
        ...

    async def durability(self) -> str:
        """``always``, ``everysec``, ``memory`` or ``evicting``: what an acknowledgement is worth."""
        ...


class Channel(Protocol):
    """Copies and calls."""

    async def publish(self, state: StateRecord) -> bool:
        """Replace the copy if (term, version) does not fall back, and tell every motor.

        The call goes to the topic `serving.storage.keys.STATES` with the experiment as payload.
        """
        ...

    async def fetch(self, experiment: str) -> StateRecord | None:
        """The copy."""
        ...

    async def announce(self, topic: str, payload: str) -> None:
        """Tell everybody: topics are in `serving.storage.keys`."""
        ...

    def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        """(topic, payload) for ever.

        Yields (topic, "") for each topic as soon as it hears, and again after every interruption:
        what was missed is then anybody's guess.
        """
        ...

    async def ping(self) -> None:
        """Raises Unavailable when the store does not answer."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """The four stores as a role is given them; ``await close()`` when the role ends."""

    catalog: Catalog
    ledger: Ledger
    intake: Intake
    channel: Channel
    close: Callable[[], Awaitable[None]]
