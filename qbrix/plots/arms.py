"""Shares of the arms by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qbrix.plots._frames import arm_shares
from qbrix.plots._style import COLOURS, INK, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qbrix.simulator import SimulationResult

__all__ = ["draw_arms"]


def draw_arms(result: SimulationResult, *, log: bool) -> Figure:
    """One panel of stacked shares per policy, by final regret; see `RacePlots.arms`."""
    frames = arm_shares(result)
    columns = min(len(frames), 2)
    rows = -(-len(frames) // columns)
    with style():
        import matplotlib.pyplot as plt

        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(4.2 * columns, 0.4 + 2.3 * rows),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for ax, (label, shares) in zip(grid.flat, frames.items(), strict=False):
            _panel(ax, shares, title=label)
        first = grid[0, 0]
        first.set(xlim=(result.checkpoints[0], result.horizon), ylim=(0, 1))
        if log:
            first.set_xscale("log")
        for ax in grid.flat[len(frames) :]:
            ax.set_axis_off()
            grid[rows - 2, columns - 1].xaxis.set_tick_params(labelbottom=True)
        figure.supxlabel("round", fontsize="medium")
        figure.supylabel("share of choices", fontsize="medium")
        figure.legend(
            *first.get_legend_handles_labels(),
            loc="outside right center",
            title="arm",
            reverse=True,
            frameon=False,
        )
    return figure


def _panel(ax: Axes, shares: pd.DataFrame, *, title: str) -> None:
    names = [str(name) for name in shares]
    colours = [INK if name == "others" else COLOURS[int(name) % len(COLOURS)] for name in names]
    ax.stackplot(shares.index, shares.to_numpy().T, labels=names, colors=colours, alpha=0.85)
    ax.set_title(title)
