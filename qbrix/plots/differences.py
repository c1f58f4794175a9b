"""Who is told apart from whom: differences of final regret with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbrix.plots._frames import final_differences
from qbrix.plots._style import COLOURS, INK, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qbrix.simulator import SimulationResult

__all__ = ["draw_differences"]


def draw_differences(
    result: SimulationResult, *, baseline: str | None, ax: Axes | None, confidence: float
) -> Axes:
    """One bar per policy, the best on top; see `RacePlots.differences`."""
    table, reference = final_differences(result, baseline=baseline, confidence=confidence)
    with style():
        import matplotlib.pyplot as plt

        if ax is None:
            size = (7.0, 1.2 + 0.3 * len(table))
            ax = plt.subplots(figsize=size, layout="constrained")[1]
        places = np.arange(len(table))[::-1]
        ax.axvline(0.0, color=INK, linewidth=1.0)
        for separated, colour in ((True, COLOURS[0]), (False, INK)):
            part = (table["separated"] == separated).to_numpy()
            rows = table[part]
            wings = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
            ax.errorbar(
                rows["mean"],
                places[part],
                xerr=np.nan_to_num(wings, posinf=0.0),
                fmt="o",
                color=colour,
                markersize=5,
                linewidth=1.6,
                markerfacecolor=colour if separated else "none",
            )
        ax.set_yticks(places, [str(label) for label in table.index])
        ax.set_ylim(-0.6, len(table) - 0.4)
        ax.grid(visible=True, axis="x")
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.set_xlabel(f"regret beyond that of {reference}")
        ax.set_title(
            f"{100 * confidence:g} % intervals that hold together; filled: told apart from 0"
        )
    return ax
