"""Select and feedback, apart from any transport."""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qbrix.checks import check_rewards
from qbrix.errors import InvalidRequest, NotFound, QbrixError, ShapeError, TokenRejected
from serving.entropy import Entropy
from serving.proxy.auth import Principal
from serving.proxy.decisions import DecisionLog
from serving.proxy.intake import FeedbackIntake
from serving.proxy.messages import (
    FeedbackRequest,
    FeedbackResult,
    SelectContext,
    Selection,
    SelectRequest,
)
from serving.proxy.records import ExperimentView, Records
from serving.storage.base import DecisionEvent, FeedbackEvent
from serving.telemetry import ProxyMetrics
from serving.tokens import DecisionToken, TokenSealer
from serving.wire.selection import Outcome, Query, Selector

__all__ = ["Agent"]

_CONTROL_ARM = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """Answers which arm and takes rewards; touches no store but the intake."""

    records: Records
    selector: Selector
    sealer: TokenSealer
    intake: FeedbackIntake
    decisions: DecisionLog
    metrics: ProxyMetrics
    acknowledged: RecentKeys
    entropy: Entropy

    async def select(self, principal: Principal, request: SelectRequest) -> Selection:
        """One decision; raises NotFound, ShapeError, InvalidRequest, Unavailable."""
        view = self.records.known(principal.tenant, request.experiment_id)
        if view is None:
            view = await self.records.get(principal.tenant, request.experiment_id)
        if not view.record.enabled:
            self.metrics.decisions.add("paused")
            return Selection(view.arms[_CONTROL_ARM], None, True)
        now_ms = time.time_ns() // 1_000_000
        query = Query(
            principal.tenant,
            request.experiment_id,
            request.decision_id or new_decision_id(now_ms, self.entropy.take(10)),
            encode_context(request.context, dim=view.record.dim),
        )
        (outcome,) = await self.selector.decide([query])
        if isinstance(outcome, QbrixError):
            raise outcome
        return self._answer(view, query, outcome, context_id=request.context.id, now_ms=now_ms)

    async def feedback(self, principal: Principal, request: FeedbackRequest) -> FeedbackResult:
        """One reward, on disk on return; raises TokenRejected, SupportError, Unavailable."""
        if not request.request_id:
            return self._counted("empty", accepted=False, duplicate=False)
        token = self.sealer.open(request.request_id, tenant=principal.tenant)
        view = await self._view_for_feedback(token)
        check_reward(request.reward, support=view.record.support)
        key = (token.experiment, token.epoch, token.decision_id, request.feedback_id)
        if key in self.acknowledged:
            return self._counted("duplicate", accepted=True, duplicate=True)
        await self.intake.append(view.record.shard, _event(token, request))
        self.acknowledged.add(key)
        return self._counted("accepted", accepted=True, duplicate=False)

    def _answer(
        self, view: ExperimentView, query: Query, outcome: Outcome, *, context_id: str, now_ms: int
    ) -> Selection:
        token = DecisionToken(
            query.tenant,
            query.experiment,
            query.decision_id,
            outcome.epoch,
            outcome.version,
            now_ms,
            outcome.arm,
            outcome.u,
            outcome.low,
            outcome.propensity,
            False,
            outcome.recorded,
            query.context,
        )
        event = DecisionEvent(
            self.decisions.proxy,
            self.decisions.number(),
            query.experiment,
            context_id,
            outcome.epoch,
            query.decision_id,
            outcome.arm,
            outcome.u,
            outcome.low,
            outcome.propensity,
            outcome.version,
            "policy",
            query.context,
            now_ms,
        )
        self.decisions.add(view.record.shard, event)
        self.metrics.decisions.add("policy")
        self.metrics.state_age_s.observe(outcome.age_ms / 1000)
        return Selection(
            view.arms[outcome.arm],
            self.sealer.seal(token),
            False,
            outcome.propensity,
            outcome.version,
            outcome.age_ms,
        )

    async def _view_for_feedback(self, token: DecisionToken) -> ExperimentView:
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


class RecentKeys:
    """The latest keys, up to a limit: what we remember to have acknowledged."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._keys: OrderedDict[tuple[str, int, str, str], None] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, key: tuple[str, int, str, str]) -> None:
        """Remember the key, forget the oldest when there are too many."""
        self._keys[key] = None
        if len(self._keys) > self._limit:
            self._keys.popitem(last=False)


def new_decision_id(now_ms: int, entropy: bytes) -> str:
    """A UUIDv7 as 32 hex characters: time first, then 74 of 80 random bits."""
    noise = int.from_bytes(entropy, "big")
    version_and_time = now_ms << 16 | 0x7000 | noise >> 68
    variant_and_rest = 0x8000_0000_0000_0000 | noise & 0x3FFF_FFFF_FFFF_FFFF
    return f"{version_and_time:016x}{variant_and_rest:016x}"


def encode_context(context: SelectContext, *, dim: int) -> bytes:
    """The vector as raw little-endian float64; nothing for a policy without context."""
    if not dim:
        return b""
    if context.properties is not None:
        raise InvalidRequest(
            "this experiment has no context schema and takes no properties; "
            f"send context.vector with {dim} numbers",
            code="INVALID_CONTEXT_PROPERTIES",
        )
    vector: Sequence[float] = context.vector or ()
    if len(vector) != dim:
        raise ShapeError(
            f"context.vector has {len(vector)} numbers, the experiment needs {dim} "
            "(policy_params.dim)"
        )
    return struct.pack(f"<{dim}d", *vector)


def check_reward(reward: float, *, support: str) -> None:
    """Raise SupportError unless the policy can learn from the reward."""
    if 0.0 <= reward <= 1.0 and (support == "bounded" or reward in (0.0, 1.0)):
        return
    check_rewards(np.asarray([reward]), support=support, owner="the experiment's policy")


def _event(token: DecisionToken, request: FeedbackRequest) -> FeedbackEvent:
    return FeedbackEvent(
        token.experiment,
        token.epoch,
        token.decision_id,
        request.feedback_id,
        token.arm,
        request.reward,
        token.u,
        token.low,
        token.propensity,
        token.version,
        token.gate,
        token.recorded,
        token.context,
        token.decided_ms,
        time.time_ns() // 1_000_000,
    )
