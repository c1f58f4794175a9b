"""What both catalogs say about changes that meet: of a pool, its experiments and their gates."""

from __future__ import annotations

from typing import Any

from qbrix.errors import Conflict
from serving.storage.records import CommittedBatch, ControlRequest, PoolRecord

__all__ = ["arms_control", "check_arms", "gate_has_changed", "pool_has_changed"]


def arms_control(experiment: str, change: dict[str, Any]) -> ControlRequest:
    """The control change that makes an experiment follow its pool."""
    return ControlRequest(id=0, experiment=experiment, reason="arms", change=change, start="keep")


def check_arms(pool: PoolRecord, creation: CommittedBatch) -> None:
    """Raise Conflict unless version 0 was made for the arms that the pool has now."""
    control = creation.batch.control
    if control is not None and control.configuration.n_arms != len(pool.arms):
        raise pool_has_changed(pool)


def pool_has_changed(pool: PoolRecord) -> Conflict:
    """Somebody was faster."""
    return Conflict(f"pool {pool.id} was changed meanwhile; read it again and repeat the request")


def gate_has_changed(experiment: str) -> Conflict:
    """Somebody was faster."""
    return Conflict(
        f"the gate of experiment {experiment} was changed meanwhile; read it and repeat the request"
    )
