"""Our numbers beside those that were published or measured elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.regret.files import measured_of
from benchmarks.regret.scenario import Measured, Reference
from benchmarks.regret.scenarios import SCENARIOS
from benchmarks.results import markdown_table

__all__ = ["Held", "held", "table"]

_ERRORS = 4.0


@dataclass(frozen=True, kw_only=True)
class Held:
    """One number, twice."""

    scenario: str
    label: str
    ours: Measured
    theirs: Reference

    @property
    def units(self) -> float:
        """The difference in combined standard errors."""
        error = np.hypot(self.ours.error, self.theirs.error)
        return float((self.ours.mean - self.theirs.value) / error)

    @property
    def good(self) -> bool:
        """Within 4 of them, or within the tolerance of a printed number."""
        apart = abs(self.ours.mean - self.theirs.value)
        return abs(self.units) <= _ERRORS or apart <= self.theirs.tolerance * self.theirs.value

    def __str__(self) -> str:
        name = f"{self.scenario} · {self.label}"
        return (
            f"{name:<62} {self.ours.mean:>12.4f} {self.theirs.value:>12.4f}  "
            f"{self.units:+.2f}{'' if self.good else '  WRONG'}"
        )


def held(parts: Mapping[str, Any]) -> list[Held]:
    """Everything in these parts of a file that has a reference."""
    return [
        Held(scenario=name, label=label, ours=found, theirs=SCENARIOS[name].references[label])
        for name, part in parts.items()
        for label, found in measured_of(part).items()
        if label in SCENARIOS[name].references
    ]


def table(found: list[Held], parts: Mapping[str, Any]) -> str:
    """For RESULTS.md."""
    rows = [
        [
            f"{item.scenario}: {item.label}",
            str(parts[item.scenario]["replications"]),
            f"{item.ours.mean:.4g} ± {item.ours.error:.2g}",
            f"{item.theirs.value:.4g}"
            + (f" ± {item.theirs.error:.2g}" if item.theirs.error else ""),
            f"{item.units:+.1f}",
        ]
        for item in found
    ]
    header = ["scenario and policy", "replications", "ours", "theirs", "standard errors apart"]
    meanings = "; ".join(f"{name}: {SCENARIOS[name].meaning}" for name in parts)
    return f"{markdown_table(header, rows)}\n\n{meanings}."
