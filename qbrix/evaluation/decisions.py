"""The decision log in columns: every decision, with or without feedback."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from qbrix.bundle.columns import read_columns, write_columns
from qbrix.errors import BundleError
from qbrix.types import Array, IntArray

__all__ = ["FORCED", "Decisions", "LoggedDecision"]

FORCED = ("gate", "default")
"""Sources of decisions that no policy made."""

Contexts: TypeAlias = "tuple[Array | None, ...]"

_MAGIC = b"QBDC\x01"
_INTEGERS = ("epochs", "versions", "arms", "decided_ms")
_FLOATS = ("u", "low", "propensities", "sampling")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LoggedDecision:
    """One decision as it was logged: ``low <= u < low + propensity``.

    Attributes
    ----------
    decision_id : str
        32 hex characters.
    context_id : str
        Unit that was decided for; "" when it is not known.
    epoch, version : int
        State that decided.
    arm : int
    u, low, propensity : float
    source : str
        ``gate`` for an arm that a gate forced, ``default`` for that of a paused experiment;
        anything else was the policy's choice.
    context : Array, shape (d,), optional
    decided_ms : int
        Unix time in milliseconds.
    sampling : float in (0, 1]
        Probability with which the log keeps the decision, whatever came of it.
    """

    decision_id: str
    context_id: str
    epoch: int
    version: int
    arm: int
    u: float
    low: float
    propensity: float
    source: str
    context: Array | None
    decided_ms: int
    sampling: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decisions:
    """n decisions in the order in which they were logged.

    Attributes
    ----------
    decision_ids, context_ids, sources : tuple of str, length n
    epochs, versions, arms, decided_ms : IntArray, shape (n,)
    u, low, propensities, sampling : Array, shape (n,)
    contexts : tuple of (Array of shape (d,), or None), length n
    """

    decision_ids: tuple[str, ...]
    context_ids: tuple[str, ...]
    sources: tuple[str, ...]
    epochs: IntArray
    versions: IntArray
    arms: IntArray
    decided_ms: IntArray
    u: Array
    low: Array
    propensities: Array
    sampling: Array
    contexts: Contexts

    def __len__(self) -> int:
        return len(self.decision_ids)

    def __getitem__(self, index: int) -> LoggedDecision:
        return LoggedDecision(
            decision_id=self.decision_ids[index],
            context_id=self.context_ids[index],
            epoch=int(self.epochs[index]),
            version=int(self.versions[index]),
            arm=int(self.arms[index]),
            u=float(self.u[index]),
            low=float(self.low[index]),
            propensity=float(self.propensities[index]),
            source=self.sources[index],
            context=self.contexts[index],
            decided_ms=int(self.decided_ms[index]),
            sampling=float(self.sampling[index]),
        )

    @classmethod
    def of(cls, decisions: Iterable[LoggedDecision]) -> Decisions:
        """Columns of single decisions."""
        rows = list(decisions)

        def integers(name: str) -> IntArray:
            return np.array([getattr(row, name) for row in rows], dtype=np.int64)

        def floats(name: str) -> Array:
            return np.array([getattr(row, name) for row in rows], dtype=np.float64)

        return cls(
            decision_ids=tuple(row.decision_id for row in rows),
            context_ids=tuple(row.context_id for row in rows),
            sources=tuple(row.source for row in rows),
            epochs=integers("epoch"),
            versions=integers("version"),
            arms=integers("arm"),
            decided_ms=integers("decided_ms"),
            u=floats("u"),
            low=floats("low"),
            propensities=floats("propensity"),
            sampling=floats("sampling"),
            contexts=tuple(row.context for row in rows),
        )

    def to_bytes(self) -> bytes:
        """Magic, JSON header with the texts, raw columns."""
        kinds = sorted(set(self.sources))
        columns: dict[str, Any] = {name: getattr(self, name) for name in (*_INTEGERS, *_FLOATS)}
        columns["sources"] = np.array([kinds.index(one) for one in self.sources], dtype=np.int64)
        columns["widths"] = np.array(
            [-1 if one is None else len(one) for one in self.contexts], dtype=np.int64
        )
        columns["contexts"] = np.concatenate(
            [np.zeros(0), *(one for one in self.contexts if one is not None)]
        )
        header = {
            "decision_ids": self.decision_ids,
            "context_ids": self.context_ids,
            "sources": kinds,
        }
        return write_columns(_MAGIC, header, columns)

    @classmethod
    def from_bytes(cls, data: bytes) -> Decisions:
        """Read `to_bytes`; raises `BundleError` (``format``) for anything else."""
        header, columns = read_columns(_MAGIC, data, what="the decision log")
        try:
            if "sampling" not in columns:  # written before logs were sampled
                columns["sampling"] = np.ones(len(columns["u"]))
            kinds = header["sources"]
            read = cls(
                decision_ids=tuple(header["decision_ids"]),
                context_ids=tuple(header["context_ids"]),
                sources=tuple(kinds[code] for code in columns.pop("sources")),
                contexts=_split(columns.pop("contexts"), columns.pop("widths")),
                **columns,
            )
        except (KeyError, IndexError, TypeError, ValueError):
            raise BundleError("format", "the decision log is damaged") from None
        lengths = {len(getattr(read, name)) for name in (*_INTEGERS, *_FLOATS)}
        lengths |= {len(read.context_ids), len(read.sources), len(read.contexts)}
        if lengths != {len(read)}:
            raise BundleError("format", "the columns of the decision log differ in length")
        return read


def _split(flat: Array, widths: IntArray) -> Contexts:
    ends = np.cumsum(np.maximum(widths, 0))
    if (ends[-1] if len(ends) else 0) != len(flat):
        raise ValueError("widths do not add up")
    pieces = zip(ends, widths, strict=True)
    return tuple(None if width < 0 else flat[end - width : end] for end, width in pieces)
