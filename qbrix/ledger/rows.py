"""The rows of a batch, in columns, and the one byte form that digests and downloads share."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qbrix.errors import StateMismatch
from qbrix.ledger.configuration import Configuration, Control
from qbrix.ledger.disposition import FOLDING, Disposition
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["Batch", "Rows"]

# Format 2 differs by the dispositions that a reader of format 1 would fold wrongly; what can be
# written in format 1 is.
_MAGICS = (b"QBBT\x01", b"QBBT\x02")
_LAST_OF_FORMAT_1 = Disposition.OLD_EPOCH


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """Feedback in the order in which it is folded, one array a column.

    Attributes
    ----------
    decision_ids, feedback_ids : tuple of str, length n
        32 lowercase hex characters; a name of the caller's or "".
    arms, state_versions, epochs, dispositions : IntArray, shape (n,)
    rewards, u, low, propensities : Array, shape (n,)
        ``low <= u < low + propensity`` holds for every row.
    decided_ms, received_ms : IntArray, shape (n,)
        Unix time in milliseconds.
    contexts : Array, shape (n, d), optional
    recorded : Array, shape (n, r), optional
    """

    decision_ids: tuple[str, ...]
    feedback_ids: tuple[str, ...]
    arms: IntArray
    rewards: Array
    u: Array
    low: Array
    propensities: Array
    state_versions: IntArray
    epochs: IntArray
    dispositions: IntArray
    decided_ms: IntArray
    received_ms: IntArray
    contexts: Array | None = None
    recorded: Array | None = None

    def __len__(self) -> int:
        return len(self.decision_ids)

    def where(self, keep: BoolArray) -> Rows:
        """The rows of ``keep`` (n,), in order."""
        chosen = np.flatnonzero(keep).tolist()
        columns: dict[str, Any] = {}
        for name in (*_COLUMNS, *_MATRICES):
            whole = getattr(self, name)
            columns[name] = None if whole is None else whole[keep]
        return Rows(
            decision_ids=tuple([self.decision_ids[index] for index in chosen]),
            feedback_ids=tuple([self.feedback_ids[index] for index in chosen]),
            **columns,
        )

    def interactions(self, keep: BoolArray | None = None) -> Interactions:
        """The rows that are learned, or those of ``keep`` (n,), as the policy sees them: (n',)."""
        if keep is None:
            keep = np.isin(self.dispositions, FOLDING)
        return Interactions(
            arms=self.arms[keep],
            rewards=self.rewards[keep],
            propensities=self.propensities[keep],
            state_versions=self.state_versions[keep],
            contexts=None if self.contexts is None else self.contexts[keep],
            recorded=None if self.recorded is None else self.recorded[keep],
        )


# The numeric columns, in the order of the byte form.
_COLUMNS: dict[str, str] = {
    "arms": "<i8",
    "rewards": "<f8",
    "u": "<f8",
    "low": "<f8",
    "propensities": "<f8",
    "state_versions": "<i8",
    "epochs": "<i8",
    "dispositions": "<i8",
    "decided_ms": "<i8",
    "received_ms": "<i8",
}
_MATRICES = ("contexts", "recorded")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Batch:
    """One step of the ledger: rows of feedback, or one control change.

    Attributes
    ----------
    epoch, version : int
        Epoch and version that hold *after* the batch.
    rows : Rows, optional
    control : Control, optional
        Exactly one of the two is given.
    """

    epoch: int
    version: int
    rows: Rows | None = None
    control: Control | None = None

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.control is None):
            raise StateMismatch("a batch holds either rows or a control change")

    def to_bytes(self) -> bytes:
        """The one byte form: magic, header length, JSON header, raw little-endian columns."""
        header: dict[str, Any] = {"epoch": self.epoch, "version": self.version}
        parts: list[bytes] = []
        if self.control is not None:
            header["reason"] = self.control.reason
            header["start"] = self.control.start
            header["configuration"] = self.control.configuration.to_json()
        if self.rows is not None:
            header["n"] = len(self.rows)
            header["decision_ids"] = "".join(self.rows.decision_ids)
            header["feedback_ids"] = list(self.rows.feedback_ids)
            parts += [
                getattr(self.rows, name).astype(kind).tobytes() for name, kind in _COLUMNS.items()
            ]
            for name in _MATRICES:
                matrix = getattr(self.rows, name)
                header[name] = None if matrix is None else matrix.shape[1]
                parts += [] if matrix is None else [matrix.astype("<f8").tobytes()]
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        return b"".join([self._magic, struct.pack("<I", len(text)), text, *parts])

    @property
    def _magic(self) -> bytes:
        kinds = None if self.rows is None else self.rows.dispositions
        return _MAGICS[kinds is not None and bool((kinds > _LAST_OF_FORMAT_1).any())]

    @classmethod
    def from_bytes(cls, data: bytes) -> Batch:
        """Read `to_bytes`; raises `StateMismatch` for another format or a wrong length."""
        size = len(_MAGICS[0])
        prefix = size + 4
        if data[:size] not in _MAGICS or len(data) < prefix:
            raise StateMismatch("these bytes are not a qbrix batch of format 1 or 2")
        body = prefix + struct.unpack_from("<I", data, size)[0]
        header = json.loads(data[prefix:body])
        epoch, version = header["epoch"], header["version"]
        if "reason" in header:
            configuration = Configuration.from_json(header["configuration"])
            control = Control(
                reason=header["reason"], configuration=configuration, start=header["start"]
            )
            return cls(epoch=epoch, version=version, control=control)
        return cls(epoch=epoch, version=version, rows=_read_rows(data, header, offset=body))


def _read_rows(data: bytes, header: dict[str, Any], *, offset: int) -> Rows:
    n = header["n"]
    columns: dict[str, NDArray[Any]] = {}
    layout: list[tuple[str, str, tuple[int, ...]]] = [
        (name, kind, (n,)) for name, kind in _COLUMNS.items()
    ]
    layout += [(name, "<f8", (n, header[name])) for name in _MATRICES if header[name] is not None]
    for name, kind, shape in layout:
        size = int(np.prod(shape, dtype=np.int64))
        flat = np.frombuffer(data, dtype=kind, count=size, offset=offset)
        columns[name] = flat.reshape(shape).astype(kind[1:])
        offset += flat.nbytes
    if offset != len(data):
        raise StateMismatch(f"a batch of {len(data)} bytes, its header announces {offset}")
    ids = header["decision_ids"]
    return Rows(
        decision_ids=tuple(ids[start : start + 32] for start in range(0, 32 * n, 32)),
        feedback_ids=tuple(header["feedback_ids"]),
        **columns,
    )
