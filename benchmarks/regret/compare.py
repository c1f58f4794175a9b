"""Two files of results side by side: which numbers moved by more than chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.regret.files import measured_of
from benchmarks.regret.scenario import Measured

__all__ = ["Comparison", "Difference", "compared"]

# What two equal means may differ by through rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One policy in one scenario, twice."""

    scenario: str
    label: str
    first: Measured
    second: Measured
    units: float
    p_value: float
    significant: bool = False


@dataclass(frozen=True)
class Comparison:
    """All policies that both files have, the largest difference first, and what fits no pair."""

    differences: list[Difference]
    alone: list[str]
    incomparable: list[str]

    @property
    def significant(self) -> list[Difference]:
        """What moved."""
        return [item for item in self.differences if item.significant]


def compared(
    first: Mapping[str, Any], second: Mapping[str, Any], *, level: float = 1e-3
) -> Comparison:
    """Differences in combined standard errors, with Holm's control over all of them.

    Two runs of the same code with different seeds show a significant difference with a probability
    of at most ``level``, as far as means over replications are normal.
    """
    alone: list[str] = []
    incomparable: list[str] = []
    found: list[Difference] = []
    parts, others = first["scenarios"], second["scenarios"]
    for scenario in sorted({*parts, *others}):
        if scenario not in parts or scenario not in others:
            alone.append(scenario)
            continue
        part, other = parts[scenario], others[scenario]
        reasons = _reasons(part, other)
        if reasons:
            incomparable.append(f"{scenario}: {', '.join(reasons)}")
            continue
        found += _paired(scenario, part, other, alone=alone, incomparable=incomparable)
    found.sort(key=lambda item: item.p_value)
    for rank, item in enumerate(found):
        if item.p_value * (len(found) - rank) > level:
            break
        found[rank] = replace(item, significant=True)
    return Comparison(found, alone, incomparable)


def _reasons(part: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What makes two parts of one id different things."""
    keys = ("environment", "measure", "confidence", "schedule", "horizon")
    return [f"another {key}" for key in keys if part[key] != other[key]]


def _paired(
    scenario: str,
    part: Mapping[str, Any],
    other: Mapping[str, Any],
    *,
    alone: list[str],
    incomparable: list[str],
) -> list[Difference]:
    found = []
    ours, theirs = measured_of(part), measured_of(other)
    for label in sorted({*ours, *theirs}):
        name = f"{scenario} · {label}"
        if label not in ours or label not in theirs:
            alone.append(name)
            continue
        one, two = part["policies"][label], other["policies"][label]
        if one["id"] != two["id"]:
            incomparable.append(f"{name}: {one['id']} became {two['id']}")
            continue
        units, p_value = _test(
            ours[label],
            theirs[label],
            sizes=(part["replications"], other["replications"]),
        )
        found.append(
            Difference(
                scenario=scenario,
                label=label,
                first=ours[label],
                second=theirs[label],
                units=units,
                p_value=p_value,
            )
        )
    return found


def _test(first: Measured, second: Measured, *, sizes: tuple[int, int]) -> tuple[float, float]:
    """Difference in combined standard errors, and its p-value by Welch's test."""
    from scipy.special import stdtr

    gap = second.mean - first.mean
    if abs(gap) <= _ROUNDING * (1.0 + abs(first.mean)):
        return 0.0, 1.0
    error = float(np.hypot(first.error, second.error))
    if error == 0.0:
        return float(np.copysign(np.inf, gap)), 0.0
    if not np.isfinite(error):
        return 0.0, 1.0
    shares = np.array([first.error, second.error]) ** 4 / (np.array(sizes) - 1.0)
    freedom = error**4 / shares.sum()
    return gap / error, float(2.0 * stdtr(freedom, -abs(gap / error)))
