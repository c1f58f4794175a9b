"""Feedback and its retraction, apart from any transport."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from qbrix.errors import NotFound, QbrixError, TokenRejected
from qbrix.ledger.names import retraction_id
from serving.errors import translate
from serving.proxy.agent.encoding import RecentKeys, check_reward, wall_ms
from serving.proxy.agent.intake import FeedbackIntake
from serving.proxy.agent.messages import (
    BatchFeedback,
    BatchResults,
    FeedbackRequest,
    FeedbackResult,
    RetractRequest,
)
from serving.proxy.experiments.records import ExperimentView, Records
from serving.proxy.people.auth import Principal
from serving.storage.base import FeedbackEvent
from serving.telemetry import ProxyMetrics, current_request
from serving.tokens import DecisionToken, TokenSealer

__all__ = ["Rewards"]

_TOGETHER = 256  # of a batch, between two looks at everybody else

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rewards:
    """Takes rewards, and takes them back; touches no store but the intake."""

    records: Records
    sealer: TokenSealer
    intake: FeedbackIntake
    metrics: ProxyMetrics
    acknowledged: RecentKeys

    async def feedback(self, principal: Principal, request: FeedbackRequest) -> FeedbackResult:
        """One reward, on disk on return; raises TokenRejected, SupportError, Unavailable."""
        return await self._counting(self._taken, principal, request)

    async def retract(self, principal: Principal, request: RetractRequest) -> FeedbackResult:
        """Take one reward back, on disk on return; raises TokenRejected, Unavailable."""
        return await self._counting(self._taken_back, principal, request)

    async def feedback_batch(self, principal: Principal, request: BatchFeedback) -> BatchResults:
        """One result per item, in order; what is refused says why and spoils no other."""
        results: list[FeedbackResult] = []
        for start in range(0, len(request.items), _TOGETHER):
            items = request.items[start : start + _TOGETHER]
            results += await asyncio.gather(*(self._tried(principal, item) for item in items))
        return BatchResults(results)

    async def _tried(self, principal: Principal, item: FeedbackRequest) -> FeedbackResult:
        try:
            return await self.feedback(principal, item)
        except QbrixError as error:
            return FeedbackResult(False, False, f"{translate(error).code}: {error}")

    async def _counting(
        self,
        handle: Callable[[Principal, T], Awaitable[FeedbackResult]],
        principal: Principal,
        request: T,
    ) -> FeedbackResult:
        try:
            return await handle(principal, request)
        except QbrixError as error:
            self.metrics.feedback.add(translate(error).code.lower())
            raise

    async def _taken(self, principal: Principal, request: FeedbackRequest) -> FeedbackResult:
        if not request.request_id:
            return self._counted("empty", accepted=False, duplicate=False)
        token = self.sealer.open(request.request_id, tenant=principal.tenant)
        view = await self._view(token)
        record = view.record
        check_reward(request.reward, support=record.support, reward_range=record.reward_range)
        return await self._once(view, token, request.feedback_id, request.reward)

    async def _taken_back(self, principal: Principal, request: RetractRequest) -> FeedbackResult:
        """An older cortex, which knows no retractions, buries an event without a reward."""
        if not request.request_id:
            return self._counted("empty", accepted=False, duplicate=False)
        token = self.sealer.open(request.request_id, tenant=principal.tenant)
        view = await self._view(token)
        return await self._once(view, token, retraction_id(request.feedback_id), math.nan)

    async def _once(
        self, view: ExperimentView, token: DecisionToken, feedback_id: str, reward: float
    ) -> FeedbackResult:
        key = (token.experiment, token.epoch, token.decision_id, feedback_id)
        if key in self.acknowledged:
            return self._counted("duplicate", accepted=True, duplicate=True)
        await self.intake.append(view.record.shard, _event(token, feedback_id, reward))
        self.acknowledged.add(key)
        return self._counted("accepted", accepted=True, duplicate=False)

    async def _view(self, token: DecisionToken) -> ExperimentView:
        view = self.records.known(token.tenant, token.experiment)
        if view is not None:
            return view
        try:
            return await self.records.get(token.tenant, token.experiment)
        except NotFound:
            raise TokenRejected(
                "deleted", f"the experiment {token.experiment} of this request_id was deleted"
            ) from None

    def _counted(self, result: str, *, accepted: bool, duplicate: bool) -> FeedbackResult:
        self.metrics.feedback.add(result)
        return FeedbackResult(accepted, duplicate)


def _event(token: DecisionToken, feedback_id: str, reward: float) -> FeedbackEvent:
    return FeedbackEvent(
        token.experiment,
        token.epoch,
        token.decision_id,
        feedback_id,
        token.arm,
        reward,
        token.u,
        token.low,
        token.propensity,
        token.version,
        token.gate,
        token.recorded,
        token.context,
        token.decided_ms,
        wall_ms(),
        current_request(),
    )
