"""What the server answers, as values."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from qbrix.bundle import Certificate
from qbrix.evaluation import LoggedBatch, LoggedDecision
from qbrix.ledger import Attribution, Batch, Configuration, Decider, Resolver
from qbrix.policies import Policy
from qbrix.state import State, from_bytes
from qbrix.support import RewardRange
from qbrix.types import Array

__all__ = [
    "Arm",
    "Experiment",
    "FeedbackResult",
    "Pool",
    "Promotion",
    "Selection",
    "ServedState",
]


@dataclass(frozen=True, slots=True)
class Arm:
    """An arm of a pool; its index is its position, for ever."""

    id: str
    name: str
    index: int
    is_active: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Arms under a name, by index."""

    id: str
    name: str
    arms: tuple[Arm, ...]

    @property
    def arm_names(self) -> tuple[str, ...]:
        """Names by index."""
        return tuple(arm.name for arm in self.arms)


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A running comparison of the arms of a pool.

    Attributes
    ----------
    policy : str
        Name of what decides.
    parameters : Mapping[str, Any]
        Its hyper-parameters, and ``dim`` for a contextual experiment.
    bundle : str or None
        SHA-256 of the promoted bundle.
    floor : float
        Exploration floor.
    reward_range : (float, float) or None
        Declared smallest and largest reward, which the policy learns as 0 and 1.
    attribution : Attribution
        Which rewards of a decision count, and when.
    """

    id: str
    name: str
    pool: Pool
    policy: str
    parameters: Mapping[str, Any]
    enabled: bool
    floor: float
    bundle: str | None
    reward_range: RewardRange | None = None
    attribution: Attribution = field(default_factory=Attribution)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """A served decision.

    Attributes
    ----------
    arm : Arm
    request_id : str or None
        Token for the feedback; None when the experiment is paused.
    is_default : bool
        Whether a gate or a pause chose the arm instead of the policy.
    propensity : float or None
        Probability with which the arm was drawn.
    state_version : int or None
        Version of the state that decided.
    """

    arm: Arm
    request_id: str | None = field(repr=False)
    is_default: bool
    propensity: float | None
    state_version: int | None


@dataclass(frozen=True, slots=True)
class FeedbackResult:
    """Whether a reward was taken; true when it was. ``duplicate`` is a best effort."""

    accepted: bool
    duplicate: bool = False

    def __bool__(self) -> bool:
        return self.accepted


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """A bundle that decides from ``version`` of the new ``epoch`` on."""

    experiment: str
    bundle: str
    epoch: int
    version: int
    certificate: Certificate


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedState:
    """What decides now, as cortex published it.

    ``policy``, ``state`` and `decider` load the policy's code when they are first used.

    Attributes
    ----------
    experiment : str
    epoch, version, term : int
    configuration : Configuration
    ledger_digest, state_digest : str
        Ends of both digest chains, as `qbrix.ledger.Deployment` has them.
    propensities : Array, shape (K,), optional
        The law that every motor draws from, for a policy without context.
    published_ms : int
        Unix time in milliseconds.
    """

    experiment: str
    epoch: int
    version: int
    term: int
    configuration: Configuration
    ledger_digest: str
    state_digest: str
    propensities: Array | None
    published_ms: int
    state_bytes: bytes = field(repr=False)
    resolver: Resolver = field(repr=False)

    @cached_property
    def policy(self) -> Policy[Any, Any]:
        """The policy with its hyper-parameters."""
        return self.resolver.policy(self.configuration.policy)

    @cached_property
    def state(self) -> State:
        """What was learned."""
        return from_bytes(self.policy.state_type, self.state_bytes)

    def decider(self) -> Decider:
        """Ready for decisions, as motor is."""
        return Decider(
            self.policy,
            self.policy.prepare(self.state),
            floor=self.configuration.floor,
            mask=self.configuration.mask,
            law=self.propensities,
        )


def read_arm(answer: Mapping[str, Any]) -> Arm:
    """Arm."""
    return Arm(
        id=answer["id"],
        name=answer["name"],
        index=answer["index"],
        is_active=answer.get("is_active", True),
        metadata=answer.get("metadata") or {},
    )


def read_pool(answer: Mapping[str, Any]) -> Pool:
    """Pool with its arms by index."""
    arms = sorted((read_arm(arm) for arm in answer["arms"]), key=lambda arm: arm.index)
    return Pool(id=answer["id"], name=answer["name"], arms=tuple(arms))


def read_experiment(answer: Mapping[str, Any]) -> Experiment:
    """Experiment with its pool."""
    learning = answer.get("learning") or {}
    return Experiment(
        id=answer["id"],
        name=answer["name"],
        pool=read_pool(answer["pool"]),
        policy=answer["policy"],
        parameters=answer["policy_params"],
        enabled=answer["enabled"],
        floor=learning.get("exploration_floor", 0.0),
        reward_range=_range(learning.get("reward_range")),
        attribution=Attribution(
            window_s=learning.get("window_s"),
            default_reward=learning.get("default_reward"),
            aggregation=learning.get("aggregation", "first"),
        ),
        bundle=answer.get("bundle"),
    )


def read_selection(answer: Mapping[str, Any]) -> Selection:
    """Selection."""
    return Selection(
        arm=read_arm(answer["arm"]),
        request_id=answer["request_id"],
        is_default=answer["is_default"],
        propensity=answer.get("propensity"),
        state_version=answer.get("state_version"),
    )


def read_promotion(answer: Mapping[str, Any]) -> Promotion:
    """Promotion with its certificate."""
    return Promotion(
        experiment=answer["experiment_id"],
        bundle=answer["bundle"],
        epoch=answer["epoch"],
        version=answer["version"],
        certificate=Certificate.from_json(json.dumps(answer["certificate"])),
    )


def read_state(answer: Mapping[str, Any], *, resolver: Resolver) -> ServedState:
    """Published state."""
    law = answer.get("propensities")
    return ServedState(
        experiment=answer["experiment_id"],
        epoch=answer["epoch"],
        version=answer["version"],
        term=answer["term"],
        configuration=Configuration.from_json(answer["configuration"]),
        ledger_digest=answer["ledger_digest"],
        state_digest=answer["state_digest"],
        propensities=None if law is None else np.array(law, dtype=np.float64),
        published_ms=answer["published_ms"],
        state_bytes=base64.b64decode(answer["state"]),
        resolver=resolver,
    )


def read_batch(answer: Mapping[str, Any]) -> LoggedBatch:
    """A batch of the ledger with both digests."""
    return LoggedBatch(
        batch=Batch.from_bytes(base64.b64decode(answer["data"])),
        ledger_digest=answer["ledger_digest"],
        state_digest=answer["state_digest"],
        committed_ms=answer["committed_ms"],
    )


def read_decision(answer: Mapping[str, Any]) -> LoggedDecision:
    """A logged decision."""
    context = answer.get("context")
    return LoggedDecision(
        decision_id=answer["decision_id"],
        context_id=answer["context_id"],
        epoch=answer["epoch"],
        version=answer["version"],
        arm=answer["arm"],
        u=answer["u"],
        low=answer["low"],
        propensity=answer["propensity"],
        source=answer["source"],
        context=None
        if context is None
        else np.frombuffer(base64.b64decode(context), dtype="<f8").astype(np.float64),
        decided_ms=answer["decided_ms"],
        sampling=answer.get("sampling", 1.0),
    )


def _range(ends: Sequence[float] | None) -> RewardRange | None:
    return None if ends is None else (ends[0], ends[1])
