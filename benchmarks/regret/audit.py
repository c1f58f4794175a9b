"""Is every policy of the catalogue in a scenario, or left out for a reason?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from benchmarks.regret.scenario import Scenario
from benchmarks.regret.scenarios import EXCLUDED, SCENARIOS
from qbrix.errors import QbrixError
from qbrix.policies import policies
from qbrix.simulator.player import check_pairing

__all__ = ["complaints"]


def complaints(
    names: Iterable[str] | None = None,
    *,
    scenarios: Mapping[str, Scenario] = SCENARIOS,
    excluded: Mapping[str, str] = EXCLUDED,
) -> list[str]:
    """What is missing, as sentences; by default for the whole catalogue."""
    known = {item.__name__ for item in policies} if names is None else set(names)
    played = {
        type(policy).__name__ for scenario in scenarios.values() for policy in scenario.policies
    }
    found = [
        f"{name} is in no scenario; add it to one in benchmarks/regret/scenarios/, or give a "
        "reason in EXCLUDED"
        for name in sorted(known - played - set(excluded))
    ]
    found += [f"{name} is excluded but plays" for name in sorted(played & set(excluded))]
    found += [f"{name} is excluded but not registered" for name in sorted(set(excluded) - known)]
    found += [f"{name} is excluded without a reason" for name, why in excluded.items() if not why]
    for scenario in scenarios.values():
        found += _misfits(scenario)
        missing = set(scenario.references) - set(scenario.labelled)
        found += [
            f"{scenario.id} has a reference for {name}, who does not play" for name in missing
        ]
    return found


def _misfits(scenario: Scenario) -> list[str]:
    """Who cannot play where he is listed."""
    found = []
    for label, policy in scenario.labelled.items():
        try:
            check_pairing(policy, scenario.environment)
        except QbrixError as error:
            found.append(f"{scenario.id}: {label} cannot play: {error}")
    return found
