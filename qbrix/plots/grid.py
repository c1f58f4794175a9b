"""The pictures of a sweep, as ``grid.plot`` offers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbrix.plots._style import style
from qbrix.plots.regret import draw_regret

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qbrix.simulator import GridResult

__all__ = ["GridPlots"]


@dataclass(frozen=True, slots=True)
class GridPlots:
    """Draws a sweep; every method raises `MissingExtra` where matplotlib is absent."""

    result: GridResult

    def regret(self, *, log: bool = False, confidence: float = 0.95, slopes: bool = True) -> Figure:
        """Mean cumulative regret by round: a panel per environment, its seeds taken together.

        Parameters
        ----------
        log : bool, default False
            Logarithmic rounds.
        confidence : float in (0, 1), default 0.95
            Level of the bands.
        slopes : bool, default True
            References for Bernoulli arms; see `RacePlots.regret`.
        """
        labels = self.result.environments
        races = [self.result.race(label) for label in labels]
        policies = list(races[0].traces)
        columns = min(len(labels), 2)
        rows = -(-len(labels) // columns)
        with style():
            import matplotlib.pyplot as plt

            size = (6.4 * columns, 0.4 + 3.4 * rows)
            figure, grid = plt.subplots(
                rows, columns, figsize=size, squeeze=False, layout="constrained"
            )
            for ax, label, race in zip(grid.flat, labels, races, strict=False):
                draw_regret(
                    race, ax=ax, log=log, confidence=confidence, slopes=slopes, order=policies
                )
                ax.set_title(label)
            for ax in grid.flat[len(labels) :]:
                ax.set_axis_off()
            seeds = len(self.result.seeds)
            figure.suptitle(
                f"{races[0].replications:,} replications"
                + (f" of {seeds} seeds" if seeds > 1 else "")
                + f", bands: {100 * confidence:g} % intervals",
                fontsize="medium",
            )
        return figure
