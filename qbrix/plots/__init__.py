"""Pictures. Matplotlib is imported when the first one is drawn."""

from __future__ import annotations

from qbrix.plots.conditions import draw_conditions
from qbrix.plots.race import RacePlots

__all__ = ["RacePlots", "draw_conditions"]
