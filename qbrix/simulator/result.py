"""What a simulation found: tables, pictures and where it came from."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.environments import Environment
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies import Policy
from qbrix.simulator._html import page
from qbrix.simulator.metrics import Trace, interval
from qbrix.simulator.schedule import Schedule
from qbrix.state import State, take
from qbrix.types import IntArray

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.plots import RacePlots

__all__ = ["SimulationResult"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class SimulationResult:
    """A finished race; `qbrix.simulate` makes it.

    Attributes
    ----------
    policies : mapping of label to Policy
    environment : Environment
    horizon, replications, seed : int
    schedule : Schedule
    checkpoints : IntArray, shape (C,)
        Rounds, counted from 1, at which the traces are known; the last one is the horizon.
    traces : mapping of label to Trace
    interrupted : bool
        Whether the race was stopped early; ``horizon`` then is the last checkpoint passed.
    states : mapping of label to State, optional
        Final states with leading axis R, when they were asked for.
    """

    policies: Mapping[str, Policy[Any, Any]]
    environment: Environment
    horizon: int
    replications: int
    seed: int
    schedule: Schedule
    checkpoints: IntArray
    traces: Mapping[str, Trace]
    interrupted: bool = False
    states: Mapping[str, State] | None = None

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """One row per policy, the least regret first.

        Columns: ``regret`` and ``mean_reward`` (a round) with the ends ``_low`` and ``_high`` of
        their confidence intervals, ``best_arm_rate`` and ``microseconds_per_decision``.
        """
        import pandas as pd

        rows = {}
        for label, trace in self.traces.items():
            regret = interval(trace.regret[:, -1], confidence=confidence)
            reward = interval(trace.reward[:, -1] / self.horizon, confidence=confidence)
            rows[label] = {
                **_ends("regret", regret),
                **_ends("mean_reward", reward),
                "best_arm_rate": trace.best[:, -1].mean() / self.horizon,
                "microseconds_per_decision": 1e6 * trace.seconds_per_decision,
            }
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("policy")
        return table.sort_values("regret", kind="stable")

    def compare(self, baseline: str | None = None, *, confidence: float = 0.95) -> pd.DataFrame:
        """Regret of every policy minus that of ``baseline`` (the best one by default), in pairs.

        All policies met the same rounds, so that the intervals of differences are narrower than
        those of the regrets themselves. An interval without 0 tells two policies apart.
        """
        import pandas as pd

        final = {label: trace.regret[:, -1] for label, trace in self.traces.items()}
        reference = (
            min(final, key=lambda label: final[label].mean()) if baseline is None else baseline
        )
        if reference not in final:
            raise UnknownName("policy label", reference, known=final)
        rows = {
            label: _ends("extra_regret", interval(regret - final[reference], confidence=confidence))
            for label, regret in final.items()
            if label != reference
        }
        columns = ["extra_regret", "extra_regret_low", "extra_regret_high"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.rename_axis(f"policy, against {reference}").sort_values("extra_regret")

    def to_frame(self) -> pd.DataFrame:
        """Tidy form: a row per policy, replication and checkpoint, with sums from round 1."""
        import pandas as pd

        rounds = np.tile(self.checkpoints, self.replications)
        numbers = np.repeat(np.arange(self.replications), len(self.checkpoints))
        parts = [
            pd.DataFrame(
                {
                    "policy": label,
                    "replication": numbers,
                    "round": rounds,
                    "regret": trace.regret.ravel(),
                    "reward": trace.reward.ravel(),
                    "best_arm_rate": (trace.best / self.checkpoints).ravel(),
                }
            )
            for label, trace in self.traces.items()
        ]
        return pd.concat(parts, ignore_index=True)

    def state(self, label: str, *, replication: int = 0) -> State:
        """The final state of one replication, fit for `qbrix.export`."""
        if self.states is None:
            raise InvalidParameter("the final states were not kept; simulate with keep_states=True")
        if label not in self.states:
            raise UnknownName("policy label", label, known=self.states)
        return take(self.states[label], replication)

    @property
    def plot(self) -> RacePlots:
        """Pictures: ``result.plot.regret()`` and ``result.plot.arms()``; needs matplotlib."""
        from qbrix.plots import RacePlots

        return RacePlots(self)

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything needed to run this race again, and what came out; fit for JSON."""
        table = self.summary().drop(columns="microseconds_per_decision")
        return {
            "format": 1,
            "environment": self.environment.spec(),
            "horizon": self.horizon,
            "replications": self.replications,
            "seed": self.seed,
            "schedule": self.schedule.parameters(),
            "interrupted": self.interrupted,
            "policies": {
                label: {"id": policy.identifier(), "parameters": policy.parameters()}
                for label, policy in self.policies.items()
            },
            "versions": _versions(),
            "summary": {
                str(label): {str(key): _number(value) for key, value in row.items()}
                for label, row in table.iterrows()
            },
        }

    def __repr__(self) -> str:
        return f"<SimulationResult: {self._title()}>\n{self.summary().to_string()}"

    def _repr_html_(self) -> str:
        return page(self.summary(), title=self._title())

    def _title(self) -> str:
        early = " (interrupted)" if self.interrupted else ""
        late = "" if self.schedule.immediate else f", {self.schedule!r}"
        return (
            f"{self.environment!r}, {self.horizon:,} rounds{early} × "
            f"{self.replications:,} replications, seed {self.seed}{late}"
        )


def _ends(name: str, bounds: tuple[Any, Any, Any]) -> dict[str, float]:
    mean, low, high = bounds
    return {name: float(mean), f"{name}_low": float(low), f"{name}_high": float(high)}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _versions() -> dict[str, str]:
    import qbrix

    return {
        "qbrix": qbrix.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
