"""Pictures. Matplotlib is imported when the first one is drawn."""

from __future__ import annotations

from qbrix.plots.race import RacePlots

__all__ = ["RacePlots"]
