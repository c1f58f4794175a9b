"""How the states in a motor's memory do, for whoever watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serving.motor.cache import StateCache
from serving.telemetry import MotorMetrics
from serving.telemetry.meters import Reading

__all__ = ["facts_of", "show_states"]

_SHOWN = 100  # experiments with a line of their own


def facts_of(states: StateCache) -> dict[str, Any]:
    """Their number; how long ago the youngest and the oldest were known to be the latest."""
    ages_s = states.ages_s()
    youngest_s, oldest_s = (None, None) if ages_s is None else (round(age, 3) for age in ages_s)
    return {"known": len(states), "youngest_s": youngest_s, "oldest_s": oldest_s}


def show_states(states: StateCache, metrics: MotorMetrics) -> None:
    """Read them at every look at the metrics; experiments by name, but not all of many."""

    def versions() -> Iterator[Reading]:
        return (((name,), float(one.version)) for name, one in states.latest(_SHOWN))

    def ages() -> Iterator[Reading]:
        return (((name,), states.age_ms(one) / 1000) for name, one in states.latest(_SHOWN))

    metrics.watch("qbrix_motor_states", "states in memory", lambda: float(len(states)))
    metrics.watch_each(
        "qbrix_motor_state_version",
        "version that decides; of the experiments looked up last",
        versions,
        "experiment",
        private=True,
    )
    metrics.watch_each(
        "qbrix_motor_state_age_seconds",
        "time since it was known to be the latest",
        ages,
        "experiment",
        private=True,
    )
