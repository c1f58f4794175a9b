"""The pictures of a simulation, as ``result.plot`` offers them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qbrix.plots.arms import draw_arms
from qbrix.plots.differences import draw_differences
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
        self,
        *,
        ax: Axes | None = None,
        log: bool = False,
        confidence: float = 0.95,
        slopes: bool = True,
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
        slopes : bool, default True
            For Bernoulli arms also the slope of Lai and Robbins and the minimax rate: references
            for the steepness of a curve, no bounds on its height.
        """
        return draw_regret(self.result, ax=ax, log=log, confidence=confidence, slopes=slopes)

    def differences(
        self,
        baseline: str | None = None,
        *,
        ax: Axes | None = None,
        confidence: float = 0.95,
    ) -> Axes:
        """Final regret beyond that of ``baseline`` (the best policy by default), in pairs.

        Parameters
        ----------
        baseline : str, optional
            Label of a policy.
        ax : matplotlib Axes, optional
            Where to draw; a new figure by default.
        confidence : float in (0, 1), default 0.95
            With which all intervals hold at once.
        """
        return draw_differences(self.result, baseline=baseline, ax=ax, confidence=confidence)

    def arms(self, *, log: bool = True) -> Figure:
        """Which arms each policy chose as time went on: one panel of shares per policy.

        Parameters
        ----------
        log : bool, default True
            Logarithmic rounds, which show the first ones in detail.
        """
        return draw_arms(self.result, log=log)
