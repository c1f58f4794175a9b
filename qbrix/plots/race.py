"""The pictures of a simulation, as ``result.plot`` offers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbrix.plots.arms import draw_arms
from qbrix.plots.regret import draw_regret

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from qbrix.simulator import SimulationResult

__all__ = ["RacePlots"]


@dataclass(frozen=True, slots=True)
class RacePlots:
    """Draws a result; every method raises `MissingExtra` where matplotlib is absent."""

    result: SimulationResult

    def regret(
        self, *, ax: Axes | None = None, log: bool = False, confidence: float = 0.95
    ) -> Axes:
        """Mean cumulative regret by round, with confidence bands.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        log : bool, default False
            Logarithmic rounds: logarithmic regret becomes a straight line.
        confidence : float in (0, 1), default 0.95
            Level of the bands.
        """
        return draw_regret(self.result, ax=ax, log=log, confidence=confidence)

    def arms(self, *, log: bool = True) -> Figure:
        """Which arms each policy chose as time went on: one panel of shares per policy.

        Parameters
        ----------
        log : bool, default True
            Logarithmic rounds, which show the first ones in detail.
        """
        return draw_arms(self.result, log=log)
