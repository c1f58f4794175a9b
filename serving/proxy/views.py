"""Records as the wire shows them."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import numpy as np

from serving.proxy.records import ExperimentView
from serving.storage.base import (
    ApiKeyRecord,
    CommittedBatch,
    DecisionEvent,
    PoolRecord,
    StateRecord,
)

__all__ = ["api_key", "batch", "decision", "experiment", "iso", "pool", "state"]


def iso(at_ms: int) -> str:
    """ISO-8601 with offset."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).isoformat()


def pool(record: PoolRecord) -> dict[str, Any]:
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
                "metadata": arm.metadata,
            }
            for arm in record.arms
        ],
    }


def experiment(view: ExperimentView) -> dict[str, Any]:
    """Experiment with its pool embedded."""
    record = view.record
    return {
        "id": record.id,
        "name": record.name,
        "pool_id": record.pool_id,
        "policy": record.policy,
        "policy_params": {**record.parameters, **view.context.parameters},
        "enabled": record.enabled,
        "learning": {
            "window_s": None,
            "default_reward": None,
            "aggregation": "first",
            "exploration_floor": record.floor,
            "reward_range": record.reward_range,
        },
        "bundle": record.bundle,
        "created_at": iso(record.created_ms),
        "updated_at": iso(record.updated_ms),
        "pool": pool(view.pool),
        "feature_gate": None,
        "meta_experiment_id": None,
    }


def api_key(record: ApiKeyRecord) -> dict[str, Any]:
    """API key without the key; its times are float seconds."""
    used_ms = record.last_used_ms
    return {
        "id": record.id,
        "name": record.name,
        "rate_limit_per_minute": record.rate_limit_per_minute,
        "scopes": sorted(record.scopes),
        "created_at": record.created_ms / 1000,
        "last_used_at": None if used_ms is None else used_ms / 1000,
        "is_active": record.is_active,
    }


def state(record: StateRecord) -> dict[str, Any]:
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


def batch(committed: CommittedBatch) -> dict[str, Any]:
    """One batch of the ledger, in the byte form that the digests cover."""
    return {
        "version": committed.batch.version,
        "epoch": committed.batch.epoch,
        "data": b64encode(committed.batch.to_bytes()).decode(),
        "ledger_digest": committed.ledger_digest,
        "state_digest": committed.state_digest,
        "committed_ms": committed.committed_ms,
    }


def decision(event: DecisionEvent) -> dict[str, Any]:
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
    }
