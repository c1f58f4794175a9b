"""What both catalogs say about changes that meet: of a pool, its experiments and their gates."""

from __future__ import annotations

from typing import Any

import msgspec

from qbrix.errors import Conflict
from serving.storage.records import CommittedBatch, ControlRequest, ExperimentRecord, PoolRecord

__all__ = [
    "EXPERIMENT_CHANGED",
    "arms_control",
    "check_arms",
    "check_unchanged",
    "gate_has_changed",
    "pool_has_changed",
]

EXPERIMENT_CHANGED = "EXPERIMENT_CHANGED"


def arms_control(experiment: str, change: dict[str, Any]) -> ControlRequest:
    """The control change that makes an experiment follow its pool."""
    return ControlRequest(id=0, experiment=experiment, reason="arms", change=change, start="keep")


def check_arms(pool: PoolRecord, creation: CommittedBatch) -> None:
    """Raise Conflict unless version 0 was made for the arms that the pool has now."""
    control = creation.batch.control
    if control is not None and control.configuration.n_arms != len(pool.arms):
        raise pool_has_changed(pool)


def check_unchanged(stored: ExperimentRecord, before: ExperimentRecord) -> None:
    """Raise Conflict when a change made from ``before`` would undo another (but for gates)."""
    aside = {"gate": None, "updated_ms": 0}
    if msgspec.structs.replace(stored, **aside) != msgspec.structs.replace(before, **aside):
        raise Conflict(
            f"experiment {stored.id} was changed meanwhile; read it again and repeat the request",
            code=EXPERIMENT_CHANGED,
        )


def pool_has_changed(pool: PoolRecord) -> Conflict:
    """Somebody was faster."""
    return Conflict(f"pool {pool.id} was changed meanwhile; read it again and repeat the request")


def gate_has_changed(experiment: str) -> Conflict:
    """Somebody was faster."""
    return Conflict(
        f"the gate of experiment {experiment} was changed meanwhile; read it and repeat the request"
    )
