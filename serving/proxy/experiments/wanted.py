"""What a body asks for, in the words of the services: the same for every transport."""

from __future__ import annotations

from msgspec import UNSET

from serving.proxy.documents.bodies import ExperimentCreate, ExperimentPatch, Learning
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
    )
