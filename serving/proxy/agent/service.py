"""Select, apart from any transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from qbrix.errors import QbrixError
from serving.entropy import Entropy
from serving.proxy.agent.contexts import encode_context
from serving.proxy.agent.decisions import DecisionLog
from serving.proxy.agent.encoding import new_decision_id, wall_ms
from serving.proxy.agent.messages import (
    BatchSelect,
    BatchSelection,
    SelectContext,
    Selection,
    SelectRequest,
)
from serving.proxy.experiments.records import ExperimentView, Records
from serving.proxy.people.auth import Principal
from serving.telemetry import ProxyMetrics, current_request
from serving.tokens import DecisionToken, TokenSealer
from serving.wire.selection import Outcome, Query, Selector

__all__ = ["Agent"]

_log = structlog.get_logger("proxy")

_GATE_FAILURES = (ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
_TOGETHER = 256  # of a batch, between two looks at everybody else


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """Answers which arm; touches no store."""

    records: Records
    selector: Selector
    sealer: TokenSealer
    decisions: DecisionLog
    metrics: ProxyMetrics
    entropy: Entropy

    async def select(self, principal: Principal, request: SelectRequest) -> Selection:
        """One decision; raises NotFound, ShapeError, InvalidRequest, Unavailable."""
        prompt = self.prompt(principal, request)
        if prompt is not None:
            return prompt()
        view = await self._view(principal, request.experiment_id)
        now_ms = wall_ms()
        if not view.record.enabled:
            return self._paused(view, request.context, now_ms=now_ms)
        query = self._query(view, request.context, request.decision_id, now_ms=now_ms)
        forced = self._forced(view, request.context, now_ms=now_ms)
        if forced is not None:
            return self._forced_answer(view, query, forced, request.context.id, now_ms)
        drawn = _whole(await self.selector.decide([query]))
        view = await self._with_arms(view, drawn)
        return self._drawn_answer(view, query, drawn[0], request.context.id, now_ms)

    def prompt(
        self, principal: Principal, request: SelectRequest
    ) -> Callable[[], Selection] | None:
        """`select` as a call that waits for nobody, where memory holds all that it needs."""
        view = self.records.known(principal.tenant, request.experiment_id)
        if view is None:
            return None
        n_arms = self.selector.at_hand(view.record.id)
        if n_arms is None or n_arms > len(view.arms):
            return None
        return partial(self._select_at_once, view, request)

    def _select_at_once(self, view: ExperimentView, request: SelectRequest) -> Selection:
        now_ms = wall_ms()
        if not view.record.enabled:
            return self._paused(view, request.context, now_ms=now_ms)
        query = self._query(view, request.context, request.decision_id, now_ms=now_ms)
        forced = self._forced(view, request.context, now_ms=now_ms)
        if forced is not None:
            return self._forced_answer(view, query, forced, request.context.id, now_ms)
        outcome = self.selector.decide_at_once(query)
        if isinstance(outcome, QbrixError):
            raise outcome
        return self._drawn_answer(view, query, outcome, request.context.id, now_ms)

    async def select_batch(self, principal: Principal, request: BatchSelect) -> BatchSelection:
        """One decision per context, in order; raises as `select` for the first that cannot be."""
        view = await self._view(principal, request.experiment_id)
        if not view.record.enabled:
            now_ms = wall_ms()
            return BatchSelection(
                [self._paused(view, one, now_ms=now_ms) for one in request.contexts]
            )
        decisions: list[Selection] = []
        for start in range(0, len(request.contexts), _TOGETHER):
            decisions += await self._group(view, request.contexts[start : start + _TOGETHER])
            await asyncio.sleep(0)  # others want to be served between the groups
        return BatchSelection(decisions)

    async def _group(
        self, view: ExperimentView, contexts: Sequence[SelectContext]
    ) -> list[Selection]:
        """Of a batch."""
        now_ms = wall_ms()
        queries = [self._query(view, context, None, now_ms=now_ms) for context in contexts]
        forced = [self._forced(view, context, now_ms=now_ms) for context in contexts]
        open_to_all = [q for q, arm in zip(queries, forced, strict=True) if arm is None]
        drawn = _whole(await self.selector.decide(open_to_all)) if open_to_all else []
        view = await self._with_arms(view, drawn)
        self._count_drawn(drawn)
        self.metrics.decisions.add_many(len(contexts) - len(drawn), "gate")
        answers = iter(drawn)
        return [
            self._made(view, query, next(answers), context.id, now_ms)
            if own is None
            else self._made(view, query, own, context.id, now_ms, gate=True)
            for context, query, own in zip(contexts, queries, forced, strict=True)
        ]

    async def _view(self, principal: Principal, experiment: str) -> ExperimentView:
        known = self.records.known(principal.tenant, experiment)
        return known or await self.records.get(principal.tenant, experiment)

    async def _with_arms(self, view: ExperimentView, drawn: Sequence[Outcome]) -> ExperimentView:
        """The view, read again when an arm was chosen that came a moment ago."""
        if max([outcome.arm for outcome in drawn], default=0) < len(view.arms):
            return view
        return await self.records.renewed(view.record.tenant, view.record.id)

    def _paused(self, view: ExperimentView, context: SelectContext, *, now_ms: int) -> Selection:
        """The control arm, whatever the context is; logged, with nothing to give feedback for."""
        decision = new_decision_id(now_ms, self.entropy.take(10))
        query = Query(view.record.tenant, view.record.id, decision)
        outcome = Outcome(view.control, 0.0, 0.0, 1.0, (), 0, 0, 0)
        self.decisions.add(
            view, query, outcome, source="default", context_id=context.id, now_ms=now_ms
        )
        self.metrics.decisions.add("paused")
        return Selection(view.arms[view.control], None, True)

    def _forced(
        self, view: ExperimentView, context: SelectContext, *, now_ms: int
    ) -> Outcome | None:
        """What the gate gives; a gate that fails gives the control arm, never the bandit."""
        if view.gate is None:
            return None
        try:
            arm = view.gate.forced(context.id, context.metadata or {}, now_ms=now_ms)
        except _GATE_FAILURES as error:
            self.metrics.gate_failures.add()
            _log.error("gate_failed", experiment=view.record.id, error=repr(error))
            arm = view.control
        return None if arm is None else Outcome(arm, 0.0, 0.0, 1.0, (), 0, 0, 0)

    def _query(
        self,
        view: ExperimentView,
        context: SelectContext,
        decision_id: str | None,
        *,
        now_ms: int,
    ) -> Query:
        return Query(
            view.record.tenant,
            view.record.id,
            decision_id or new_decision_id(now_ms, self.entropy.take(10)),
            encode_context(context, shape=view.context),
            current_request(),
        )

    def _forced_answer(
        self, view: ExperimentView, query: Query, forced: Outcome, context_id: str, now_ms: int
    ) -> Selection:
        self.metrics.decisions.add("gate")
        return self._made(view, query, forced, context_id, now_ms, gate=True)

    def _drawn_answer(
        self, view: ExperimentView, query: Query, drawn: Outcome, context_id: str, now_ms: int
    ) -> Selection:
        self.metrics.decisions.add("policy")
        self.metrics.propensity.observe(drawn.propensity)
        self.metrics.state_age_s.observe(drawn.age_ms / 1000)
        return self._made(view, query, drawn, context_id, now_ms)

    def _count_drawn(self, drawn: Sequence[Outcome]) -> None:
        """As many together."""
        self.metrics.decisions.add_many(len(drawn), "policy")
        self.metrics.propensity.observe_all([outcome.propensity for outcome in drawn])
        self.metrics.state_age_s.observe_all([outcome.age_ms / 1000 for outcome in drawn])

    def _made(
        self,
        view: ExperimentView,
        query: Query,
        outcome: Outcome,
        context_id: str,
        now_ms: int,
        *,
        gate: bool = False,
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
            gate,
            outcome.recorded,
            query.context,
        )
        source = "gate" if gate else "policy"
        self.decisions.add(
            view, query, outcome, source=source, context_id=context_id, now_ms=now_ms
        )
        if gate:
            return Selection(view.arms[outcome.arm], self.sealer.seal(token), True)
        return Selection(
            view.arms[outcome.arm],
            self.sealer.seal(token),
            False,
            outcome.propensity,
            outcome.version,
            outcome.age_ms,
        )


def _whole(found: Sequence[Outcome | QbrixError]) -> list[Outcome]:
    """All of them; raises the first that is none."""
    drawn = []
    for outcome in found:
        if isinstance(outcome, QbrixError):
            raise outcome
        drawn.append(outcome)
    return drawn
