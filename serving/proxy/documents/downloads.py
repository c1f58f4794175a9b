"""What production did, as the download and insight routes tell it, for the OpenAPI document."""

from __future__ import annotations

from typing_extensions import TypedDict

from serving.proxy.documents.base import answer

__all__ = [
    "ArmSelections",
    "ArmSeries",
    "ArmTotals",
    "BatchAnswer",
    "Cumulative",
    "CumulativeSeries",
    "DeadLetterAnswer",
    "DeadLetterPage",
    "DecisionAnswer",
    "DecisionPage",
    "FoundDecision",
    "Funnel",
    "LedgerPage",
    "RewardSeries",
    "Rewards",
    "SelectionSeries",
    "Selections",
    "StateAnswer",
    "Totals",
]


@answer
class StateAnswer(TypedDict):
    experiment_id: str
    epoch: int
    version: int
    term: int
    configuration: str
    state: str
    ledger_digest: str
    state_digest: str
    propensities: list[float] | None
    published_ms: int


class BatchAnswer(TypedDict):
    version: int
    epoch: int
    data: str
    ledger_digest: str
    state_digest: str
    committed_ms: int


@answer
class LedgerPage(TypedDict):
    experiment_id: str
    batches: list[BatchAnswer]
    next: int | None


class DecisionAnswer(TypedDict):
    decision_id: str
    context_id: str
    epoch: int
    version: int
    arm: int
    u: float
    low: float
    propensity: float
    source: str
    context: str | None
    decided_ms: int
    sampling: float


@answer
class FoundDecision(DecisionAnswer):
    experiment_id: str


@answer
class DecisionPage(TypedDict):
    experiment_id: str
    decisions: list[DecisionAnswer]
    next: int | None


class DeadEvent(TypedDict):
    decision_id: str
    feedback_id: str
    reward: float | None
    received_ms: int


class DeadLetterAnswer(TypedDict):
    id: int
    reason: str
    buried_ms: int
    redriven_ms: int | None
    events: list[DeadEvent]
    payload: str


@answer
class DeadLetterPage(TypedDict):
    experiment_id: str
    dead_letters: list[DeadLetterAnswer]
    next: int | None


@answer
class Totals(TypedDict):
    experiment_id: str
    total_selections: int
    default_selections: int
    unique_contexts: int
    first_selection_ms: int | None
    last_selection_ms: int | None
    total_feedback: int
    avg_reward: float | None
    min_reward: float | None
    max_reward: float | None


class OneArmTotals(TypedDict):
    arm_index: int
    arm_name: str
    selections: int
    feedback_count: int
    avg_reward: float | None


@answer
class ArmTotals(TypedDict):
    experiment_id: str
    arms: list[OneArmTotals]


class Selections(TypedDict):
    timestamp_ms: int
    selections: int
    default_selections: int


@answer
class SelectionSeries(TypedDict):
    experiment_id: str
    interval_ms: int
    data: list[Selections]


class Rewards(TypedDict):
    timestamp_ms: int
    avg_reward: float | None
    feedback_count: int


@answer
class RewardSeries(TypedDict):
    experiment_id: str
    interval_ms: int
    data: list[Rewards]


class OneArmSelections(TypedDict):
    arm_index: int
    arm_name: str
    selections: int


class ArmSelections(TypedDict):
    timestamp_ms: int
    arms: list[OneArmSelections]


@answer
class ArmSeries(TypedDict):
    experiment_id: str
    interval_ms: int
    data: list[ArmSelections]


class Cumulative(TypedDict):
    timestamp_ms: int
    cumulative_reward: float
    cumulative_count: int


@answer
class CumulativeSeries(TypedDict):
    experiment_id: str
    interval_ms: int
    data: list[Cumulative]


@answer
class Funnel(TypedDict):
    experiment_id: str
    total_selections: int
    total_feedback: int
    feedback_rate: float
