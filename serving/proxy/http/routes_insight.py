"""Routes of insight."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from qbrix.errors import InvalidRequest
from serving.proxy.documents.downloads import (
    ArmSeries,
    ArmTotals,
    CumulativeSeries,
    Funnel,
    RewardSeries,
    SelectionSeries,
    Totals,
)
from serving.proxy.http.strict import Gate, StrictRoute, allow
from serving.proxy.people.auth import Principal
from serving.storage.base_insight import HOUR_MS, Span

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/insight/experiment", tags=["insight"], route_class=StrictRoute)

Reader = Annotated[Principal, allow("insight:read")]
Time = Annotated[int | None, Query(ge=0, le=2**53)]
Interval = Annotated[int, Query(ge=1000, le=366 * 86_400_000)]


def _span(start_ms: Time = None, end_ms: Time = None) -> Span:
    if start_ms is not None and end_ms is not None and start_ms > end_ms:
        raise InvalidRequest(f"start_ms = {start_ms} lies behind end_ms = {end_ms}")
    return Span(start_ms, end_ms)


Within = Annotated[Span, Depends(_span)]


@router.get("/{experiment_id}")
async def get_totals(experiment_id: str, caller: Reader, gateway: Gate, span: Within) -> Totals:
    """Totals of an experiment."""
    return await gateway.insights.experiment(caller.tenant, experiment_id, span)


@router.get("/{experiment_id}/arms")
async def get_arms(experiment_id: str, caller: Reader, gateway: Gate, span: Within) -> ArmTotals:
    """Totals of every arm."""
    return await gateway.insights.arms(caller.tenant, experiment_id, span)


@router.get("/{experiment_id}/timeseries")
async def get_timeseries(
    experiment_id: str, caller: Reader, gateway: Gate, span: Within, interval_ms: Interval = HOUR_MS
) -> SelectionSeries:
    """Selections by interval; empty intervals are left out."""
    return await gateway.insights.timeseries(
        caller.tenant, experiment_id, span, interval_ms=interval_ms
    )


@router.get("/{experiment_id}/timeseries/rewards")
async def get_reward_timeseries(
    experiment_id: str, caller: Reader, gateway: Gate, span: Within, interval_ms: Interval = HOUR_MS
) -> RewardSeries:
    """Rewards by interval."""
    return await gateway.insights.rewards(
        caller.tenant, experiment_id, span, interval_ms=interval_ms
    )


@router.get("/{experiment_id}/timeseries/arms")
async def get_arm_timeseries(
    experiment_id: str, caller: Reader, gateway: Gate, span: Within, interval_ms: Interval = HOUR_MS
) -> ArmSeries:
    """Selections by interval and arm."""
    return await gateway.insights.arms_timeseries(
        caller.tenant, experiment_id, span, interval_ms=interval_ms
    )


@router.get("/{experiment_id}/funnel")
async def get_funnel(experiment_id: str, caller: Reader, gateway: Gate, span: Within) -> Funnel:
    """Selections and feedback."""
    return await gateway.insights.funnel(caller.tenant, experiment_id, span)


@router.get("/{experiment_id}/cumulative")
async def get_cumulative(
    experiment_id: str, caller: Reader, gateway: Gate, span: Within, interval_ms: Interval = HOUR_MS
) -> CumulativeSeries:
    """Rewards added up."""
    return await gateway.insights.cumulative(
        caller.tenant, experiment_id, span, interval_ms=interval_ms
    )
