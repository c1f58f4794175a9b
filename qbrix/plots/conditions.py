"""Regret of policies under several conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

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

    A line marks the regret under the first condition. A number tells how much more it is under
    another one, where the interval of the paired difference does not contain 0.

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
        grid[0, 0].set_xlim(0, 1.3 * max(costs["regret"].max(), costs["high"].fillna(0).max()))
        race = next(iter(results.values()))
        figure.supxlabel(
            f"regret after {race.horizon:,} rounds, {race.replications:,} replications, "
            f"{100 * confidence:g} % intervals",
            fontsize="medium",
        )
    return figure


def _panel(ax: Axes, part: pd.DataFrame, *, title: str, colour: str) -> None:
    places = range(len(part))
    first = part["regret"].iloc[0]
    ax.axvline(first, color=INK, linewidth=1.0, alpha=0.6)
    ax.hlines(places, first, part["regret"], color=colour, linewidth=1.0, alpha=0.6)
    ax.hlines(places, part["low"], part["high"], color=colour, linewidth=5.0, alpha=0.35)
    ax.plot(part["regret"], places, "o", color=colour, markersize=4)
    sure = (part["extra_low"] > 0.0) | (part["extra_high"] < 0.0)
    for place in np.flatnonzero(sure):
        ax.annotate(
            f"{part['extra'].iloc[place]:+.0f}".replace("-", "−"),
            xy=(max(part["high"].iloc[place], first), float(place)),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
    ax.grid(visible=True, axis="y")
    ax.tick_params(axis="y", length=0)
    ax.set_title(title)
