"""What a body asks for, in the words of the services: the same for every transport."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from msgspec import UNSET

from qbrix.ledger import Attribution
from serving.proxy.documents.bodies import ExperimentCreate, ExperimentPatch, Learning
from serving.proxy.experiments.attribution import changed_attribution
from serving.proxy.experiments.service import ExperimentChange, NewExperiment

__all__ = ["changed_experiment", "new_experiment"]


def new_experiment(body: ExperimentCreate) -> NewExperiment:
    """The experiment to be made."""
    learning = body.learning or Learning()
    return NewExperiment(
        name=body.name,
        pool_id=body.pool_id,
        policy=body.policy,
        policy_params=body.policy_params,
        enabled=body.enabled,
        floor=learning.exploration_floor,
        reward_range=learning.span,
        attribution=changed_attribution(Attribution(), _attribution(learning)),
        gate=body.feature_gate,
    )


def changed_experiment(body: ExperimentPatch) -> ExperimentChange:
    """The change to be made."""
    learning = body.learning or Learning()
    given = learning.model_fields_set
    return ExperimentChange(
        enabled=body.enabled,
        name=body.name,
        policy_params=body.policy_params,
        floor=learning.exploration_floor if "exploration_floor" in given else None,
        reward_range=learning.span if "reward_range" in given else UNSET,
        attribution=_attribution(learning),
        kept=body.model_dump(include={"pool_id", "policy"}, exclude_none=True),
    )


def _attribution(learning: Learning) -> dict[str, Any]:
    """What the body says of it."""
    names = {item.name for item in fields(Attribution)} & learning.model_fields_set
    return {name: getattr(learning, name) for name in names}
