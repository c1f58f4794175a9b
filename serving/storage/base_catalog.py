"""The protocol of the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from serving.storage.records import (
    ApiKeyRecord,
    CommittedBatch,
    ControlRequest,
    ExperimentRecord,
    PoolRecord,
    StateRecord,
)
from serving.storage.records_gates import GateRecord

__all__ = ["Catalog"]


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

    async def change_pool(
        self, pool: PoolRecord, *, before: PoolRecord, change: dict[str, Any] | None
    ) -> list[ControlRequest]:
        """Store name and arms and enqueue ``change`` for every experiment on the pool (in order of
        creation, none when it is None), in one transaction.

        Raises NotFound, or Conflict: the name is taken, or the pool is not as it was ``before``.
        """
        ...

    async def delete_pool(self, tenant: str, pool_id: str) -> None:
        """Raises NotFound, or Conflict (POOL_HAS_EXPERIMENTS)."""
        ...

    async def create_experiment(
        self, record: ExperimentRecord, *, creation: CommittedBatch, state: StateRecord
    ) -> None:
        """Experiment, version 0 of its ledger and its first snapshot, in one transaction.

        Raises NotFound for the pool; Conflict when the tenant has an experiment of that name, or
        the pool has other arms by now than version 0 was made for.
        """
        ...

    async def get_experiment(self, tenant: str, experiment: str) -> ExperimentRecord:
        """Raises NotFound."""
        ...

    async def find_experiment(
        self, experiment: str
    ) -> tuple[ExperimentRecord, PoolRecord, str] | None:
        """One live experiment with its pool and its stamp (see `stamps`), whoever owns it."""
        ...

    async def stamps(self, experiments: Sequence[str]) -> list[str | None]:
        """What differs after every change of an experiment or its pool; None without a live one.

        Whoever owns them, in one read.
        """
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
        before: ExperimentRecord,
        control: ControlRequest | None = None,
    ) -> ControlRequest | None:
        """Store the record and enqueue the control change (its id is assigned) in one transaction.

        Policy, bundle and support are not written: they change by promotion only. Raises NotFound,
        Conflict (name taken; EXPERIMENT_CHANGED: what is stored is not ``before`` any more).
        """
        ...

    async def put_gate(
        self, tenant: str, experiment: str, gate: GateRecord | None, *, expected: int | None
    ) -> None:
        """Store the gate, or take it away, if the stored one has the ``expected`` version (None: if
        there is none).

        Raises NotFound for the experiment, Conflict when the gate is another one by now.
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
