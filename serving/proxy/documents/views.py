"""Records as the wire shows them."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import numpy as np

from serving.proxy.documents.answers import (
    EvaluationAnswer,
    ExperimentAnswer,
    GateAnswer,
    PoolAnswer,
)
from serving.proxy.documents.downloads import BatchAnswer, DecisionAnswer, StateAnswer
from serving.proxy.documents.plain import shallow
from serving.proxy.experiments.portfolio import to_wire
from serving.proxy.experiments.records import ExperimentView
from serving.storage.base import (
    CommittedBatch,
    DecisionEvent,
    PoolRecord,
    StateRecord,
)

__all__ = ["batch", "decision", "experiment", "iso", "pool", "state"]


def iso(at_ms: int) -> str:
    """ISO-8601 with offset."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat()


def pool(record: PoolRecord) -> PoolAnswer:
    """Pool, arms by index."""
    return {
        "id": record.id,
        "name": record.name,
        "created_at": iso(record.created_ms),
        "updated_at": iso(record.updated_ms),
        "arms": [
            {
                "id": arm.id,
                "name": arm.name,
                "index": arm.index,
                "is_active": arm.is_active,
                "metadata": shallow(arm.metadata),
            }
            for arm in record.arms
        ],
    }


def experiment(view: ExperimentView) -> ExperimentAnswer:
    """Experiment with its pool embedded."""
    record = view.record
    return {
        "id": record.id,
        "name": record.name,
        "pool_id": record.pool_id,
        "policy": record.policy,
        "policy_params": {
            **to_wire(record.policy, record.parameters),
            **view.context.parameters,
        },
        "enabled": record.enabled,
        "learning": {
            "window_s": record.window_s,
            "default_reward": record.default_reward,
            "aggregation": record.aggregation,
            "exploration_floor": record.floor,
            "reward_range": None if record.reward_range is None else list(record.reward_range),
        },
        "bundle": record.bundle,
        "created_at": iso(record.created_ms),
        "updated_at": iso(record.updated_ms),
        "pool": pool(view.pool),
        "feature_gate": None if view.gate is None else gate(view),
        "meta_experiment_id": None,
    }


def gate(view: ExperimentView) -> GateAnswer:
    """The gate of an experiment."""
    assert view.gate is not None
    record, default = view.gate.record, view.gate.default
    names = {arm.id: arm.name for arm in view.pool.arms}
    return {
        "experiment_id": view.record.id,
        "enabled": record.enabled,
        "rollout_percentage": record.rollout_percentage,
        "default_arm_id": record.default_arm_id,
        "default_arm_name": None if default is None else default.name,
        "schedule_start": _moment(record.schedule_start_ms),
        "schedule_end": _moment(record.schedule_end_ms),
        "active_hours_start": _clock(record.active_from_min),
        "active_hours_end": _clock(record.active_to_min),
        "timezone": record.timezone,
        "rules": [
            {
                "key": rule.key,
                "operator": rule.operator,
                "value": rule.value,
                "arm_id": rule.arm_id,
                "arm_name": names.get(rule.arm_id or ""),
            }
            for rule in record.rules
        ],
        "updated_at": iso(record.updated_ms),
        "version": record.version,
    }


def evaluation(
    view: ExperimentView, context_id: str, metadata: dict[str, Any], *, now_ms: int
) -> EvaluationAnswer:
    """Where a context would go."""
    assert view.gate is not None
    record = view.gate.record
    passage = view.gate.passage(context_id, metadata, now_ms=now_ms)
    arm = None if passage.arm is None else view.pool.arms[passage.arm]
    return {
        "eligible": arm is None,
        "reason": passage.reason,
        "enabled": record.enabled,
        "in_schedule": passage.in_schedule,
        "in_rollout": passage.in_rollout,
        "rollout_percentage": record.rollout_percentage,
        "arm_id": None if arm is None else arm.id,
        "arm_name": None if arm is None else arm.name,
        "rules": [
            {
                "key": rule.key,
                "operator": rule.operator,
                "value": rule.value,
                "matched": matched,
                "decisive": index == passage.decisive,
            }
            for index, (rule, matched) in enumerate(zip(record.rules, passage.matched, strict=True))
        ],
    }


def state(record: StateRecord) -> StateAnswer:
    """What decides now."""
    law = None if record.law is None else np.frombuffer(record.law, dtype="<f8").tolist()
    return {
        "experiment_id": record.experiment,
        "epoch": record.epoch,
        "version": record.version,
        "term": record.term,
        "configuration": record.configuration,
        "state": b64encode(record.state).decode(),
        "ledger_digest": record.ledger_digest,
        "state_digest": record.state_digest,
        "propensities": law,
        "published_ms": record.published_ms,
    }


def batch(committed: CommittedBatch) -> BatchAnswer:
    """One batch of the ledger, in the byte form that the digests cover."""
    return {
        "version": committed.batch.version,
        "epoch": committed.batch.epoch,
        "data": b64encode(committed.batch.to_bytes()).decode(),
        "ledger_digest": committed.ledger_digest,
        "state_digest": committed.state_digest,
        "committed_ms": committed.committed_ms,
    }


def decision(event: DecisionEvent) -> DecisionAnswer:
    """One logged decision."""
    return {
        "decision_id": event.decision_id,
        "context_id": event.context_id,
        "epoch": event.epoch,
        "version": event.version,
        "arm": event.arm,
        "u": event.u,
        "low": event.low,
        "propensity": event.propensity,
        "source": event.source,
        "context": b64encode(event.context).decode() if event.context else None,
        "decided_ms": event.decided_ms,
        "sampling": event.sampling,
    }


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso(at_ms)


def _clock(minute: int | None) -> str | None:
    return None if minute is None else f"{minute // 60:02d}:{minute % 60:02d}"
