"""What changed what decides: the versions that one can go back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from qbrix.errors import InvalidParameter
from qbrix.evaluation import LoggedBatch
from qbrix.ledger import REPLACING, Configuration

__all__ = ["Change", "change_before", "read_changes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of what decides, and all that decided after it.

    Attributes
    ----------
    version, epoch : int
        Of the experiment after the change.
    at : datetime
        When it was committed, UTC.
    reason : str
        ``create``, ``configure``, ``arms``, ``promote``, ``rollback`` or ``reset``.
    start : str
        What became of the state: ``keep``, ``init`` (anew) or ``bundle`` (the bundle's).
    configuration : Configuration
        Policy with hyper-parameters and bundle, floor, arms.
    ledger_digest, state_digest : str
        Of both chains after the change.
    """

    version: int
    epoch: int
    at: datetime
    reason: str
    start: str
    configuration: Configuration
    ledger_digest: str
    state_digest: str

    def __str__(self) -> str:
        policy = self.configuration.policy
        given = ", ".join(f"{name}={value!r}" for name, value in sorted(policy.parameters.items()))
        bundle = "" if policy.bundle is None else f"  bundle {policy.bundle[:12]}"
        return (
            f"version {self.version}  {self.at:%Y-%m-%d %H:%M:%S}Z  {self.reason:<9}  "
            f"epoch {self.epoch}  {policy.name}({given}){bundle}  state {self.state_digest[:12]}"
        )


def read_changes(batches: Sequence[LoggedBatch]) -> list[Change]:
    """The control changes among these, newest first."""
    return [
        Change(
            version=one.batch.version,
            epoch=one.batch.epoch,
            at=datetime.fromtimestamp(one.committed_ms / 1000, UTC),
            reason=one.batch.control.reason,
            start=one.batch.control.start,
            configuration=one.batch.control.configuration,
            ledger_digest=one.ledger_digest,
            state_digest=one.state_digest,
        )
        for one in reversed(batches)
        if one.batch.control is not None
    ]


def change_before(history: Sequence[Change], version: int | None) -> Change:
    """After which a version was decided; by default what came before the last promotion."""
    if version is not None:
        earlier = [change for change in history if change.version <= version]
        if not earlier:
            raise InvalidParameter(f"to = {version}, expected a version: 0, 1, …")
        return earlier[0]
    for newer, older in pairwise(history):
        if newer.reason in REPLACING:
            return older
    raise InvalidParameter(
        "nothing was promoted here, so there is nothing to go back to; name a version"
    )
