"""What the roles store and the guarantees they rely on; every backend passes one contract suite.

The stores, by what they promise:

* `Catalog` (Postgres): tenants' resources. A write is on disk when the call returns.
* `Accounts` (Postgres): people, workspaces, sessions; `Audit`, who wrote what.
* `Insight` (Postgres): sums over the decision log and the ledger, current to their last commit.
* `Ledger` (Postgres): what was learned, append-only. One transaction a step, fenced by the term.
* `Archive` (Postgres): upkeep of both, and what could not be learned.
* `Intake` (Redis streams): feedback and decisions on their way to the ledger. Durable when the
  call returns, read in order, trimmed only behind what the ledger has committed.
* `Channel` (Redis keys and pub/sub): copies of states and wake-up calls. Everything in it can be
  rebuilt from the other stores; a lost message costs latency, never truth.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serving.storage.base_accounts import Accounts, Audit
from serving.storage.base_archive import Archive, Retention, Tended
from serving.storage.base_catalog import Catalog
from serving.storage.base_insight import Insight
from serving.storage.base_ledger import AlreadyCounted, Ledger, LedgerStep
from serving.storage.base_streams import (
    Appended,
    Channel,
    Intake,
    Outlook,
    Read,
    ShardOutlook,
)
from serving.storage.base_windows import Windows
from serving.storage.records import (
    ApiKeyRecord,
    ArmRecord,
    CommittedBatch,
    ControlRequest,
    DeadLetter,
    DecisionEvent,
    ExperimentRecord,
    FeedbackEvent,
    Key,
    PoolRecord,
    Promotion,
    StateRecord,
)
from serving.storage.records_gates import GateRecord, RuleRecord

__all__ = [
    "AlreadyCounted",
    "Accounts",
    "ApiKeyRecord",
    "Appended",
    "Archive",
    "ArmRecord",
    "Audit",
    "Catalog",
    "Channel",
    "CommittedBatch",
    "ControlRequest",
    "DeadLetter",
    "DecisionEvent",
    "ExperimentRecord",
    "FeedbackEvent",
    "GateRecord",
    "Insight",
    "Intake",
    "Key",
    "Ledger",
    "LedgerStep",
    "Outlook",
    "PoolRecord",
    "Promotion",
    "Read",
    "Retention",
    "RuleRecord",
    "ShardOutlook",
    "StateRecord",
    "Stores",
    "Tended",
    "Windows",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """The stores as a role is given them; ``await close()`` when the role ends."""

    catalog: Catalog
    accounts: Accounts
    audit: Audit
    insight: Insight
    ledger: Ledger
    archive: Archive
    windows: Windows
    intake: Intake
    channel: Channel
    close: Callable[[], Awaitable[None]]
