"""What travels between the roles and rests in the stores: plain values with a version each.

Times are Unix milliseconds throughout.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from qbrix.ledger import Aggregation, Attribution, Batch
from serving.storage.records_gates import GateRecord

__all__ = [
    "ApiKeyRecord",
    "ArmRecord",
    "CommittedBatch",
    "ControlRequest",
    "DeadLetter",
    "DecisionEvent",
    "ExperimentRecord",
    "FeedbackEvent",
    "Key",
    "PoolRecord",
    "Promotion",
    "StateRecord",
]

# What makes a reward the same one: experiment, epoch, decision id, feedback id.
Key: TypeAlias = tuple[str, int, str, str]

# What a 64-bit column holds; an event beyond it is damaged.
Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


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

    ``policy`` is the wire's name, ``parameters`` its hyper-parameters; ``dim`` is 0 without
    context, and follows from the ``context_schema`` where there is one. ``bundle`` is the digest of
    a promoted bundle. What decides now is not here but in the experiment's state record.
    ``support`` is what its policy learns from: ``binary``, ``bounded``, ``nonnegative`` or
    ``continuous`` rewards; with a ``reward_range`` they are rescaled to [0, 1] first.
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
    reward_range: tuple[float, float] | None = None
    context_schema: list[dict[str, Any]] | None = None
    gate: GateRecord | None = None
    window_s: float | None = None
    default_reward: float | None = None
    aggregation: Aggregation = "first"

    @property
    def attribution(self) -> Attribution:
        """Which rewards of a decision count, and when."""
        return Attribution(
            window_s=self.window_s,
            default_reward=self.default_reward,
            aggregation=self.aggregation,
        )


class ApiKeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as it is stored: the SHA-256 of the key, never the key.

    It never allows more than its ``owner``, a user, may do now; a key made for a machine has none.
    """

    id: str
    tenant: str
    name: str
    key_sha256: str
    scopes: tuple[str, ...]
    is_active: bool
    created_ms: int
    rate_limit_per_minute: int | None = None
    last_used_ms: int | None = None
    owner: str | None = None


class ControlRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A change of what decides, asked for by the proxy and made a batch by cortex.

    ``reason``: ``configure``, ``arms``, ``promote``, ``rollback`` or ``reset``. ``change`` holds
    what it sets: ``policy`` (a PolicyRef as a dict), ``floor``, ``retired``, ``n_arms``,
    ``attribution`` (an Attribution as a dict); for a promotion ``bundle`` (its SHA-256), for a
    rollback ``back_to`` (a PolicyRef as a dict). What it leaves out stays as it is.
    ``status``: ``pending``, ``applied``, ``rejected`` or ``cancelled``. ``outcome``: ``epoch`` and
    ``version`` (a promotion adds ``certificate``) of an applied one, ``reason`` (a word) and
    ``message`` (a sentence) of a rejected one. ``request_id`` names the request that asked.
    """

    id: int
    experiment: str
    reason: str
    change: dict[str, Any]
    start: str
    status: str = "pending"
    outcome: dict[str, Any] = {}
    request_id: str | None = None


class FeedbackEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reward with all that its decision's token carried; the unit of the intake stream.

    ``request`` is what its sender called the request, for the log.
    """

    experiment: str
    epoch: Int64
    decision_id: str
    feedback_id: str
    arm: Int64
    reward: float
    u: float
    low: float
    propensity: float
    version: Int64
    gate: bool
    recorded: tuple[float, ...]
    context: bytes
    decided_ms: Int64
    received_ms: Int64
    request: str = ""

    @property
    def key(self) -> Key:
        """What makes this reward the same one when it comes again."""
        return self.experiment, self.epoch, self.decision_id, self.feedback_id


class DecisionEvent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A decision for the log; ``number`` counts per ``proxy``, so that gaps can be seen.

    ``proxy`` names one life of one proxy and the shard's stream; it is empty for a decision that
    was restored from its feedback. ``sampling`` is the probability with which the log keeps it.
    """

    proxy: str
    number: Int64
    experiment: str
    context_id: str
    epoch: Int64
    decision_id: str
    arm: Int64
    u: float
    low: float
    propensity: float
    version: Int64
    source: str
    context: bytes
    decided_ms: Int64
    sampling: float = 1.0
    recorded: tuple[float, ...] = ()


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


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate of a bundle beside the version that it let in."""

    version: int
    bundle: str
    certificate: str


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be learned, as it was packed for the stream, and why.

    ``redriven_ms`` is when it was put back into the stream.
    """

    experiment: str
    reason: str
    payload: bytes
    id: int = 0
    buried_ms: int = 0
    redriven_ms: int | None = None


class CommittedBatch(msgspec.Struct, frozen=True, kw_only=True):
    """A batch read back from the ledger with its place in both digest chains."""

    batch: Batch
    ledger_digest: str
    state_digest: str
    committed_ms: int
