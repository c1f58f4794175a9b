"""Feedback rows of many batches as one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qbrix.errors import ShapeError
from qbrix.evaluation.decisions import LoggedDecision
from qbrix.ledger import Disposition, Rows
from qbrix.types import Array

__all__ = ["claim_of_row", "concatenate"]

_INTEGERS = ("arms", "state_versions", "epochs", "dispositions", "decided_ms", "received_ms")
_FLOATS = ("rewards", "u", "low", "propensities")


def concatenate(parts: Sequence[Rows]) -> Rows:
    """All rows, in order; contexts and recorded numbers are NaN where a part has none."""
    columns = {
        name: np.concatenate([np.zeros(0, dtype=kind), *(getattr(part, name) for part in parts)])
        for names, kind in ((_INTEGERS, np.int64), (_FLOATS, np.float64))
        for name in names
    }
    return Rows(
        decision_ids=tuple(one for part in parts for one in part.decision_ids),
        feedback_ids=tuple(one for part in parts for one in part.feedback_ids),
        contexts=_stacked(parts, "contexts"),
        recorded=_stacked(parts, "recorded"),
        **columns,
    )


def claim_of_row(rows: Rows, index: int) -> LoggedDecision:
    """What a feedback row says about its decision."""
    context = None if rows.contexts is None else rows.contexts[index]
    forced = rows.dispositions[index] == Disposition.GATE
    return LoggedDecision(
        decision_id=rows.decision_ids[index],
        context_id="",
        epoch=int(rows.epochs[index]),
        version=int(rows.state_versions[index]),
        arm=int(rows.arms[index]),
        u=float(rows.u[index]),
        low=float(rows.low[index]),
        propensity=float(rows.propensities[index]),
        source="gate" if forced else "policy",
        context=None if context is None or np.isnan(context).all() else context,
        decided_ms=int(rows.decided_ms[index]),
    )


def _stacked(parts: Sequence[Rows], name: str) -> Array | None:
    tables = [getattr(part, name) for part in parts]
    widths = {table.shape[1] for table in tables if table is not None}
    if not widths:
        return None
    if len(widths) > 1:
        raise ShapeError(
            f"{name} have {sorted(widths)} columns in different parts of the log; "
            "read them batch by batch (log.batches)"
        )
    (width,) = widths
    filled = [
        np.full((len(part), width), np.nan) if table is None else table
        for part, table in zip(parts, tables, strict=True)
    ]
    return np.concatenate(filled)
