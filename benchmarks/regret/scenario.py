"""What a scenario is, and what comes out when it is played."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from hashlib import sha256
from typing import Any, Literal

import numpy as np

from qbrix.environments import Environment
from qbrix.policies import Policy
from qbrix.simulator import Schedule, identify, simulate
from qbrix.simulator.plan import labelled
from qbrix.types import Array

__all__ = ["Measured", "Reference", "Scenario", "Size", "play"]

AnyPolicy = Policy[Any, Any]
Measure = Literal["regret", "mean_reward", "optimal_at_end", "rounds", "errors"]

_MEANINGS: Mapping[Measure, str] = {
    "regret": "pseudo-regret at the horizon",
    "mean_reward": "reward of a round",
    "optimal_at_end": "share of replications that choose a best arm in the last round",
    "rounds": "rounds until the policy stops",
    "errors": "share of wrong recommendations",
}


@dataclass(frozen=True, kw_only=True)
class Size:
    """Rounds and replications."""

    horizon: int
    replications: int


@dataclass(frozen=True)
class Reference:
    """A number from elsewhere: with its standard error, or a relative tolerance if printed."""

    value: float
    _: KW_ONLY
    error: float = 0.0
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Something to play that never changes under its id: what changes gets a new one.

    ``reference_replications`` is how often it is played to be held against ``references``.
    """

    id: str
    title: str
    environment: Environment
    policies: Sequence[AnyPolicy]
    full: Size
    quick: Size
    measure: Measure = "regret"
    confidence: float | None = None
    schedule: Schedule | None = None
    references: Mapping[str, Reference] = field(default_factory=dict)
    reference_replications: int = 1000

    @property
    def labelled(self) -> dict[str, AnyPolicy]:
        """Label → policy, as a race labels them."""
        return labelled(list(self.policies))

    @property
    def digest(self) -> str:
        """Twelve digits for all that its numbers depend on, but for the policies."""
        content = {
            "environment": self.environment.spec(),
            "measure": self.measure,
            "confidence": self.confidence,
            "schedule": None if self.schedule is None else self.schedule.parameters(),
            "horizons": [self.full.horizon, self.quick.horizon],
        }
        return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def meaning(self) -> str:
        """What is measured, in words."""
        return _MEANINGS[self.measure]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A mean over replications with its standard error."""

    mean: float
    error: float


def play(
    scenario: Scenario, size: Size, *, seed: int, only: Sequence[str] | None = None
) -> dict[str, Measured]:
    """Every policy (or those of the labels ``only``) in the scenario."""
    policies = scenario.labelled
    chosen = {label: policies[label] for label in (policies if only is None else only)}
    if scenario.measure in ("rounds", "errors"):
        found = identify(
            chosen,  # type: ignore[arg-type]
            scenario.environment,
            confidence=scenario.confidence,
            horizon=size.horizon,
            replications=size.replications,
            seed=seed,
            progress=False,
        )
        return {
            label: _measured(search.rounds if scenario.measure == "rounds" else ~search.right)
            for label, search in found.searches.items()
        }
    race = simulate(
        chosen,
        scenario.environment,
        horizon=size.horizon,
        replications=size.replications,
        seed=seed,
        schedule=scenario.schedule,
        checkpoints=[max(1, size.horizon - 1), size.horizon] if size.horizon > 1 else [1],
        progress=False,
    )
    values: dict[str, Array] = {}
    for label, trace in race.traces.items():
        if scenario.measure == "regret":
            values[label] = trace.regret[:, -1]
        elif scenario.measure == "mean_reward":
            values[label] = trace.reward[:, -1] / size.horizon
        else:
            values[label] = (trace.best[:, -1] - trace.best[:, -2]).astype(np.float64)
    return {label: _measured(numbers) for label, numbers in values.items()}


def _measured(values: Any) -> Measured:
    numbers = np.asarray(values, dtype=np.float64)
    error = numbers.std(ddof=1) / np.sqrt(numbers.size) if numbers.size > 1 else np.inf
    return Measured(mean=float(numbers.mean()), error=float(error))
