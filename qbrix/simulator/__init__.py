"""Races of policies in environments, vectorised over replications."""

from __future__ import annotations

from qbrix.simulator.grid import GridResult, sweep
from qbrix.simulator.identification import IdentificationResult
from qbrix.simulator.identifying import identify
from qbrix.simulator.result import SimulationResult
from qbrix.simulator.run import simulate
from qbrix.simulator.saving import load_result, load_sweep
from qbrix.simulator.schedule import Schedule
from qbrix.simulator.tuning import TuningResult, tune

__all__ = [
    "GridResult",
    "IdentificationResult",
    "Schedule",
    "SimulationResult",
    "TuningResult",
    "identify",
    "load_result",
    "load_sweep",
    "simulate",
    "sweep",
    "tune",
]
