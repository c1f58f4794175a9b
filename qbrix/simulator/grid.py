"""`sweep`: the same race in several environments, under several seeds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from qbrix.checks import check_integer, check_labelled
from qbrix.environments import Environment
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.simulator._html import page
from qbrix.simulator.metrics import joined
from qbrix.simulator.plan import Plan, Policies, planned
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.run import assembled
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.shelf import shelf_in
from qbrix.simulator.spread import perform
from qbrix.simulator.statistics import check_probability

if TYPE_CHECKING:
    import pandas as pd

    from qbrix.plots import GridPlots

__all__ = ["GridResult", "sweep"]

Environments: TypeAlias = Environment | Sequence[Environment] | Mapping[str, Environment]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, repr=False)
class GridResult:
    """Finished races of the same policies; `qbrix.sweep` makes it.

    Attributes
    ----------
    races : mapping of (environment's label, seed) to SimulationResult
    interrupted : bool
        Whether races are missing or cover less than was asked for.
    """

    races: Mapping[tuple[str, int], SimulationResult]
    interrupted: bool = False

    @property
    def environments(self) -> list[str]:
        """Labels of the environments, in the order in which they were given."""
        return list(dict.fromkeys(label for label, _ in self.races))

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the order in which they were given."""
        return list(dict.fromkeys(seed for _, seed in self.races))

    def race(self, environment: str, *, seed: int | None = None) -> SimulationResult:
        """One race; without a seed those of all seeds as one, with so many more replications."""
        if environment not in self.environments:
            raise UnknownName("environment label", environment, known=self.environments)
        found = [race for (label, _), race in self.races.items() if label == environment]
        if seed is None:
            return _pooled(found)
        if (environment, seed) not in self.races:
            raise UnknownName("seed", str(seed), known=map(str, self.seeds))
        return self.races[environment, seed]

    def summary(self, *, confidence: float = 0.95) -> pd.DataFrame:
        """The summaries of all environments under each other, their seeds taken together.

        Indexed by environment and policy. The intervals of ``extra_regret`` hold for the whole
        table at once.
        """
        together = self._share(confidence)
        return self._stacked(lambda race: race.summary(confidence=confidence, together=together))

    def compare(self, baseline: str | None = None, *, confidence: float = 0.95) -> pd.DataFrame:
        """Differences to ``baseline``, in each environment to the best one there by default.

        Indexed by environment and policy. The intervals hold for the whole table at once: each of
        E environments has its share of the risk.
        """
        together = self._share(confidence)
        return self._stacked(
            lambda race: race.compare(baseline, confidence=together).rename_axis("policy")
        )

    def to_frame(self) -> pd.DataFrame:
        """Tidy form: a row per environment, seed, policy, replication and checkpoint."""
        import pandas as pd

        parts = []
        for (label, seed), race in self.races.items():
            frame = race.to_frame()
            frame.insert(0, "environment", label)
            frame.insert(1, "seed", seed)
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    @property
    def plot(self) -> GridPlots:
        """Pictures: ``grid.plot.regret()``; needs matplotlib."""
        from qbrix.plots import GridPlots

        return GridPlots(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all races to one file, for `qbrix.simulator.load_sweep`."""
        from qbrix.simulator.saving import save_sweep

        save_sweep(self, path)

    @property
    def provenance(self) -> dict[str, Any]:
        """Everything needed to run all of it again, and what came out; fit for JSON."""
        return {
            "format": 1,
            "interrupted": self.interrupted,
            "races": [
                {"label": label, **race.provenance} for (label, _), race in self.races.items()
            ],
        }

    def __repr__(self) -> str:
        columns = ["regret", "extra_regret", "extra_regret_low", "extra_regret_high", "separated"]
        table = self.summary()[columns].to_string(float_format="{:.4g}".format)
        return f"<GridResult: {self._title()}>\n{table}"

    def _repr_html_(self) -> str:
        races = {label: self.race(label) for label in self.environments}
        together = self._share(0.95)
        return "".join(
            page(race.summary(together=together), title=f"{label}: {race.title}")
            for label, race in races.items()
        )

    def _share(self, confidence: float) -> float:
        """Confidence of each environment's table, so that all of them hold at once."""
        check_probability(confidence, name="confidence")
        return 1.0 - (1.0 - confidence) / len(self.environments)

    def _title(self) -> str:
        return f"{len(self.environments)} environments × {len(self.seeds)} seeds"

    def _stacked(self, table: Callable[[SimulationResult], pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        tables = {label: table(self.race(label)) for label in self.environments}
        return pd.concat(tables, names=["environment"])


def sweep(
    policies: Policies,
    environments: Environments,
    *,
    seeds: int | Sequence[int] = 0,
    horizon: int | None = None,
    replications: int = 100,
    schedule: Schedule | None = None,
    checkpoints: int | Sequence[int] = 100,
    executor: Executor | None = None,
    folder: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> GridResult:
    """Race policies in every environment, under every seed.

    Each of the races is the one that `simulate` runs, to the bit, wherever and in whichever order
    they are played.

    Parameters
    ----------
    policies : Policy, sequence of policies, or mapping of label to policy
    environments : Environment, sequence of environments, or mapping of label to environment
        In a sequence the label is how the environment shows itself.
    seeds : int or sequence of int, default 0
        Races of several seeds are independent: together they are one race of so many more
        replications.
    horizon, replications, schedule, checkpoints, executor, folder, progress
        As in `simulate`.

    Returns
    -------
    GridResult
        After an interrupt (Ctrl-C) it covers what was finished, and says so.

    Examples
    --------
    >>> import qbrix
    >>> from qbrix.environments import Bernoulli
    >>> places = {"easy": Bernoulli([0.9, 0.1]), "hard": Bernoulli([0.5, 0.45])}
    >>> race = [qbrix.get("random")(), qbrix.get("beta_ts")()]
    >>> grid = qbrix.sweep(race, places, seeds=range(2), horizon=100, replications=20)
    >>> grid.environments, grid.seeds, grid.race("easy").replications
    (['easy', 'hard'], [0, 1], 40)
    """
    plans = {
        (label, seed): planned(
            policies,
            environment,
            horizon=horizon,
            replications=replications,
            seed=seed,
            schedule=schedule,
            checkpoints=checkpoints,
            keep_states=False,
        )
        for label, environment in _places(environments).items()
        for seed in _seeds(seeds)
    }
    races = _played(plans, executor=executor, folder=folder, progress=progress)
    if not races:
        raise KeyboardInterrupt
    interrupted = len(races) < len(plans) or any(race.interrupted for race in races.values())
    if interrupted:
        whole = sum(not race.interrupted for race in races.values())
        warnings.warn(
            f"interrupted; {whole} of {len(plans)} races are finished", RuntimeWarning, stacklevel=2
        )
    return GridResult(races=races, interrupted=interrupted)


def _played(
    plans: Mapping[tuple[str, int], Plan],
    *,
    executor: Executor | None,
    folder: str | os.PathLike[str] | None,
    progress: bool,
) -> dict[tuple[str, int], SimulationResult]:
    tasks = {key: plan.tasks() for key, plan in plans.items()}
    pieces = iter(
        perform(
            [task for some in tasks.values() for task in some],
            executor=executor,
            shelf=shelf_in(folder),
            progress=progress,
        )
    )
    found = {
        key: assembled(plan, [next(pieces) for _ in tasks[key]]) for key, plan in plans.items()
    }
    return {key: race for key, race in found.items() if race is not None}


def _places(environments: object) -> dict[str, Environment]:
    return check_labelled(
        environments,
        of=Environment,
        name="environments",
        label=repr,
        example="[Bernoulli([0.9, 0.8]), Bernoulli([0.5, 0.4])]",
    )


def _seeds(seeds: object) -> list[int]:
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        check_integer(seeds, name="seeds", least=0)
        return [seeds]  # type: ignore[list-item]
    for seed in seeds:
        check_integer(seed, name="seeds", least=0)
    if not seeds or len(set(seeds)) < len(seeds):
        raise InvalidParameter(f"seeds = {seeds!r}, expected different integers >= 0")
    return list(seeds)


def _pooled(races: Sequence[SimulationResult]) -> SimulationResult:
    """Races of several seeds as one, up to the horizon that all of them reached."""
    first = min(races, key=lambda race: race.horizon)
    if len(races) == 1:
        return first
    reached = len(first.checkpoints)
    return replace(
        first,
        replications=sum(race.replications for race in races),
        seed=tuple(seed for race in races for seed in race.seeds),
        interrupted=any(race.interrupted for race in races),
        traces={
            label: joined([race.traces[label].until(reached) for race in races])
            for label in first.traces
        },
        states=None,
    )
