"""What a simulation found: tables, pictures and where it came from."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments import Environment
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies import IdentificationPolicy, Policy
from qbrix.simulator._html import page
from qbrix.simulator.metrics import Trace
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.statistics import replications_needed
from qbrix.simulator.tables import comparison, shares, summarised, tidy
from qbrix.state import State, take
from qbrix.types import IntArray

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.plots import RacePlots

__all__ = ["SimulationResult"]

_SHOWN = (
    "regret",
    "regret_low",
    "regret_high",
    "extra_regret",
    "extra_regret_low",
    "extra_regret_high",
    "separated",
    "mean_reward",
    "best_arm_rate",
    "microseconds_per_decision",
)


def current_versions() -> dict[str, str]:
    """Of what makes the numbers."""
    import qbrix

    return {
        "qbrix": qbrix.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class SimulationResult:
    """A finished race; `qbrix.simulate` makes it.

    Attributes
    ----------
    policies : mapping of label to Policy
    environment : Environment
    horizon, replications : int
    seed : int, or several of them for races that were taken together
    schedule : Schedule
    checkpoints : IntArray, shape (C,)
        Rounds, counted from 1, at which the traces are known; the last one is the horizon.
    traces : mapping of label to Trace
    interrupted : bool
        Whether the race was stopped early; ``horizon`` then is the last checkpoint passed.
    states : mapping of label to State, optional
        Final states with leading axis R, when they were asked for.
    versions : mapping
        Of qbrix, NumPy and Python, with which it was run.
    """

    policies: Mapping[str, Policy[Any, Any]]
    environment: Environment
    horizon: int
    replications: int
    seed: int | tuple[int, ...]
    schedule: Schedule
    checkpoints: IntArray
    traces: Mapping[str, Trace]
    interrupted: bool = False
    states: Mapping[str, State] | None = None
    versions: Mapping[str, str] = field(default_factory=current_versions)

    def summary(self, *, confidence: float = 0.95, together: float | None = None) -> pd.DataFrame:
        """One row per policy, the least regret first.

        ``regret`` and ``mean_reward`` (a round) come with the ends ``_low`` and ``_high`` of their
        confidence intervals. ``extra_regret`` is what a policy gave away beyond the best one of
        this table, with an interval; these intervals hold for all policies at once, whichever of
        them turned out best. ``separated`` says whether it leaves 0 out, in the first row whether
        all of the others do. ``realised_regret`` counts rewards paid instead of their means.
        ``best_arm_rate``, ``microseconds_per_decision`` and ``state_bytes`` are means.

        Parameters
        ----------
        confidence : float in (0, 1), default 0.95
        together : float in (0, 1), optional
            With which the intervals of ``extra_regret`` hold at once; ``confidence`` by default.
        """
        return summarised(
            self.traces,
            horizon=self.horizon,
            confidence=confidence,
            together=confidence if together is None else together,
            seed=self.seeds[0],
        )

    def compare(self, baseline: str | None = None, *, confidence: float = 0.95) -> pd.DataFrame:
        """Regret of every policy minus that of ``baseline`` (the best one by default), in pairs.

        All policies met the same rounds, so that differences vary less than the regrets themselves.
        The intervals hold together: with the probability ``confidence`` all of them cover. Against
        a baseline that was named beforehand they are narrower than against the best one, which the
        same numbers have chosen.

        Returns
        -------
        DataFrame
            ``extra_regret`` with the ends ``_low`` and ``_high`` of its interval, ``p_value``
            (adjusted for the number of comparisons) and ``separated``, the least difference first.

        See Also
        --------
        qbrix.simulator.statistics.paired_differences : how the intervals are made.
        """
        return comparison(self.traces, baseline, confidence=confidence, seed=self.seeds[0])

    def replications_needed(
        self,
        first: str,
        second: str,
        *,
        confidence: float = 0.95,
        power: float = 0.9,
        difference: float | None = None,
    ) -> int:
        """How many replications tell two policies apart with probability ``power``.

        Taking the difference of their regrets to be ``difference``, or the one that was found here.
        """
        for label in (first, second):
            self._check_label(label)
        return replications_needed(
            self.traces[first].regret[:, -1],
            self.traces[second].regret[:, -1],
            confidence=confidence,
            power=power,
            difference=difference,
        )

    def arm_shares(self) -> pd.DataFrame:
        """Share of every arm (columns) among all choices of a policy (rows, least regret first)."""
        return shares(self.traces)

    def to_frame(self) -> pd.DataFrame:
        """Tidy form: a row per policy, replication and checkpoint, with sums from round 1."""
        return tidy(self.traces, self.checkpoints)

    def state(self, label: str, *, replication: int = 0) -> State:
        """The final state of one replication, fit for `qbrix.export`."""
        if self.states is None:
            raise InvalidParameter("the final states were not kept; simulate with keep_states=True")
        self._check_label(label)
        check_integer(replication, name="replication", least=0)
        if replication >= self.replications:
            raise InvalidParameter(
                f"replication = {replication}, the race has {self.replications}, counted from 0"
            )
        return take(self.states[label], replication)

    def recommended(self, label: str) -> IntArray:
        """The arm that a policy recommends after each replication, shape (R,), kept states given.

        For policies that are made to find the best arm; of those that tie it is the first.
        """
        self._check_label(label)
        policy = self.policies[label]
        if not isinstance(policy, IdentificationPolicy):
            raise InvalidParameter(
                f"{label} recommends no arm; expected an IdentificationPolicy, for example "
                "TrackAndStopPolicy()"
            )
        if self.states is None:
            raise InvalidParameter("the final states were not kept; simulate with keep_states=True")
        return policy.recommend(self.states[label])

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed, or all of them."""
        return self.seed if isinstance(self.seed, tuple) else (self.seed,)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one file, for `qbrix.simulator.load_result`."""
        from qbrix.simulator.saving import save_result

        save_result(self, path)

    @property
    def plot(self) -> RacePlots:
        """Pictures: ``result.plot.regret()`` and ``result.plot.arms()``; needs matplotlib."""
        from qbrix.plots import RacePlots

        return RacePlots(self)

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything needed to run this race again, and what came out; fit for JSON."""
        table = self.summary().drop(columns="microseconds_per_decision").astype(object)
        return {
            "format": 1,
            "environment": self.environment.spec(),
            "horizon": self.horizon,
            "replications": self.replications,
            "seed": self.seed if isinstance(self.seed, int) else list(self.seed),
            "schedule": self.schedule.parameters(),
            "interrupted": self.interrupted,
            "policies": {
                label: {"id": policy.identifier(), "parameters": policy.parameters()}
                for label, policy in self.policies.items()
            },
            "versions": dict(self.versions),
            "summary": {
                str(label): {str(key): _number(value) for key, value in row.items()}
                for label, row in table.iterrows()
            },
        }

    def __repr__(self) -> str:
        table = self.summary()[list(_SHOWN)].to_string(float_format="{:.4g}".format)
        return f"<SimulationResult: {self.title}>\n{table}"

    def _repr_html_(self) -> str:
        return page(self.summary(), title=self.title)

    def _check_label(self, label: str) -> None:
        if label not in self.traces:
            raise UnknownName("policy label", label, known=self.traces)

    @property
    def title(self) -> str:
        """Environment and sizes in a line."""
        early = " (interrupted)" if self.interrupted else ""
        several = ", ".join(map(str, self.seeds))
        seeds = f"seed {several}" if len(self.seeds) == 1 else f"seeds {several}"
        late = "" if self.schedule.immediate else f", {self.schedule!r}"
        return (
            f"{self.environment!r}, {self.horizon:,} rounds{early} × "
            f"{self.replications:,} replications, {seeds}{late}"
        )


def _number(value: Any) -> float | bool | None:
    if isinstance(value, bool):
        return value
    return float(value) if math.isfinite(value) else None
