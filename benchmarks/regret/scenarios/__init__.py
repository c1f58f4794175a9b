"""The scenarios. An id stands for what it says for ever: change one, and it gets a new id.

Further policies are no change: every label has random numbers of its own, nobody else's move.
"""

from __future__ import annotations

from benchmarks.regret.scenario import Scenario
from benchmarks.regret.scenarios.adversarial import ADVERSARIAL
from benchmarks.regret.scenarios.best_arm import BEST_ARM
from benchmarks.regret.scenarios.contextual import CONTEXTUAL
from benchmarks.regret.scenarios.non_stationary import NON_STATIONARY
from benchmarks.regret.scenarios.production import PRODUCTION
from benchmarks.regret.scenarios.stochastic import STOCHASTIC

__all__ = ["EXCLUDED", "SCENARIOS"]

EXCLUDED: dict[str, str] = {}
"""Registered policies that stand in no scenario → why."""

SCENARIOS: dict[str, Scenario] = {
    scenario.id: scenario
    for scenario in (
        *STOCHASTIC,
        *NON_STATIONARY,
        *ADVERSARIAL,
        *CONTEXTUAL,
        *BEST_ARM,
        *PRODUCTION,
    )
}
