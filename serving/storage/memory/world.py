"""What Postgres holds elsewhere: tables as dictionaries, in order of insertion."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import msgspec

from qbrix.ledger.replay import spaced
from serving.storage import audit
from serving.storage.records import (
    ApiKeyRecord,
    CommittedBatch,
    ControlRequest,
    DeadLetter,
    DecisionEvent,
    ExperimentRecord,
    Key,
    PoolRecord,
    Promotion,
    StateRecord,
)
from serving.storage.records_accounts import (
    AuditRecord,
    InviteRecord,
    SessionRecord,
    UserRecord,
    WorkspaceRecord,
)
from serving.storage.records_windows import Progress

__all__ = ["Lease", "World"]


@dataclass(slots=True)
class Lease:
    """Who may write a shard, and until when."""

    holder: str
    term: int
    expires_at: float


@dataclass(slots=True)
class World:
    """One database."""

    tenants: dict[str, str] = field(default_factory=dict)
    workspaces: dict[str, WorkspaceRecord] = field(default_factory=dict)
    users: dict[str, UserRecord] = field(default_factory=dict)
    invites: dict[str, InviteRecord] = field(default_factory=dict)
    sessions: dict[str, SessionRecord] = field(default_factory=dict)
    used_sessions: set[str] = field(default_factory=set)
    audit: list[AuditRecord] = field(default_factory=list)
    api_keys: dict[str, ApiKeyRecord] = field(default_factory=dict)
    pools: dict[str, PoolRecord] = field(default_factory=dict)
    experiments: dict[str, ExperimentRecord] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    bundles: dict[tuple[str, str], bytes] = field(default_factory=dict)
    controls: dict[int, ControlRequest] = field(default_factory=dict)
    batches: dict[str, list[CommittedBatch]] = field(default_factory=dict)
    keys: set[Key] = field(default_factory=set)
    snapshots: dict[str, StateRecord] = field(default_factory=dict)
    checkpoints: dict[str, dict[int, StateRecord]] = field(default_factory=dict)
    windows: dict[str, Progress] = field(default_factory=dict)
    promotions: list[tuple[str, Promotion]] = field(default_factory=list)
    decisions: dict[tuple[str, int], DecisionEvent] = field(default_factory=dict)
    archived: set[tuple[str, int]] = field(default_factory=set)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    positions: dict[str, tuple[str, str]] = field(default_factory=dict)
    leases: dict[int, Lease] = field(default_factory=dict)
    control_ids: Iterator[int] = field(default_factory=lambda: count(1))
    letter_ids: Iterator[int] = field(default_factory=lambda: count(1))

    def now_ms(self) -> int:
        """The database's clock."""
        return time.time_ns() // 1_000_000

    def keep(self, state: StateRecord) -> None:
        """A state to go back to; the older ones are thinned out."""
        kept = {**self.checkpoints.get(state.experiment, {}), state.version: state}
        self.checkpoints[state.experiment] = {version: kept[version] for version in spaced(kept)}

    def drop(self, experiment: str, *, after: int) -> None:
        """Forget the states of later versions."""
        kept = self.checkpoints.get(experiment, {})
        self.checkpoints[experiment] = {at: kept[at] for at in kept if at <= after}

    def live(self) -> list[ExperimentRecord]:
        """Experiments that were not deleted, oldest first."""
        return [one for one in self.experiments.values() if one.id not in self.deleted]

    def enqueue(self, control: ControlRequest) -> ControlRequest:
        """A pending control change with an id."""
        numbered = msgspec.structs.replace(
            control,
            id=next(self.control_ids),
            status="pending",
            request_id=control.request_id or audit.request_id(),
        )
        self.controls[numbered.id] = numbered
        return numbered
