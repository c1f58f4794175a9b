"""Batches as relational rows and back, to the bit."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from asyncpg import Record

from qbrix.ledger import Batch, Configuration, Control, Rows
from qbrix.types import Array, IntArray
from serving.storage.postgres.copying import Field, fixed, rows_of, uuids
from serving.storage.postgres.database import Connection
from serving.storage.records import CommittedBatch

__all__ = [
    "KEY_COLUMNS",
    "ROW_COLUMNS",
    "ledger_copy",
    "read_batch",
    "read_rows",
    "store_batches",
]

# Columns of table ``ledger`` behind the decision's and the feedback's id, and the names in `Rows`.
_NUMBERS = {
    "arm": "arms",
    "reward": "rewards",
    "u": "u",
    "low": "low",
    "propensity": "propensities",
    "state_version": "state_versions",
    "epoch": "epochs",
    "disposition": "dispositions",
    "decided_ms": "decided_ms",
    "received_ms": "received_ms",
}
_FLOATS = ("reward", "u", "low", "propensity")
_MATRICES = {"context": "contexts", "recorded": "recorded"}
_TOGETHER = 2048  # rows that are made for COPY at once

KEY_COLUMNS = (
    "decision_id",
    "experiment",
    "epoch",
    "feedback_id",
    "version",
    "ordinal",
    "committed_ms",
)
ROW_COLUMNS = (
    "experiment",
    "version",
    "ordinal",
    "decision_id",
    "feedback_id",
    *_NUMBERS,
    *_MATRICES,
    "committed_ms",
)


async def store_batches(
    connection: Connection, batches: Sequence[tuple[str, CommittedBatch]]
) -> None:
    """Insert the heads of batches; their rows go into ``ledger``."""
    heads = [_head(experiment, committed) for experiment, committed in batches]
    await connection.execute(
        "INSERT INTO batches (experiment, version, epoch, kind, control, context_width,"
        " recorded_width, ledger_digest, state_digest, committed_ms)"
        " SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[],"
        " $6::integer[], $7::integer[], $8::text[], $9::text[], $10::bigint[])",
        *map(list, zip(*heads, strict=True)),
    )


def ledger_copy(
    batches: Iterable[tuple[str, CommittedBatch]], columns: Sequence[str]
) -> Iterator[bytes]:
    """Rows of batches for COPY: ROW_COLUMNS of them, or those of their keys (KEY_COLUMNS).

    They are made piece by piece, so that the server works while the next piece is made.
    """
    for experiment, committed in batches:
        rows = committed.batch.rows
        if rows is not None and len(rows):
            same: dict[str, Field] = {
                "experiment": experiment.encode(),
                "version": committed.batch.version,
                "committed_ms": committed.committed_ms,
            }
            for at, feedback in _pieces(rows):
                fields = {**same, "feedback_id": feedback}
                own = [fields[c] if c in fields else _field(rows, c, at) for c in columns]
                yield rows_of(own, count=len(at))


def _field(rows: Rows, column: str, at: IntArray) -> Field:
    """A column of the rows at ``at``."""
    if column == "ordinal":
        return at.astype(np.int32)
    if column == "decision_id":
        return uuids([rows.decision_ids[index] for index in at.tolist()])
    if column in _MATRICES:
        return _raw(getattr(rows, _MATRICES[column]), at)
    numbers: Field = getattr(rows, _NUMBERS[column])[at]
    return numbers


def _pieces(rows: Rows) -> Iterator[tuple[IntArray, Field]]:
    """Indices of rows whose feedback ids have one length (nearly always all), and these ids."""
    feedback_ids = [word.encode() for word in rows.feedback_ids]
    sizes = np.fromiter(map(len, feedback_ids), dtype=np.int64, count=len(rows))
    for size in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == size)
        for first in range(0, len(alike), _TOGETHER):
            at = alike[first : first + _TOGETHER]
            yield at, fixed([feedback_ids[index] for index in at.tolist()], size=size)


def read_batch(head: Record, rows: Sequence[Record]) -> CommittedBatch:
    """A row of ``batches`` with its rows of ``ledger``, in order."""
    control = None if head["control"] is None else _read_control(head["control"])
    batch = Batch(
        epoch=head["epoch"],
        version=head["version"],
        control=control,
        rows=None if control is not None else read_rows(head, rows),
    )
    return CommittedBatch(
        batch=batch,
        ledger_digest=head["ledger_digest"],
        state_digest=head["state_digest"],
        committed_ms=head["committed_ms"],
    )


def read_rows(head: Record, rows: Sequence[Record]) -> Rows:
    """The columns of one batch."""
    columns: dict[str, Any] = {
        name: np.array(
            [row[column] for row in rows], dtype=np.float64 if column in _FLOATS else np.int64
        )
        for column, name in _NUMBERS.items()
    }
    ids: list[UUID] = [row["decision_id"] for row in rows]
    return Rows(
        decision_ids=tuple([one.hex for one in ids]),
        feedback_ids=tuple([row["feedback_id"] for row in rows]),
        contexts=_matrix(rows, "context", width=head["context_width"]),
        recorded=_matrix(rows, "recorded", width=head["recorded_width"]),
        **columns,
    )


def _head(experiment: str, committed: CommittedBatch) -> tuple[Any, ...]:
    batch = committed.batch
    rows, control = batch.rows, batch.control
    return (
        experiment,
        batch.version,
        batch.epoch,
        "rows" if control is None else "control",
        None if control is None else _write_control(control),
        _width(None if rows is None else rows.contexts),
        _width(None if rows is None else rows.recorded),
        committed.ledger_digest,
        committed.state_digest,
        committed.committed_ms,
    )


def _write_control(control: Control) -> str:
    """The configuration is kept as the text that digests cover."""
    return json.dumps(
        {
            "format": 1,
            "reason": control.reason,
            "start": control.start,
            "configuration": control.configuration.to_json(),
        }
    )


def _read_control(text: str) -> Control:
    read = json.loads(text)
    return Control(
        reason=read["reason"],
        start=read["start"],
        configuration=Configuration.from_json(read["configuration"]),
    )


def _width(matrix: Array | None) -> int | None:
    return None if matrix is None else matrix.shape[1]


def _raw(matrix: Array | None, at: IntArray) -> Field:
    """The numbers of each row as little-endian bytes."""
    if matrix is None:
        return None
    size = 8 * matrix.shape[1]
    return fixed([np.ascontiguousarray(matrix[at], dtype="<f8").tobytes()], size=size)


def _matrix(rows: Sequence[Record], column: str, *, width: int | None) -> Array | None:
    if width is None:
        return None
    joined = b"".join([row[column] for row in rows])
    return np.frombuffer(joined, dtype="<f8").reshape(len(rows), width).astype(np.float64)
