"""Regret of policies under several conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qbrix.plots._costs import condition_costs
from qbrix.plots._style import COLOURS, INK, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qbrix.simulator import SimulationResult

__all__ = ["draw_conditions"]


def draw_conditions(results: Mapping[str, SimulationResult], *, confidence: float = 0.95) -> Figure:
    """One panel per policy: its regret under every condition, with intervals.

    A line marks the regret under the first condition; what lies to its right is the cost.

    Parameters
    ----------
    results : mapping of condition to SimulationResult
        Races of the same policies, of equal length, replications and seed.
    confidence : float in (0, 1), default 0.95
        Level of the intervals.
    """
    costs = condition_costs(results, confidence=confidence)
    panels = list(costs.groupby("policy", sort=False))
    with style():
        import matplotlib.pyplot as plt

        figure, grid = plt.subplots(
            1,
            len(panels),
            figsize=(1.6 + 1.9 * len(panels), 0.9 + 0.3 * len(results)),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for i, (ax, (policy, part)) in enumerate(zip(grid.flat, panels, strict=True)):
            _panel(ax, part, title=str(policy), colour=COLOURS[i % len(COLOURS)])
        grid[0, 0].set_yticks(range(len(results)), list(results))
        grid[0, 0].invert_yaxis()
        grid[0, 0].set_xlim(left=0)
        race = next(iter(results.values()))
        figure.supxlabel(
            f"regret after {race.horizon:,} rounds, {race.replications:,} replications, "
            f"{100 * confidence:g} % intervals",
            fontsize="medium",
        )
    return figure


def _panel(ax: Axes, part: pd.DataFrame, *, title: str, colour: str) -> None:
    places = range(len(part))
    ax.axvline(part["regret"].iloc[0], color=INK, linewidth=1.0, alpha=0.6)
    ax.hlines(places, part["low"], part["high"], color=colour, linewidth=2.2)
    ax.plot(part["regret"], places, "o", color=colour, markersize=5)
    ax.grid(visible=True, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_title(title)
