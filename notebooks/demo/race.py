"""Act one: policies race in simulated worlds, among them the one from the notebook's cell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

import qbrix
from qbrix.environments import Bernoulli, Classification
from qbrix.policies import (
    BetaTSPolicy,
    EpsilonPolicy,
    KLUCBPolicy,
    LinTSPolicy,
    LinUCBPolicy,
    Policy,
    RandomPolicy,
)
from qbrix.simulator import Schedule, SimulationResult

__all__ = ["policy_from_cell", "predict", "race_arms", "race_digits"]

NOTEBOOK = Path(__file__).parent.parent / "01_from_cell_to_production.ipynb"


def policy_from_cell(directory: Path) -> type[Policy[Any, Any]]:
    """Run the ``%%policy`` cell of the notebook in a real IPython shell, in ``directory``."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    (cell,) = [source for source in sources if source.startswith("%%policy")]
    os.chdir(directory)
    shell = InteractiveShell.instance()
    for source in ("%load_ext qbrix", cell):
        shell.run_cell(source).raise_error()
    found: type[Policy[Any, Any]] = shell.user_ns["PrototypePolicy"]
    return found


def race_arms(*, progress: bool) -> SimulationResult:
    """Three arms that pay with probability .9, .8 and .7."""
    return qbrix.simulate(
        [BetaTSPolicy(), KLUCBPolicy(), EpsilonPolicy(eps=0.1, gamma=1.0), RandomPolicy()],
        Bernoulli([0.9, 0.8, 0.7]),
        horizon=2000,
        replications=100,
        seed=1,
        progress=progress,
    )


def race_digits(own: Policy[Any, Any], *, progress: bool) -> SimulationResult:
    """Guess which digit a picture shows; nobody says which one it was when the guess is wrong."""
    return qbrix.simulate(
        {
            "LinUCB": LinUCBPolicy(alpha=0.3),
            "LinTS": LinTSPolicy(v=0.3),
            "ε-greedy": EpsilonPolicy(eps=0.1, gamma=1.0),
            "Prototype": own,
        },
        Classification.digits(),
        replications=10,
        seed=1,
        progress=progress,
    )


def predict(own: Policy[Any, Any], *, delay: int, batch: int) -> SimulationResult:
    """The race that production will run: rewards come late and states are refreshed in batches."""
    return qbrix.simulate(
        {"Prototype": own},
        Classification.digits(),
        replications=20,
        seed=2,
        schedule=Schedule(delay=delay, batch=batch),
        progress=False,
    )
