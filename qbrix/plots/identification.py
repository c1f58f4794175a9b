"""How long the best arm took to find, and how often another one was taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qbrix.plots._identification_frames import (
    arm_shares,
    error_rates,
    errors_by_budget,
    mean_rounds,
)
from qbrix.plots._style import COLOURS, INK, style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from qbrix.simulator import IdentificationResult

__all__ = ["IdentificationPlots", "draw_budgets"]


@dataclass(frozen=True, slots=True)
class IdentificationPlots:
    """Draws a result; every method raises `MissingExtra` where matplotlib is absent."""

    result: IdentificationResult

    def rounds(self, *, ax: Axes | None = None, confidence: float = 0.95) -> Axes:
        """Mean number of rounds with its interval, one line per policy, the fastest on top.

        A policy some of whose searches used up the rounds has an open mark. For Bernoulli arms a
        vertical line shows what no rule of this confidence can beat on average.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        confidence : float in (0, 1), default 0.95
            Level of the intervals.
        """
        frame = mean_rounds(self.result, confidence=confidence)
        with style():
            target = _dots(frame, ax=ax)
            least = self.result.least_rounds
            if least is not None and np.isfinite(least) and least > 0.0:
                _limit(target, least, f"no rule is faster on average: {least:,.0f}")
            target.set_xscale("log")
            target.xaxis.set_major_formatter("{x:,.0f}")
            target.set_xlabel("rounds until it stopped")
            target.set_title(self._title(confidence))
        return target

    def errors(self, *, ax: Axes | None = None, confidence: float = 0.95) -> Axes:
        """Share of wrong recommendations with its exact interval, the fewest on top.

        A vertical line shows the δ = 1 − confidence that was asked for.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        confidence : float in (0, 1), default 0.95
            Level of the intervals.
        """
        frame = error_rates(self.result, confidence=confidence)
        with style():
            target = _dots(frame, ax=ax)
            if self.result.confidence is not None:
                doubt = 1.0 - self.result.confidence
                _limit(target, doubt, f"asked for: at most {doubt:.3g}")
            target.set_xlim(left=0.0)
            target.set_xlabel("share of wrong recommendations")
            target.set_title(self._title(confidence))
        return target

    def shares(self, *, ax: Axes | None = None) -> Axes:
        """Where each policy spent its observations, a stacked bar per policy.

        For Bernoulli arms the bar on top shows the shares that identify the best arm fastest.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        """
        frame = arm_shares(self.result)
        with style():
            target = _axes(ax, rows=len(frame))
            left = np.zeros(len(frame))
            for i, arm in enumerate(frame):
                part = frame[arm].to_numpy()
                colour = COLOURS[i % len(COLOURS)]
                target.barh(frame.index, part, left=left, color=colour, alpha=0.85, label=str(arm))
                left += part
            target.invert_yaxis()
            target.set_xlim(0.0, 1.0)
            target.set_xlabel("share of the observations")
            target.legend(title="arm", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        return target

    def _title(self, confidence: float) -> str:
        return f"{self.result.replications:,} searches, {100 * confidence:g} % intervals"


def _limit(ax: Axes, x: float, told: str) -> None:
    """A dashed vertical line and what it means."""
    ax.axvline(x, color=INK, linewidth=1.0, linestyle="--")
    ax.annotate(
        told,
        xy=(x, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -4),
        textcoords="offset points",
        va="top",
        fontsize="small",
    )


def _dots(frame: pd.DataFrame, *, ax: Axes | None) -> Axes:
    """A dot and its interval for every row, the first on top."""
    target = _axes(ax, rows=len(frame))
    places = np.arange(len(frame))
    target.hlines(places, frame["low"], frame["high"], color=COLOURS[0], linewidth=2.0, alpha=0.5)
    faces = [COLOURS[0] if complete else "none" for complete in frame["complete"]]
    target.scatter(
        frame["mean"],
        places,
        s=36,
        edgecolors=COLOURS[0],
        facecolors=faces,
        zorder=3,
        clip_on=False,
    )
    target.set_yticks(range(len(frame)), [str(label) for label in frame["policy"]])
    target.set_ylim(len(frame) - 0.4, -1.0)
    target.grid(visible=True, axis="x")
    return target


def _axes(ax: Axes | None, *, rows: int) -> Axes:
    import matplotlib.pyplot as plt

    size = (7.0, 1.1 + 0.36 * rows)
    made: Axes = plt.subplots(figsize=size, layout="constrained")[1] if ax is None else ax
    return made


def draw_budgets(
    results: Sequence[IdentificationResult], *, ax: Axes | None = None, confidence: float = 0.95
) -> Axes:
    """Share of wrong recommendations by budget, a line with its exact intervals per policy.

    Parameters
    ----------
    results : sequence of IdentificationResult
        One for each budget, of policies with the same labels.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    confidence : float in (0, 1), default 0.95
        Level of the intervals.
    """
    frame = errors_by_budget(results, confidence=confidence)
    with style():
        target = _axes(ax, rows=8)
        for i, (label, part) in enumerate(frame.groupby("policy")):
            colour = COLOURS[i % len(COLOURS)]
            budget, mean = part["budget"], part["mean"]
            target.plot(budget, mean, color=colour, marker="o", markersize=4, label=str(label))
            target.fill_between(
                budget, part["low"], part["high"], color=colour, alpha=0.15, linewidth=0
            )
        target.set_xlabel("budget in rounds")
        target.set_ylabel("share of wrong recommendations")
        target.set_ylim(bottom=0.0)
        target.xaxis.set_major_formatter("{x:,.0f}")
        target.grid(visible=True, axis="y")
        target.set_title(f"{results[0].replications:,} searches, {100 * confidence:g} % intervals")
        target.legend(frameon=False)
    return target
