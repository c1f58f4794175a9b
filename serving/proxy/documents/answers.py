"""Answers about pools, experiments, gates and policies, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from qbrix.support import RewardSupport
from serving.proxy.documents.base import answer

__all__ = [
    "ArmAnswer",
    "EvaluationAnswer",
    "ExperimentAnswer",
    "ExperimentPage",
    "GateAnswer",
    "LearningAnswer",
    "Message",
    "PolicyAnswer",
    "PolicyList",
    "PolicyParameter",
    "PoolAnswer",
    "PoolPage",
    "Promoted",
    "RolledBack",
    "WireType",
]


@answer
class Message(TypedDict):
    message: str


class ArmAnswer(TypedDict):
    id: str
    name: str
    index: int
    is_active: bool
    metadata: dict[str, Any]


@answer
class PoolAnswer(TypedDict):
    id: str
    name: str
    created_at: str
    updated_at: str
    arms: list[ArmAnswer]


@answer
class PoolPage(TypedDict):
    pools: list[PoolAnswer]
    limit: int
    offset: int


class RuleAnswer(TypedDict):
    key: str
    operator: str
    value: Any
    arm_id: str | None
    arm_name: str | None


@answer
class GateAnswer(TypedDict):
    experiment_id: str
    enabled: bool
    rollout_percentage: float
    default_arm_id: str | None
    default_arm_name: str | None
    schedule_start: str | None
    schedule_end: str | None
    active_hours_start: str | None
    active_hours_end: str | None
    timezone: str
    rules: list[RuleAnswer]
    updated_at: str
    version: int


class LearningAnswer(TypedDict):
    window_s: float | None
    default_reward: float | None
    aggregation: Literal["first", "sum", "max", "last"]
    exploration_floor: float
    reward_range: list[float] | None


@answer
class ExperimentAnswer(TypedDict):
    id: str
    name: str
    pool_id: str
    policy: str
    policy_params: dict[str, Any]
    enabled: bool
    learning: LearningAnswer
    bundle: str | None
    created_at: str
    updated_at: str
    pool: PoolAnswer
    feature_gate: GateAnswer | None
    meta_experiment_id: None


@answer
class ExperimentPage(TypedDict):
    experiments: list[ExperimentAnswer]
    limit: int
    offset: int


@answer
class Promoted(TypedDict):
    experiment_id: str
    bundle: str
    epoch: int
    version: int
    certificate: dict[str, Any]


@answer
class RolledBack(TypedDict):
    experiment_id: str
    policy: str
    bundle: str | None
    epoch: int
    version: int


class JudgedRule(TypedDict):
    key: str
    operator: str
    value: Any
    matched: bool
    decisive: bool


@answer
class EvaluationAnswer(TypedDict):
    eligible: bool
    reason: Literal["disabled", "blackout", "rollout", "rule", "bandit"]
    enabled: bool
    in_schedule: bool
    in_rollout: bool
    rollout_percentage: float
    arm_id: str | None
    arm_name: str | None
    rules: list[JudgedRule]


WireType = Literal["integer", "number"]


class PolicyParameter(TypedDict):
    name: str
    type: WireType
    required: bool
    default: int | float | None
    description: str
    constraints: dict[str, int | float]


class PolicyAnswer(TypedDict):
    name: str
    category: Literal["stochastic", "contextual", "adversarial", "meta"]
    reward_types: list[RewardSupport]
    description: str
    user_params: list[PolicyParameter]


@answer
class PolicyList(TypedDict):
    policies: list[PolicyAnswer]
