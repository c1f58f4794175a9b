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

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec

from qbrix.ledger import Batch

__all__ = [
    "ApiKeyRecord",
    "Catalog",
    "Channel",
    "CommittedBatch",
    "ControlRequest",
    "DecisionEvent",
    "ExperimentRecord",
    "FeedbackEvent",
    "Intake",
    "Ledger",
    "LedgerStep",
    "PoolRecord",
    "StateRecord",
]


class ArmRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An arm of a pool; its index is its position, for ever."""

    id: str
    name: str
    index: int
    is_active: bool = True
    metadata: dict[str, Any] = {}


class PoolRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Arms under a name. Times are Unix milliseconds throughout the stores."""

    id: str
    tenant: str
    name: str
    arms: tuple[ArmRecord, ...]
    created_ms: int
    updated_ms: int


class ExperimentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A running comparison of arms.

    ``policy`` is the wire's name, ``parameters`` what the wire shows; ``dim`` is 0 without
    context. ``bundle`` is the digest of a promoted bundle. What decides now is not here but in
    the experiment's state record. ``support`` is what its policy learns from: ``binary``,
    ``bounded`` or ``continuous`` rewards.
    """

    id: str
    tenant: str
    name: str
    pool_id: str
    shard: int
    policy: str
    parameters: dict[str, Any]
    dim: int
    enabled: bool
    floor: float
    bundle: str | None
    created_ms: int
    updated_ms: int
    support: str = "continuous"


class ApiKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as it is stored: the SHA-256 of the key, never the key."""

    id: str
    tenant: str
    name: str
    key_sha256: str
    scopes: tuple[str, ...]
    is_active: bool
    created_ms: int
    rate_limit_per_minute: int | None = None
    last_used_ms: int | None = None


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A change of what decides, asked for by the proxy and made a batch by cortex.

    ``change`` holds what the change sets: ``policy`` (a PolicyRef as a dict), ``floor``,
    ``retired``, ``n_arms``, ``dim``; what it leaves out stays as it is.
    ``status``: pending, applied, rejected or cancelled.
    """

    id: int
    experiment: str
    reason: str
    change: dict[str, Any]
    start: str
    status: str = "pending"
    outcome: dict[str, Any] = {}


class FeedbackEvent(msgspec.Struct, frozen=True, array_like=True):
    """A reward with all that its decision's token carried; the unit of the intake stream."""

    experiment: str
    epoch: int
    decision_id: str
    feedback_id: str
    arm: int
    reward: float
    u: float
    low: float
    propensity: float
    version: int
    gate: bool
    recorded: tuple[float, ...]
    context: bytes
    decided_ms: int
    received_ms: int


class DecisionEvent(msgspec.Struct, frozen=True, array_like=True):
    """A decision for the log; ``number`` counts per ``proxy``, so that gaps can be seen."""

    proxy: str
    number: int
    experiment: str
    context_id: str
    epoch: int
    decision_id: str
    arm: int
    u: float
    low: float
    propensity: float
    version: int
    source: str
    context: bytes
    decided_ms: int


class StateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as it is published: what a motor needs to decide.

    ``configuration`` is `Configuration.to_json`, ``state`` is `qbrix.state.to_bytes`, ``law`` the
    propensities (float64) of a policy without context, computed once by the publisher.
    """

    format: int = 1
    experiment: str
    tenant: str
    epoch: int
    version: int
    term: int
    configuration: str
    state: bytes
    law: bytes | None
    ledger_digest: str
    state_digest: str
    published_ms: int


class CommittedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch read back from the ledger with its place in both digest chains."""

    batch: Batch
    ledger_digest: str
    state_digest: str
    committed_ms: int


class Catalog(Protocol):
    """Tenants' resources. Every method is confined to the tenant it is given."""

    async def create_tenant(self, name: str) -> str:
        """The new tenant's id."""
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

        Raises NotFound, Conflict (name taken).
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

    async def known(self, keys: Sequence[tuple[str, int, str, str]]) -> set[tuple[str, int, str, str]]:
        """Those of (experiment, epoch, decision id, feedback id) that the ledger has counted."""
        ...

    async def append(self, experiment: str, committed: CommittedBatch) -> None:
        """Batch, rows and keys of the next version."""
        ...

    async def put_snapshot(self, state: StateRecord) -> None:
        """Replace the experiment's latest snapshot."""
        ...

    async def settle_control(
        self, control_id: int, *, status: str, outcome: dict[str, Any]
    ) -> bool:
        """Close a pending control change; False when it was cancelled meanwhile."""
        ...

    async def put_promotion(self, experiment: str, *, version: int, bundle: str, certificate: str) -> None:
        """Keep the certificate beside the version that it let in."""
        ...

    async def bury(self, experiment: str, *, reason: str, payload: bytes) -> None:
        """Dead-letter what cannot be folded."""
        ...

    async def put_decisions(self, decisions: Sequence[DecisionEvent]) -> None:
        """Archive decisions; one that is archived already is left as it is."""
        ...

    async def move(self, stream: str, *, incarnation: str, position: str) -> None:
        """Remember up to where a stream has been read."""
        ...


class Ledger(Protocol):
    """What was learned."""

    async def acquire(self, shard: int, *, holder: str, ttl_s: float) -> int | None:
        """The lease's term when ``holder`` has it now (renewed or taken over), else None.

        The term rises with every change of holder.
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

    async def append_feedback(self, shard: int, events: Sequence[FeedbackEvent]) -> None:
        """On disk when this returns; raises Unavailable otherwise (the events may be there)."""
        ...

    async def append_decisions(self, shard: int, events: Sequence[DecisionEvent]) -> None:
        """Best effort; raises Unavailable."""
        ...

    async def read_feedback(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> tuple[list[FeedbackEvent], str]:
        """Events behind a position, in order, and the position of the last one."""
        ...

    async def read_decisions(
        self, shard: int, *, after: str, limit: int, block_ms: int
    ) -> tuple[list[DecisionEvent], str]:
        """As `read_feedback`."""
        ...

    async def incarnation(self, shard: int) -> str:
        """A name that the shard's streams got when they were made; a lost stream gets another."""
        ...

    async def trim(self, shard: int, *, feedback: str, decisions: str) -> None:
        """Drop what lies at or before these positions: the ledger has it."""
        ...

    async def durability(self) -> str:
        """``always``, ``everysec``, ``memory`` or ``evicting``: what an acknowledgement is worth."""
        ...


class Channel(Protocol):
    """Copies and calls."""

    async def publish(self, state: StateRecord) -> bool:
        """Replace the copy if (term, version) does not fall back, and tell every motor."""
        ...

    async def fetch(self, experiment: str) -> StateRecord | None:
        """The copy."""
        ...

    async def announce(self, topic: str, payload: str) -> None:
        """Tell everybody: topics are in `serving.storage.keys`."""
        ...

    def listen(self, *topics: str) -> AsyncIterator[tuple[str, str]]:
        """(topic, payload) for ever; reconnects by itself and yields (topic, "") afterwards."""
        ...
