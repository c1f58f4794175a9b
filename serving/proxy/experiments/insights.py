"""What happened in an experiment, as the insight routes answer it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

from serving.proxy.documents.downloads import (
    ArmSelections,
    ArmSeries,
    ArmTotals,
    Cumulative,
    CumulativeSeries,
    Funnel,
    Rewards,
    RewardSeries,
    Selections,
    SelectionSeries,
    Totals,
)
from serving.proxy.experiments.service import Experiments
from serving.storage.base import Insight
from serving.storage.base_insight import RewardSum, SelectionSum, Span

__all__ = ["Insights"]

S = TypeVar("S", SelectionSum, RewardSum)


@dataclass(frozen=True, kw_only=True, slots=True)
class Insights:
    """Answers about the tenant's experiments; each raises NotFound for another's."""

    experiments: Experiments
    insight: Insight

    async def experiment(self, tenant: str, experiment: str, span: Span) -> Totals:
        """Totals."""
        await self.experiments.get(tenant, experiment)
        made = await self.insight.selections(experiment, span=span, interval_ms=None)
        paid = await self.insight.rewards(experiment, span=span, interval_ms=None)
        return {
            "experiment_id": experiment,
            "total_selections": sum(one.selections for one in made),
            "default_selections": sum(one.defaults for one in made),
            "unique_contexts": await self.insight.contexts(experiment, span=span),
            "first_selection_ms": min((one.first_ms for one in made), default=None),
            "last_selection_ms": max((one.last_ms for one in made), default=None),
            "total_feedback": sum(one.count for one in paid),
            "avg_reward": _mean(paid),
            "min_reward": min((one.smallest for one in paid), default=None),
            "max_reward": max((one.largest for one in paid), default=None),
        }

    async def arms(self, tenant: str, experiment: str, span: Span) -> ArmTotals:
        """Totals of every arm of the pool."""
        view = await self.experiments.get(tenant, experiment)
        made = await self.insight.selections(experiment, span=span, interval_ms=None)
        paid = await self.insight.rewards(experiment, span=span, interval_ms=None)
        selections = {one.arm: one.selections for one in made}
        rewards = {one.arm: one for one in paid}
        return {
            "experiment_id": experiment,
            "arms": [
                {
                    "arm_index": arm.index,
                    "arm_name": arm.name,
                    "selections": selections.get(arm.index, 0),
                    "feedback_count": sum(one.count for one in _found(rewards, arm.index)),
                    "avg_reward": _mean(_found(rewards, arm.index)),
                }
                for arm in view.pool.arms
            ],
        }

    async def timeseries(
        self, tenant: str, experiment: str, span: Span, *, interval_ms: int
    ) -> SelectionSeries:
        """Selections by interval."""
        await self.experiments.get(tenant, experiment)
        made = await self.insight.selections(experiment, span=span, interval_ms=interval_ms)
        data: list[Selections] = [
            {
                "timestamp_ms": start_ms,
                "selections": sum(one.selections for one in some),
                "default_selections": sum(one.defaults for one in some),
            }
            for start_ms, some in _by_interval(made)
        ]
        return {"experiment_id": experiment, "interval_ms": interval_ms, "data": data}

    async def rewards(
        self, tenant: str, experiment: str, span: Span, *, interval_ms: int
    ) -> RewardSeries:
        """Rewards by the interval in which they came."""
        await self.experiments.get(tenant, experiment)
        paid = await self.insight.rewards(experiment, span=span, interval_ms=interval_ms)
        data: list[Rewards] = [
            {
                "timestamp_ms": start_ms,
                "avg_reward": _mean(some),
                "feedback_count": sum(one.count for one in some),
            }
            for start_ms, some in _by_interval(paid)
        ]
        return {"experiment_id": experiment, "interval_ms": interval_ms, "data": data}

    async def arms_timeseries(
        self, tenant: str, experiment: str, span: Span, *, interval_ms: int
    ) -> ArmSeries:
        """Selections by interval and arm."""
        view = await self.experiments.get(tenant, experiment)
        names = {arm.index: arm.name for arm in view.pool.arms}
        made = await self.insight.selections(experiment, span=span, interval_ms=interval_ms)
        data: list[ArmSelections] = [
            {
                "timestamp_ms": start_ms,
                "arms": [
                    {
                        "arm_index": one.arm,
                        "arm_name": names.get(one.arm, ""),
                        "selections": one.selections,
                    }
                    for one in some
                ],
            }
            for start_ms, some in _by_interval(made)
        ]
        return {"experiment_id": experiment, "interval_ms": interval_ms, "data": data}

    async def funnel(self, tenant: str, experiment: str, span: Span) -> Funnel:
        """How many selections got feedback."""
        await self.experiments.get(tenant, experiment)
        made = await self.insight.selections(experiment, span=span, interval_ms=None)
        paid = await self.insight.rewards(experiment, span=span, interval_ms=None)
        selections, feedback = (
            sum(one.selections for one in made),
            sum(one.count for one in paid),
        )
        return {
            "experiment_id": experiment,
            "total_selections": selections,
            "total_feedback": feedback,
            "feedback_rate": feedback / selections if selections else 0.0,
        }

    async def cumulative(
        self, tenant: str, experiment: str, span: Span, *, interval_ms: int
    ) -> CumulativeSeries:
        """Rewards added up to the end of each interval."""
        await self.experiments.get(tenant, experiment)
        paid = await self.insight.rewards(experiment, span=span, interval_ms=interval_ms)
        data: list[Cumulative] = []
        total, count = 0.0, 0
        for start_ms, some in _by_interval(paid):
            total += sum(one.total for one in some)
            count += sum(one.count for one in some)
            data.append(
                {"timestamp_ms": start_ms, "cumulative_reward": total, "cumulative_count": count}
            )
        return {"experiment_id": experiment, "interval_ms": interval_ms, "data": data}


def _by_interval(sums: Iterable[S]) -> list[tuple[int, list[S]]]:
    return [(start, list(some)) for start, some in groupby(sums, key=lambda one: one.start_ms)]


def _mean(paid: Sequence[RewardSum]) -> float | None:
    count = sum(one.count for one in paid)
    return sum(one.total for one in paid) / count if count else None


def _found(rewards: dict[int, RewardSum], arm: int) -> list[RewardSum]:
    return [rewards[arm]] if arm in rewards else []
