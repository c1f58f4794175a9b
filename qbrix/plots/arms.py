"""Shares of the arms by round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qbrix.plots._frames import shares_of_arms
from qbrix.plots._style import COLOURS, INK, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qbrix.simulator import SimulationResult

__all__ = ["draw_arms"]

_SHOWN_ARMS = 10
_LABELLED_SHARE = 0.06


def draw_arms(result: SimulationResult, *, log: bool) -> Figure:
    """One panel of stacked shares per policy, by final regret; see `RacePlots.arms`."""
    labels = [str(label) for label in result.summary().index]
    columns = min(len(labels), 2)
    rows = -(-len(labels) // columns)
    with style():
        import matplotlib.pyplot as plt

        figure, grid = plt.subplots(
            rows,
            columns,
            figsize=(4.2 * columns, 2.6 * rows),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for ax, label in zip(grid.flat, labels, strict=False):
            _panel(ax, _grouped(shares_of_arms(result, label=label)), title=label)
            if log:
                ax.set_xscale("log")
            ax.set_xlim(result.checkpoints[0], result.horizon)
            ax.set_ylim(0, 1)
        for ax in grid.flat[len(labels) :]:
            ax.set_axis_off()
        figure.supxlabel("round", color=INK, fontsize="medium")
        figure.supylabel("share of choices", color=INK, fontsize="medium")
    return figure


def _panel(ax: Axes, shares: pd.DataFrame, *, title: str) -> None:
    names = [str(name) for name in shares]
    colours = [INK if name == "others" else COLOURS[int(name) % len(COLOURS)] for name in names]
    ax.stackplot(shares.index, shares.to_numpy().T, colors=colours, alpha=0.85, linewidth=0)
    ax.set_title(title)
    final = shares.iloc[-1].to_numpy()
    middles = np.cumsum(final) - final / 2.0
    for name, share, middle in zip(names, final, middles, strict=True):
        if share >= _LABELLED_SHARE:
            ax.annotate(
                name if name == "others" else f"arm {name}",
                xy=(1.0, middle),
                xycoords="axes fraction",
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
                annotation_clip=False,
            )


def _grouped(shares: pd.DataFrame) -> pd.DataFrame:
    """The most chosen arms, in the order of their index, and the rest as one."""
    if shares.shape[1] <= _SHOWN_ARMS:
        return shares
    first = shares.sum().nlargest(_SHOWN_ARMS - 1).index.sort_values()
    return shares[first].assign(others=1.0 - shares[first].sum(axis=1))
