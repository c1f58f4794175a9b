"""`tune`: successive halving over hyper-parameters, and an honest report of what it found."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from html import escape
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from qbrix.checks import check_integer
from qbrix.environments import Environment
from qbrix.policies import Policy
from qbrix.rng import stream
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.run import simulate
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.space import Space, candidates_of
from qbrix.simulator.statistics import interval
from qbrix.types import Array

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TuningResult", "tune"]

AnyPolicy = Policy[Any, Any]

_KEPT = 3  # one in three goes on, with three times the replications


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class TuningResult:
    """What a search found and what it is worth; `qbrix.tune` makes it.

    Attributes
    ----------
    best : Policy
        The candidate with the least regret among those that came furthest.
    default : Policy, optional
        With the hyper-parameters of its class; None where some of them have no default.
    searched : mapping of label to Array, shape (r,)
        Final regrets of every candidate in the search, more of them the further it came. The best
        one's are low by selection: it was chosen for them.
    candidates : mapping of label to Policy
    report : SimulationResult
        A race of ``"tuned"`` and ``"default"`` under seeds that the search has not seen.
    """

    best: AnyPolicy
    default: AnyPolicy | None
    searched: Mapping[str, Array]
    candidates: Mapping[str, AnyPolicy]
    report: SimulationResult

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """Regret of the best candidate as the search saw it and under fresh seeds.

        Then that of the default, and what tuning changed: a difference in pairs. Only rows under
        fresh seeds are estimates without bias; the first one shows what selection made of it.
        """
        import pandas as pd

        seen = self.searched[self._label]
        rows = {"tuned, in the search": (len(seen), *interval(seen, confidence=confidence))}
        final = {label: trace.regret[:, -1] for label, trace in self.report.traces.items()}
        for label, values in final.items():
            found = interval(values, confidence=confidence)
            rows[f"{label}, fresh seeds"] = (len(values), *found)
        if len(final) == 2:
            apart = final["tuned"] - final["default"]
            rows["tuned − default, fresh seeds"] = (
                len(apart),
                *interval(apart, confidence=confidence),
            )
        columns = ["replications", "regret", "regret_low", "regret_high"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        return table.astype({"replications": int, **dict.fromkeys(columns[1:], float)})

    def to_frame(self) -> pd.DataFrame:
        """A row per candidate: its hyper-parameters, its replications and mean regret; best first.

        Candidates that went equally far met the same rounds. Those that came further come first.
        """
        import pandas as pd

        rows = [
            {
                **self.candidates[label].parameters(),
                "replications": len(values),
                "regret": values.mean(),
            }
            for label, values in self.searched.items()
        ]
        table = pd.DataFrame(rows, index=pd.Index(list(self.searched), name="candidate"))
        return table.sort_values(["replications", "regret"], ascending=[False, True], kind="stable")

    @property
    def provenance(self) -> dict[str, Any]:
        """The candidates, how they did in the search, and the report; fit for JSON."""
        return {
            "format": 1,
            "policy": self.best.identifier(),
            "candidates": [
                {
                    "parameters": self.candidates[label].parameters(),
                    "replications": len(values),
                    "regret": float(values.mean()),
                }
                for label, values in self.searched.items()
            ],
            "best": self.best.parameters(),
            "report": self.report.provenance,
        }

    def __repr__(self) -> str:
        table = self.summary().to_string(float_format="{:.4g}".format)
        return f"<TuningResult: {self._title}>\n{table}"

    def _repr_html_(self) -> str:
        table: str = self.summary().to_html(float_format="{:,.3f}".format, border=0)
        return f'<div><div style="opacity:.7">{escape(self._title)}</div>{table}</div>'

    @property
    def _label(self) -> str:
        return next(label for label, policy in self.candidates.items() if policy is self.best)

    @property
    def _title(self) -> str:
        return f"{self.best!r}, best of {len(self.candidates)} in {self.report.environment!r}"


def tune(  # noqa: PLR0913 (as `simulate`)
    family: type[AnyPolicy],
    space: Space,
    environment: Environment,
    *,
    horizon: int | None = None,
    candidates: int = 27,
    replications: int = 20,
    report_replications: int = 200,
    seed: int = 0,
    schedule: Schedule | None = None,
    executor: Executor | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> TuningResult:
    """Search hyper-parameters by successive halving and tell what they are worth.

    All candidates play ``replications`` of the same rounds. The third with the least mean regret
    goes on to three times as many, and so forth until one is left. What the search says of that one
    is too good: it was chosen for it. So the winner and the default play once more, under seeds
    that the search has not seen.

    Parameters
    ----------
    family : class of policies
    space : mapping of hyper-parameter to values
        A list of values, or ``(low, high, "log")`` or ``(low, high, "linear")``. What it does not
        name keeps its default.
    environment : Environment
    horizon : int >= 1, optional
        T; the environment's length by default.
    candidates : int >= 2, default 27
        How many points of the space are tried: all combinations of lists where there are no more,
        else a Latin hypercube.
    replications : int >= 1, default 20
        Of the first rung.
    report_replications : int >= 1, default 200
        Of the race under fresh seeds.
    seed : int >= 0, default 0
    schedule, executor, folder, progress
        As in `simulate`.

    Returns
    -------
    TuningResult

    Examples
    --------
    >>> import qbrix
    >>> from qbrix.environments import Bernoulli
    >>> found = qbrix.tune(
    ...     qbrix.get("epsilon"), {"eps": [0.01, 0.1, 0.9], "gamma": [1.0]},
    ...     Bernoulli([0.9, 0.5]), horizon=200, report_replications=100,
    ... )
    >>> found.best.eps < 0.9, found.report.seed == 0
    (True, False)

    References
    ----------
    K. Jamieson and A. Talwalkar (2016), Non-stochastic Best Arm Identification and Hyperparameter
    Optimization, algorithm 1. Here a candidate's resource are replications, not rounds: regret at
    an early round says little about that at the horizon.
    """
    check_integer(candidates, name="candidates", least=2)
    check_integer(replications, name="replications", least=1)
    check_integer(report_replications, name="report_replications", least=1)
    check_integer(seed, name="seed", least=0)
    tried = candidates_of(family, space, count=candidates, rng=stream(seed, "tune", "candidates"))

    course = _Course(
        environment=environment,
        horizon=horizon,
        seed=seed,
        schedule=schedule,
        executor=executor,
        folder=folder,
        progress=progress,
    )
    winner, searched = _halved(tried, course, replications=replications)
    best, default = tried[winner], _default(family)
    racers = {"tuned": best} if default is None else {"tuned": best, "default": default}
    return TuningResult(
        best=best,
        default=default,
        searched=searched,
        candidates=tried,
        report=course.race(racers, replications=report_replications, name="report"),
    )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Course:
    """Where candidates race and how: what `simulate` is given each time."""

    environment: Environment
    horizon: int | None
    seed: int
    schedule: Schedule | None
    executor: Executor | None
    folder: str | os.PathLike[str] | None
    progress: bool

    def race(
        self,
        policies: Mapping[str, AnyPolicy],
        *,
        replications: int,
        name: str | int,
        checkpoints: int = 100,
    ) -> SimulationResult:
        """A race under a seed that belongs to its name."""
        found = simulate(
            policies,
            self.environment,
            horizon=self.horizon,
            replications=replications,
            seed=int(stream(self.seed, "tune", name).integers(2**62)),
            schedule=self.schedule,
            checkpoints=checkpoints,
            executor=self.executor,
            folder=self.folder,
            progress=self.progress,
        )
        if found.interrupted:
            raise KeyboardInterrupt
        return found


def _halved(
    tried: Mapping[str, AnyPolicy], course: _Course, *, replications: int
) -> tuple[str, dict[str, Array]]:
    """The label of who is left, and the final regrets of all."""
    searched: dict[str, Array] = {label: np.empty(0) for label in tried}
    left, rung, size = list(tried), 0, replications
    while rung == 0 or len(left) > 1:
        racers = {label: tried[label] for label in left}
        traces = course.race(racers, replications=size, name=rung, checkpoints=2).traces
        for label in left:
            searched[label] = np.append(searched[label], traces[label].regret[:, -1])
        left.sort(key=lambda label: float(searched[label].mean()))
        left = left[: ceil(len(left) / _KEPT)]
        size = (_KEPT - 1) * replications * _KEPT**rung
        rung += 1
    return left[0], searched


def _default(family: type[AnyPolicy]) -> AnyPolicy | None:
    if any(spec.required for spec in family.parameter_specs()):
        return None
    return family()
