"""Bodies of the control routes."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from pydantic import Field, field_validator

from qbrix.errors import InvalidParameter
from qbrix.ledger import Aggregation
from qbrix.support import RewardRange, check_range
from serving.proxy.documents.base import Body, Metadata, Name, refuse_null
from serving.proxy.gates.bodies import GateRequest

__all__ = [
    "ArmPatch",
    "ExperimentCreate",
    "ExperimentPatch",
    "Learning",
    "PoolCreate",
    "PoolPatch",
    "Rollback",
]


class ArmCreate(Body):
    """An arm of a new pool."""

    only_answered = frozenset({"id", "index", "is_active"})

    name: Name
    metadata: Metadata = Field(default_factory=dict)


class PoolCreate(Body):
    """Body of ``POST /pools``."""

    only_answered = frozenset({"id", "created_at", "updated_at"})

    name: Name
    arms: Annotated[list[ArmCreate], Field(min_length=1, max_length=10_000)]

    @field_validator("arms")
    @classmethod
    def _names_differ(cls, arms: list[ArmCreate]) -> list[ArmCreate]:
        twice = [name for name, count in Counter(arm.name for arm in arms).items() if count > 1]
        if twice:
            raise ValueError(f"arm names must differ; more than once: {', '.join(twice[:5])}")
        return arms


class ArmPatch(Body):
    """A change of the arm with this id, or a new arm without one."""

    id: str | None = None
    name: Name | None = None
    index: int | None = None
    is_active: bool | None = None
    metadata: Metadata | None = None

    _not_null = field_validator("name", "is_active", "metadata", mode="before")(refuse_null)


class PoolPatch(Body):
    """Body of ``PATCH /pools/{id}``; arms that are left out, or come back as they are, stay."""

    only_answered = frozenset({"id", "created_at", "updated_at"})

    name: Name | None = None
    arms: Annotated[list[ArmPatch], Field(max_length=10_000)] | None = None

    _not_null = field_validator("name", "arms", mode="before")(refuse_null)


class Learning(Body):
    """How rewards are learned: which of them count, when, and between which limits."""

    window_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        default=None, description="a reward that comes later after its decision is not learned"
    )
    default_reward: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="learned once for a decision without a reward; needs window_s"
    )
    aggregation: Aggregation = Field(
        default="first",
        description="first learns at once, one reward per feedback_id; the others learn one number "
        "when the window closes, and need window_s",
    )
    exploration_floor: Annotated[float, Field(ge=0, le=1)] = 0.0
    reward_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None

    @field_validator("reward_range")
    @classmethod
    def _low_before_high(cls, ends: list[float] | None) -> list[float] | None:
        if ends is not None:
            low, high = ends
            try:
                check_range((low, high))
            except InvalidParameter as error:
                raise ValueError(str(error)) from None
        return ends

    @property
    def span(self) -> RewardRange | None:
        """The declared smallest and largest reward."""
        return None if self.reward_range is None else (self.reward_range[0], self.reward_range[1])


_EXPERIMENT_ANSWERS = frozenset(
    {"id", "created_at", "updated_at", "pool", "meta_experiment_id", "bundle"}
)


class ExperimentCreate(Body):
    """Body of ``POST /experiments``."""

    only_answered = _EXPERIMENT_ANSWERS

    name: Name
    pool_id: str
    policy: str = ""
    policy_params: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True
    feature_gate: GateRequest | None = None
    learning: Learning | None = None


class Rollback(Body):
    """Body of ``POST /experiments/{id}/rollback``."""

    version: Annotated[int, Field(ge=0, le=2**62, description="of a control change")]


class ExperimentPatch(Body):
    """Body of ``PATCH /experiments/{id}``; what is left out stays."""

    only_answered = _EXPERIMENT_ANSWERS | {"feature_gate"}

    pool_id: str | None = Field(default=None, description="only as it is: it cannot change")
    policy: str | None = Field(default=None, description="only as it is: it cannot change")
    enabled: bool | None = None
    name: Name | None = None
    policy_params: dict[str, Any] | None = None
    learning: Learning | None = None

    _not_null = field_validator("enabled", "name", "policy_params", "learning", mode="before")(
        refuse_null
    )
