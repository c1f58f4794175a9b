"""What is to be played, once every argument has been checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from qbrix.checks import check_integer, check_labelled
from qbrix.environments import Environment
from qbrix.errors import InvalidParameter
from qbrix.policies import Policy
from qbrix.simulator.metrics import checkpoints_of
from qbrix.simulator.player import check_pairing
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.unit import Task, cut, unit_size
from qbrix.state import arrays_of
from qbrix.types import IntArray

__all__ = ["Plan", "Policies", "labelled", "planned"]

AnyPolicy = Policy[Any, Any]
Policies = AnyPolicy | Sequence[AnyPolicy] | Mapping[str, AnyPolicy]

_MOST_ROUNDS = 2**53  # up to which a sum counts every round
_TABLES = 4  # numbers that a trace keeps per replication and checkpoint


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Plan:
    """A race of policies in one environment under one seed."""

    policies: Mapping[str, AnyPolicy]
    environment: Environment
    marks: IntArray
    replications: int
    seed: int
    schedule: Schedule
    keep_states: bool

    @property
    def horizon(self) -> int:
        """Rounds to play."""
        return int(self.marks[-1])

    def tasks(self) -> list[Task]:
        """One per unit of replications, in their order."""
        return [
            Task(
                policies=self.policies,
                environment=self.environment,
                marks=self.marks,
                seed=self.seed,
                unit=unit,
                replications=size,
                schedule=self.schedule,
                keep_states=self.keep_states,
            )
            for unit, size in enumerate(cut(self.replications, self.environment))
        ]


def planned(
    policies: Policies,
    environment: Environment,
    *,
    horizon: int | None,
    replications: int,
    seed: int,
    schedule: Schedule | None,
    checkpoints: int | Sequence[int],
    keep_states: bool,
) -> Plan:
    """The plan; raises the error that names the argument which does not fit."""
    check_integer(replications, name="replications", least=1)
    check_integer(seed, name="seed", least=0)
    if not isinstance(environment, Environment):
        raise InvalidParameter(
            f"environment = {environment!r}, expected an instance of Environment, "
            "for example qbrix.environments.Bernoulli([0.9, 0.8]); "
            "several of them go to qbrix.sweep"
        )
    if schedule is not None and not isinstance(schedule, Schedule):
        raise InvalidParameter(
            f"schedule = {schedule!r}, expected a Schedule, for example qbrix.Schedule(delay=10)"
        )
    plan = Plan(
        policies=labelled(policies),
        environment=environment,
        marks=_checkpoints(checkpoints, horizon=_horizon(horizon, environment)),
        replications=int(replications),
        seed=int(seed),
        schedule=Schedule() if schedule is None else schedule,
        keep_states=keep_states,
    )
    for policy in plan.policies.values():
        check_pairing(policy, environment)
    _check_memory(plan)
    return plan


def labelled(policies: object) -> dict[str, AnyPolicy]:
    """Label → policy; raises `InvalidParameter` for what is no policy."""
    found: dict[str, AnyPolicy] = check_labelled(
        policies,
        of=Policy,
        name="policies",
        label=_label,
        example="[BetaTSPolicy(), KLUCBPolicy()]",
    )
    for label in found:
        if not isinstance(label, str):
            raise InvalidParameter(f"the label {label!r} of a policy is not a string")
    return found


def _label(policy: AnyPolicy) -> str:
    if not isinstance(policy, Policy):
        return repr(policy)
    name = type(policy).__name__.removesuffix("Policy")
    told = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in _chosen(policy).items()
    ]
    return f"{name}({', '.join(told)})" if told else name


def _chosen(policy: AnyPolicy) -> dict[str, Any]:
    """The hyper-parameters that make it what it is; what follows from the others is left out."""
    defaults = {spec.name: spec.default for spec in policy.parameter_specs() if not spec.required}
    found = {
        key: value
        for key, value in policy.parameters().items()
        if key not in defaults or value != defaults[key]
    }
    for key in [key for key in found if key in defaults]:
        others = {name: value for name, value in found.items() if name != key}
        with suppress(InvalidParameter):  # the others alone make no policy: it was chosen
            if type(policy)(**others) == policy:
                found = others
    return found


def _horizon(horizon: int | None, environment: Environment) -> int:
    if horizon is not None:
        check_integer(horizon, name="horizon", least=1)
        if horizon > _MOST_ROUNDS:
            raise InvalidParameter(f"horizon = {horizon}, expected at most {_MOST_ROUNDS:,} rounds")
        return int(horizon)
    if environment.length is None:
        raise InvalidParameter(
            f"horizon is missing: {type(environment).__name__} never ends; "
            "say how many rounds to play, for example horizon=1000"
        )
    return environment.length


def _checkpoints(checkpoints: int | Sequence[int], *, horizon: int) -> IntArray:
    if isinstance(checkpoints, int):
        return checkpoints_of(horizon, count=checkpoints)
    marks = np.asarray(checkpoints)
    if not marks.size:
        marks = marks.astype(np.int64)
    whole = marks.ndim == 1 and marks.dtype.kind in "iu"
    if not whole or not marks.size or marks[0] < 1 or marks[-1] > horizon:
        raise _not_increasing(checkpoints, horizon)
    if (np.diff(marks) <= 0).any():
        raise _not_increasing(checkpoints, horizon)
    return np.union1d(marks.astype(np.int64), [horizon])


def _not_increasing(checkpoints: object, horizon: int) -> InvalidParameter:
    return InvalidParameter(
        f"checkpoints = {checkpoints!r}, expected increasing rounds in 1 … {horizon}"
    )


def _check_memory(plan: Plan) -> None:
    """Refuse what cannot fit: better a sentence now than a killed process after an hour."""
    kept = plan.replications * len(plan.marks) * len(plan.policies) * _TABLES * 8
    size = min(plan.replications, unit_size(plan.environment))
    states = size * sum(_state_bytes(policy, plan.environment) for policy in plan.policies.values())
    if plan.keep_states:
        states = states // size * plan.replications
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if kept + states > there:
        raise InvalidParameter(
            f"replications = {plan.replications}: the traces of {len(plan.policies)} policies at "
            f"{len(plan.marks)} checkpoints take {kept:,} bytes and the states {states:,}, this "
            f"machine has {there:,}; choose fewer replications or checkpoints"
        )


def _state_bytes(policy: AnyPolicy, environment: Environment) -> int:
    dim = environment.dim if policy.capabilities.context else 0
    state = policy.init(n_arms=environment.n_arms, dim=dim)
    return sum(array.nbytes for _, array in arrays_of(state))
