"""Ledgers written by hand: rows of one line each, batches in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qbrix.bundle import BundleResolver
from qbrix.ledger import (
    Attribution,
    Batch,
    Configuration,
    Control,
    Deployment,
    Disposition,
    PolicyRef,
    Replay,
    Rows,
)

EXPERIMENT = "e" * 32
BETA = PolicyRef(name="BetaTSPolicy@1")


class Row(NamedTuple):
    """A row about decision ``number``, which version ``by`` made."""

    number: int
    arm: int
    reward: float
    by: int
    kind: Disposition = Disposition.FOLDED
    feedback_id: str = ""


def created(
    ref: PolicyRef = BETA, *, n_arms: int = 2, attribution: Attribution | None = None
) -> Batch:
    """Version 0."""
    configuration = Configuration(
        policy=ref, n_arms=n_arms, attribution=attribution or Attribution()
    )
    control = Control(reason="create", configuration=configuration, start="init")
    return Batch(epoch=0, version=0, control=control)


def rows_of(rows: Sequence[Row], *, epoch: int = 0) -> Rows:
    """Columns of rows."""
    n = len(rows)
    return Rows(
        decision_ids=tuple(f"{row.number:032x}" for row in rows),
        feedback_ids=tuple(row.feedback_id for row in rows),
        arms=np.array([row.arm for row in rows], dtype=np.int64),
        rewards=np.array([row.reward for row in rows], dtype=np.float64),
        u=np.full(n, 0.25),
        low=np.zeros(n),
        propensities=np.full(n, 0.5),
        state_versions=np.array([row.by for row in rows], dtype=np.int64),
        epochs=np.full(n, epoch, dtype=np.int64),
        dispositions=np.array([int(row.kind) for row in rows], dtype=np.int64),
        decided_ms=np.array([1000 * row.number for row in rows], dtype=np.int64),
        received_ms=np.array([1000 * row.number + 5 for row in rows], dtype=np.int64),
    )


def learned(version: int, *rows: Row, epoch: int = 0) -> Batch:
    """A batch of feedback."""
    return Batch(epoch=epoch, version=version, rows=rows_of(rows, epoch=epoch))


def replayed(batches: Sequence[Batch]) -> list[Deployment]:
    """Every version, folded in order."""
    replay = Replay(EXPERIMENT, BundleResolver())
    return [replay.take(batch) for batch in batches]
