"""What production did, in the notebook: the ledger, the decision log, and the code to replay both.

Folding and verifying run the policies of the bundles that the log refers to: load logs that you
trust, as you would a notebook.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.bundle import Bundle, BundleResolver
from qbrix.bundle.archive import pack, unpack, write_whole
from qbrix.errors import BundleError, InvalidParameter, NotFound, ShapeError
from qbrix.evaluation.chain import Chain
from qbrix.evaluation.decisions import Decisions
from qbrix.evaluation.replayed import ReplayedDecision, replay_decision
from qbrix.evaluation.rows import claim_of_row, concatenate
from qbrix.evaluation.verification import LogVerification, verify_log
from qbrix.ledger import Batch, Deployment, Disposition, Resolver, Rows
from qbrix.ledger.course import stands, taken_back
from qbrix.types import Array, IntArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LoggedBatch", "LoggedData"]

_FORMAT = 1
_LOG, _BATCHES, _DECISIONS = "log.json", "batches.bin", "decisions.bin"
# Sizes and places in a zip are numbers of 32 bits.
_MAX_BYTES = 2**32 - 2**16


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggedBatch:
    """A batch of the ledger with the digests that serving chained after it."""

    batch: Batch
    ledger_digest: str
    state_digest: str
    committed_ms: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoggedData:
    """The log of one experiment; `qbrix.Client.log` returns it.

    Attributes
    ----------
    experiment : str
    arm_names : tuple of str, optional
    batches : tuple of LoggedBatch
        The ledger from version 0 on.
    decisions : Decisions
    bundles : Mapping[str, Bundle]
        Promoted bundles by SHA-256.
    resolver : Resolver
        Finds the policies; by default in the catalogue and in ``bundles``.
    """

    experiment: str
    batches: tuple[LoggedBatch, ...]
    decisions: Decisions
    arm_names: tuple[str, ...] | None = None
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    resolver: Resolver = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "resolver", BundleResolver(self.bundles))

    @property
    def rows(self) -> Rows:
        """All feedback in the order in which the ledger took it, what was not folded included."""
        return concatenate([item.batch.rows for item in self.batches if item.batch.rows])

    @cached_property
    def effective(self) -> Rows:
        """What was learned and still stands, in the order in which it was learned.

        Rewards as they came, what a closed window came to, and what stood for a reward that never
        came; without what is late, forced by a gate, of a decision of an earlier epoch, or taken
        back later. Estimates of what a policy earns are made from these rows; ``arms``,
        ``rewards``, ``propensities``, ``state_versions`` and ``contexts`` are theirs.
        """
        batches = [item.batch for item in self.batches if item.batch.rows is not None]
        without = taken_back(batches)
        return concatenate(
            [batch.rows.where(stands(batch, without)) for batch in batches if batch.rows]
        )

    @property
    def arms(self) -> IntArray:
        """Arms of the effective rows, shape (n,)."""
        return self.effective.arms

    @property
    def rewards(self) -> Array:
        """What they paid, shape (n,)."""
        return self.effective.rewards

    @property
    def propensities(self) -> Array:
        """Probabilities with which the arms were drawn, shape (n,)."""
        return self.effective.propensities

    @property
    def state_versions(self) -> IntArray:
        """Versions of the states that decided, shape (n,)."""
        return self.effective.state_versions

    @property
    def contexts(self) -> Array | None:
        """Contexts, shape (n, d); None without contexts, NaN in rows that have none."""
        return self.effective.contexts

    def deployments(self) -> Iterator[Deployment]:
        """What decided at version 0, 1, …, folded again, each compared with serving's digests.

        Raises
        ------
        StateMismatch
            At the first version whose digests differ. State digests are not compared in an epoch
            of a policy on whose bits are only close.
        """
        chain = Chain(self.experiment, self.resolver)
        for logged in self.batches:
            yield chain.take(
                logged.batch, ledger_digest=logged.ledger_digest, state_digest=logged.state_digest
            )

    def fold(self, to_version: int | None = None) -> Deployment:
        """What decided at a version (the last one by default), folded from version 0.

        Raises
        ------
        StateMismatch
            When a version comes out different from what serving had.
        InvalidParameter
            When the log has no such version.
        """
        last = self.batches[-1].batch.version if self.batches else -1
        wanted = last if to_version is None else to_version
        for deployment in self.deployments():
            if deployment.version == wanted:
                return deployment
        raise InvalidParameter(f"to_version = {wanted}, the log holds the versions 0 … {last}")

    def verify(self) -> LogVerification:
        """Check all that the log claims; what does not hold is told in the result, not raised."""
        return verify_log(self)

    def replay(self, decision_id: str) -> ReplayedDecision:
        """One decision again, step by step, from the state that decided it.

        Parameters
        ----------
        decision_id : str
            32 hex characters. An id that was decided twice gives the later decision.

        Raises
        ------
        NotFound
            When neither the decision log nor the feedback has it.
        """
        ids = self.decisions.decision_ids
        found = [self.decisions[i] for i, one in enumerate(ids) if one == decision_id]
        if not found:
            rows = self.rows
            at = [i for i, one in enumerate(rows.decision_ids) if one == decision_id]
            found = [claim_of_row(rows, index) for index in at]
        if not found:
            raise NotFound("decision", decision_id)
        deployment = self.fold(found[-1].version)
        return replay_decision(deployment, found[-1], arm_names=self.arm_names)

    def frame(self) -> pd.DataFrame:
        """All feedback as a table, one row each; contexts are in `contexts`."""
        import pandas as pd

        rows = self.rows
        learned = [(item.batch.version, len(item.batch.rows or ())) for item in self.batches]
        names = [disposition.name.lower() for disposition in Disposition]
        table = pd.DataFrame(
            {
                "decision_id": rows.decision_ids,
                "feedback_id": rows.feedback_ids,
                "arm": rows.arms,
                "reward": rows.rewards,
                "propensity": rows.propensities,
                "u": rows.u,
                "low": rows.low,
                "version": rows.state_versions,
                "epoch": rows.epochs,
                "learned_version": np.repeat(*np.array(learned or [(0, 0)]).T),
                "disposition": [names[code] for code in rows.dispositions],
                "decided_at": pd.to_datetime(rows.decided_ms, unit="ms", utc=True),
                "received_at": pd.to_datetime(rows.received_ms, unit="ms", utc=True),
            }
        )
        if self.arm_names is not None:
            table.insert(3, "arm_name", [self.arm_names[arm] for arm in rows.arms])
        return table

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the log with its bundles into one file, which appears whole or not at all."""
        blobs = [item.batch.to_bytes() for item in self.batches]
        header = {
            "format": _FORMAT,
            "experiment": self.experiment,
            "arm_names": self.arm_names,
            "batches": [
                {
                    "size_bytes": len(blob),
                    "ledger_digest": item.ledger_digest,
                    "state_digest": item.state_digest,
                    "committed_ms": item.committed_ms,
                }
                for item, blob in zip(self.batches, blobs, strict=True)
            ],
        }
        members = {
            _LOG: json.dumps(header).encode(),
            _BATCHES: b"".join(blobs),
            _DECISIONS: self.decisions.to_bytes(),
        }
        members |= {f"bundle-{name}.zip": bundle.data for name, bundle in self.bundles.items()}
        write_whole(path, pack(members))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LoggedData:
        """Read `save`; no code of the bundles runs until something is folded.

        Raises
        ------
        BundleError
            ``format`` when the file is not a whole log.
        """
        members = unpack(Path(path).read_bytes(), limit_bytes=_MAX_BYTES)
        try:
            header = json.loads(members[_LOG])
            if header["format"] != _FORMAT:
                raise BundleError(
                    "format", f"the log has format {header['format']!r}, this qbrix reads {_FORMAT}"
                )
            batches = _read_batches(members[_BATCHES], header["batches"])
            names = header["arm_names"]
            experiment = str(header["experiment"])
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError("format", f"{path} is not a log of qbrix: {error!r}") from None
        bundles = [Bundle(data) for name, data in members.items() if name.startswith("bundle-")]
        return cls(
            experiment=experiment,
            batches=batches,
            decisions=Decisions.from_bytes(members.get(_DECISIONS, b"")),
            arm_names=None if names is None else tuple(names),
            bundles={bundle.sha256: bundle for bundle in bundles},
        )

    def __len__(self) -> int:
        """Number of rewards, n."""
        return sum(len(item.batch.rows) for item in self.batches if item.batch.rows is not None)

    def __repr__(self) -> str:
        last = self.batches[-1].batch if self.batches else None
        at = f"epoch {last.epoch}, version {last.version}" if last else "empty"
        return (
            f"<LoggedData of experiment {self.experiment}: {at}; "
            f"{len(self.decisions)} decisions, {len(self)} rewards>"
        )


def _read_batches(blob: bytes, described: list[dict[str, Any]]) -> tuple[LoggedBatch, ...]:
    batches, offset = [], 0
    for item in described:
        end = offset + int(item["size_bytes"])
        batches.append(
            LoggedBatch(
                batch=Batch.from_bytes(blob[offset:end]),
                ledger_digest=str(item["ledger_digest"]),
                state_digest=str(item["state_digest"]),
                committed_ms=int(item["committed_ms"]),
            )
        )
        offset = end
    if offset != len(blob):
        raise ShapeError(f"{_BATCHES} has {len(blob)} bytes, announced are {offset}")
    return tuple(batches)
