"""Races of policies in environments, vectorised over replications."""

from __future__ import annotations

from qbrix.simulator.grid import GridResult, sweep
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.run import simulate
from qbrix.simulator.schedule import Schedule

__all__ = ["GridResult", "Schedule", "SimulationResult", "simulate", "sweep"]
