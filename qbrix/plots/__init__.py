"""Pictures. Matplotlib is imported when the first one is drawn."""

from __future__ import annotations

from qbrix.plots.conditions import draw_conditions
from qbrix.plots.grid import GridPlots
from qbrix.plots.race import RacePlots

__all__ = ["GridPlots", "RacePlots", "draw_conditions"]
