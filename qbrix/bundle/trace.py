"""The golden trace: decisions and updates as they happened where the bundle was made.

Time in a trace is the version of the state: version 0 is the start, every batch makes the next
one. A step is one decision: deciding version, mask, context, law, uniform number, arm, reward and
recorded numbers. Some steps are decided by a state two versions old, and some rewards arrive up to
seven versions late, as in serving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from qbrix.bundle.columns import read_columns, write_columns
from qbrix.draw import draw, edges
from qbrix.errors import BundleError
from qbrix.types import Array, BoolArray, IntArray, Interactions

__all__ = ["Trace"]

_MAGIC = b"QBTR\x01"
_COLUMNS = (
    *("versions", "masked", "contexts", "laws", "u", "low", "propensities", "arms", "rewards"),
    *("recorded", "learned", "ends"),
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """n steps and m updates of one policy.

    Attributes
    ----------
    versions : IntArray, shape (n,)
        Version of the state that decided, in [0, m].
    masked : IntArray, shape (n,)
        The arm that could not be chosen, −1 when all could.
    contexts : Array, shape (n, d)
        d = 0 for a policy without context.
    laws : Array, shape (n, K)
        Propensities that the policy answered.
    u, low, propensities : Array, shape (n,)
    arms : IntArray, shape (n,)
        ``low <= u < low + propensity`` by `qbrix.draw`.
    rewards : Array, shape (n,)
    recorded : Array, shape (n, r)
        What `Policy.record` returned; r = 0 for a policy that records nothing.
    learned : IntArray, shape (rows,)
        Steps in the order in which they were learned.
    ends : IntArray, shape (m,)
        Batch j holds ``learned[ends[j - 1] : ends[j]]`` and makes version j + 1.
    digests : tuple of str, length m + 1
        Digest of the state at every version.
    states : tuple of bytes, length m + 1 or 0
        States at every version, for policies whose bits are only close.
    """

    versions: IntArray
    masked: IntArray
    contexts: Array
    laws: Array
    u: Array
    low: Array
    propensities: Array
    arms: IntArray
    rewards: Array
    recorded: Array
    learned: IntArray
    ends: IntArray
    digests: tuple[str, ...]
    states: tuple[bytes, ...] = ()

    def __len__(self) -> int:
        return len(self.versions)

    @property
    def updates(self) -> int:
        """Number of batches, m."""
        return len(self.ends)

    def context(self, step: int) -> Array | None:
        """The context of a step, (d,), or None."""
        return self.contexts[step] if self.contexts.shape[1] else None

    def mask(self, step: int) -> BoolArray | None:
        """Choosable arms of a step, (K,), or None when all are."""
        return mask_without(int(self.masked[step]), n_arms=self.laws.shape[1])

    def batch(self, index: int) -> Interactions:
        """The rows of one update."""
        start = int(self.ends[index - 1]) if index else 0
        rows = self.learned[start : int(self.ends[index])]
        return Interactions(
            arms=self.arms[rows],
            rewards=self.rewards[rows],
            propensities=self.propensities[rows],
            state_versions=self.versions[rows],
            contexts=self.contexts[rows] if self.contexts.shape[1] else None,
            recorded=self.recorded[rows] if self.recorded.shape[1] else None,
        )

    def check_draws(self) -> None:
        """Raise `BundleError` unless every arm follows from the step's law and number."""
        for step in range(len(self)):
            law, mask = self.laws[step], self.mask(step)
            check_law(law, mask, n_arms=len(law), owner="the recorded policy")
            drawn = draw(edges(law), float(self.u[step]))
            logged = (int(self.arms[step]), float(self.low[step]), float(self.propensities[step]))
            if (drawn.arm, drawn.low, drawn.propensity) != logged:
                raise BundleError(
                    "trace",
                    f"step {step}: the draw gives arm {drawn.arm}, the trace says {logged[0]}",
                )

    def to_bytes(self) -> bytes:
        """Magic, JSON header with the digests, raw columns."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        columns["states"] = np.frombuffer(b"".join(self.states), dtype=np.uint8)
        sizes = [len(state) for state in self.states]
        return write_columns(_MAGIC, {"digests": self.digests, "state_sizes_bytes": sizes}, columns)

    @classmethod
    def from_bytes(cls, data: bytes) -> Trace:
        """Read `to_bytes`; raises `BundleError` (``format``) for what does not fit together."""
        header, columns = read_columns(_MAGIC, data, what="trace.bin")
        try:
            blob = columns.pop("states").tobytes()
            sizes = [int(size) for size in header.pop("state_sizes_bytes")]
            digests = tuple(str(text) for text in header.pop("digests"))
            trace = cls(**columns, digests=digests, states=_split(blob, sizes))
        except (KeyError, TypeError, ValueError):
            raise BundleError("format", "trace.bin lacks a column, or has one too many") from None
        trace._check()
        return trace

    def _check(self) -> None:
        n, m, k = len(self), self.updates, self.laws.shape[-1]
        per_step = ("masked", "u", "low", "propensities", "arms", "rewards")
        shapes = dict.fromkeys(per_step, (n,))
        shapes |= {"versions": (n,), "learned": (len(self.learned),), "ends": (m,)}
        fits = all(getattr(self, name).shape == shape for name, shape in shapes.items())
        tables = (self.contexts, self.laws, self.recorded)
        fits &= all(table.ndim == 2 and len(table) == n for table in tables)
        fits &= len(self.digests) == m + 1 and len(self.states) in (0, m + 1)
        if not (fits and n and m and k):
            raise BundleError("format", "trace.bin: the columns have different lengths")
        sizes = np.diff(self.ends, prepend=0)
        at_learning = np.repeat(np.arange(m), np.maximum(sizes, 0))
        in_range = (
            _within(self.versions, 0, m)
            and _within(self.arms, 0, k - 1)
            and _within(self.masked, -1, k - 1)
            and _within(self.learned, 0, n - 1)
            and bool(((self.u >= 0.0) & (self.u < 1.0)).all())
            and bool((sizes > 0).all())
            and len(at_learning) == len(self.learned)
            and bool((self.versions[self.learned] <= at_learning).all())
        )
        if not in_range:
            raise BundleError("format", "trace.bin: an index lies outside its range")


def mask_without(arm: int, *, n_arms: int) -> BoolArray | None:
    """The mask that forbids one arm; None for −1."""
    return None if arm < 0 else np.arange(n_arms) != arm


def check_law(law: Any, mask: BoolArray | None, *, n_arms: int, owner: str) -> None:
    """Raise `BundleError` (``trace``) unless ``law`` is one over the arms that may be chosen."""
    if not isinstance(law, np.ndarray) or law.shape != (n_arms,) or law.dtype != np.float64:
        shown = f"{getattr(law, 'dtype', type(law).__name__)} of shape {np.shape(law)}"
        raise BundleError(
            "trace", f"{owner}.propensities returns {shown}, expected float64 of shape ({n_arms},)"
        )
    if not (np.isfinite(law).all() and (law >= 0.0).all() and abs(law.sum() - 1.0) < 1e-9):
        raise BundleError(
            "trace", f"{owner}.propensities returns {law}, expected numbers >= 0 that sum to 1"
        )
    if mask is not None and law[~mask].any():
        arm = int(np.flatnonzero(~mask & (law > 0))[0])
        raise BundleError(
            "trace",
            f"{owner}.propensities gives arm {arm}, which the mask forbids, {law[arm]:.3g}; "
            "a masked arm has propensity 0 (arms are retired through the mask)",
        )


def _within(values: IntArray, low: int, high: int) -> bool:
    return values.dtype == np.int64 and bool(((values >= low) & (values <= high)).all())


def _split(blob: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
    ends = np.cumsum([0, *sizes])
    if min(sizes, default=0) < 0 or ends[-1] != len(blob):
        raise ValueError("sizes do not add up")
    return tuple(blob[start:end] for start, end in pairwise(ends))
