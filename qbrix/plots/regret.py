"""Cumulative regret by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qbrix.plots._frames import references, regret_bands
from qbrix.plots._style import COLOURS, INK, label_lines, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qbrix.simulator import SimulationResult

__all__ = ["draw_regret"]


def draw_regret(
    result: SimulationResult,
    *,
    ax: Axes | None,
    log: bool,
    confidence: float,
    slopes: bool,
    order: Sequence[str] | None = None,
) -> Axes:
    """One line and band per policy, labelled at its end; see `RacePlots.regret`.

    Colours follow ``order``, the final regrets by default.
    """
    with style():
        import matplotlib.pyplot as plt

        target = plt.subplots(figsize=(7.0, 4.0), layout="constrained")[1] if ax is None else ax
        ends, labels, colours = [], [], []
        bands = regret_bands(result, confidence=confidence)
        ranked = list(bands["policy"].unique()) if order is None else order
        for label, part in bands.groupby("policy", sort=False):
            colour = COLOURS[ranked.index(str(label)) % len(COLOURS)]
            target.plot(part["round"], part["mean"], color=colour, linewidth=1.8, label=str(label))
            target.fill_between(
                part["round"], part["low"], part["high"], color=colour, alpha=0.22, linewidth=0
            )
            ends.append(float(part["mean"].iloc[-1]))
            labels.append(str(label))
            colours.append(colour)
        if log:
            target.set_xscale("log")
        target.set_xlim(1, result.horizon)
        target.set_ylim(bottom=0)
        if slopes:
            _add_references(target, result)
        target.grid(visible=True, axis="y")
        if not log:
            target.xaxis.set_major_formatter("{x:,.0f}")
        target.yaxis.set_major_formatter("{x:,g}")
        target.set_xlabel("round")
        target.set_ylabel("cumulative regret")
        target.set_title(
            f"{result.replications:,} replications, bands: {100 * confidence:g} % intervals"
        )
        label_lines(target, ends=ends, labels=labels, colours=colours)
    return target


def _add_references(ax: Axes, result: SimulationResult) -> None:
    """Thin lines behind the policies', which alone decide how high the picture is."""
    lines = references(result)
    if lines.empty:
        return
    height = ax.get_ylim()
    dashes = ("--", ":")
    drawn = [
        ax.plot(
            part["round"], part["value"], dashes[i % 2], color=INK, linewidth=1.0, label=str(name)
        )[0]
        for i, (name, part) in enumerate(lines.groupby("reference", sort=False))
    ]
    ax.set_ylim(height)
    ax.legend(handles=drawn, loc="upper left", frameon=False, fontsize="small")
