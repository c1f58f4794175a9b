"""``deployment_v+1 = fold(deployment_v, batch_v+1)``: pure, the same in cortex and notebook."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from qbrix.errors import StateMismatch
from qbrix.ledger.configuration import Configuration
from qbrix.ledger.course import Course, Resolver, advance, retracts
from qbrix.ledger.decide import Decider
from qbrix.ledger.rows import Batch
from qbrix.policies.base import Policy
from qbrix.state import State, digest
from qbrix.types import Array

__all__ = ["Deployment", "Resolver", "fold", "genesis"]

_BEFORE_ALL = "0" * 64


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Deployment:
    """What decides at one (epoch, version), with the digests of all that led there.

    Attributes
    ----------
    experiment : str
    epoch, version : int
    configuration : Configuration
    policy : Policy
    state : State
        No leading axes.
    ledger_digest : str
        SHA-256 chained over the byte forms of all batches: equal logs have equal digests.
    state_digest : str
        SHA-256 chained over states and configurations: equal learning has equal digests.
    """

    experiment: str
    epoch: int
    version: int
    configuration: Configuration
    policy: Policy[Any, Any]
    state: State
    ledger_digest: str
    state_digest: str

    @property
    def course(self) -> Course:
        """The same without what led there."""
        return Course(
            epoch=self.epoch,
            version=self.version,
            configuration=self.configuration,
            policy=self.policy,
            state=self.state,
        )

    def decider(self, *, law: Array | None = None) -> Decider:
        """Prepare the state (off the hot path) for any number of decisions."""
        return Decider(
            self.policy,
            self.policy.prepare(self.state),
            floor=self.configuration.floor,
            mask=self.configuration.mask,
            law=law,
        )


def genesis(experiment: str, batch: Batch, resolver: Resolver) -> Deployment:
    """Version 0: the deployment that the experiment's first control change makes."""
    if batch.control is None or batch.version != 0:
        raise StateMismatch(
            f"experiment {experiment} begins with version {batch.version}, "
            "expected the control change of version 0"
        )
    return _chained(None, experiment, batch, advance(None, batch, resolver))


def fold(
    deployment: Deployment, batch: Batch, resolver: Resolver, *, refolded: Course | None = None
) -> Deployment:
    """The deployment after ``batch``, which must be the next version.

    Parameters
    ----------
    refolded : Course, optional
        What would decide now if what ``batch`` takes back had never come (see `refold`); needed for
        a batch with retractions. `Replay` finds it by itself.

    Raises
    ------
    StateMismatch
        When the version is not the next one, or the state does not fit the change.
    SupportError, ShapeError, InvalidParameter
        When a row cannot be learned; nothing has changed then.
    """
    if batch.version != deployment.version + 1:
        raise StateMismatch(
            f"experiment {deployment.experiment} is at version {deployment.version}, "
            f"the batch makes version {batch.version}; fold the batches in order"
        )
    course = deployment.course
    if retracts(batch):
        if refolded is None or refolded.version != deployment.version:
            raise StateMismatch(
                f"version {batch.version} of experiment {deployment.experiment} takes back what "
                "was learned before; fold the ledger with qbrix.ledger.Replay, which remembers it"
            )
        course = refolded
    return _chained(deployment, deployment.experiment, batch, advance(course, batch, resolver))


def _chained(
    before: Deployment | None, experiment: str, batch: Batch, course: Course
) -> Deployment:
    ledger = hashlib.sha256((before.ledger_digest if before else _BEFORE_ALL).encode())
    ledger.update(batch.to_bytes())
    states = hashlib.sha256((before.state_digest if before else _BEFORE_ALL).encode())
    states.update(f"{batch.epoch}.{batch.version}\n{course.configuration.to_json()}\n".encode())
    states.update(digest(course.state).encode())
    return Deployment(
        experiment=experiment,
        epoch=batch.epoch,
        version=batch.version,
        configuration=course.configuration,
        policy=course.policy,
        state=course.state,
        ledger_digest=ledger.hexdigest(),
        state_digest=states.hexdigest(),
    )
