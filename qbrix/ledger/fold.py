"""``deployment_v+1 = fold(deployment_v, batch_v+1)``: pure, the same in cortex and notebook."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Protocol

from qbrix.errors import StateMismatch
from qbrix.ledger.configuration import Configuration, Control, PolicyRef
from qbrix.ledger.decide import Decider
from qbrix.ledger.rows import Batch
from qbrix.policies.base import Policy
from qbrix.state import State, digest
from qbrix.support import rescaled
from qbrix.types import Array

__all__ = ["Deployment", "Resolver", "fold", "genesis"]

_BEFORE_ALL = "0" * 64


class Resolver(Protocol):
    """Finds the code, and perhaps the state, that a configuration refers to."""

    def policy(self, ref: PolicyRef) -> Policy[Any, Any]:
        """The policy with its hyper-parameters."""
        ...

    def bundle_state(self, ref: PolicyRef) -> State:
        """The state that the policy's bundle carries."""
        ...


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
    configuration = batch.control.configuration
    policy = resolver.policy(configuration.policy)
    state = _started(policy, batch.control, resolver)
    return _chained(None, experiment, batch, configuration, policy, state)


def fold(deployment: Deployment, batch: Batch, resolver: Resolver) -> Deployment:
    """The deployment after ``batch``, which must be the next version.

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
    if batch.control is not None:
        configuration = batch.control.configuration
        policy = resolver.policy(configuration.policy)
        if batch.control.start == "keep":
            state = deployment.state
            if configuration.n_arms != deployment.configuration.n_arms:
                state = policy.grow(state, n_arms=configuration.n_arms)
        else:
            state = _started(policy, batch.control, resolver)
    else:
        assert batch.rows is not None
        configuration, policy = deployment.configuration, deployment.policy
        learned = batch.rows.interactions()
        if configuration.reward_range is not None:
            paid = rescaled(learned.rewards, configuration.reward_range)
            learned = replace(learned, rewards=paid)
        state = policy.update(deployment.state, learned) if learned.arms.size else deployment.state
    return _chained(deployment, deployment.experiment, batch, configuration, policy, state)


def _started(policy: Policy[Any, Any], control: Control, resolver: Resolver) -> State:
    configuration = control.configuration
    if control.start == "bundle":
        return resolver.bundle_state(configuration.policy)
    initial: State = policy.init(n_arms=configuration.n_arms, dim=configuration.dim)
    return initial


def _chained(
    before: Deployment | None,
    experiment: str,
    batch: Batch,
    configuration: Configuration,
    policy: Policy[Any, Any],
    state: State,
) -> Deployment:
    ledger = hashlib.sha256((before.ledger_digest if before else _BEFORE_ALL).encode())
    ledger.update(batch.to_bytes())
    states = hashlib.sha256((before.state_digest if before else _BEFORE_ALL).encode())
    states.update(f"{batch.epoch}.{batch.version}\n{configuration.to_json()}\n".encode())
    states.update(digest(state).encode())
    return Deployment(
        experiment=experiment,
        epoch=batch.epoch,
        version=batch.version,
        configuration=configuration,
        policy=policy,
        state=state,
        ledger_digest=ledger.hexdigest(),
        state_digest=states.hexdigest(),
    )
