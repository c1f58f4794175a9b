"""Policies as users write them: the text of a file, and a class imported from it."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from qbrix.policies import Policy

PolicyClass: TypeAlias = type[Policy[Any, Any]]
Importer: TypeAlias = Callable[[str], PolicyClass]

# Chooses in proportion to bonus + what each arm has paid.
SHARES = """
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qbrix.checks import param
from qbrix.policies import Capabilities, Policy
from qbrix.state import State, array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Paid(State):
    paid: np.ndarray = array("K")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shares(Policy):
    bonus: float = param(1.0, gt=0, lt=10, doc="what every arm has paid before")

    state_type = Paid
    capabilities = Capabilities(order_free=True)

    def propensities(self, prepared, context=None, *, mask=None):
        weight = prepared.paid + self.bonus
        if mask is not None:
            weight = np.where(mask, weight, 0.0)
        return weight / weight.sum(-1, keepdims=True)

    def update_in_place(self, state, batch):
        np.add.at(state.paid, batch.arms, batch.rewards)
"""

_numbers = itertools.count()


def importer(folder: Path) -> Importer:
    """Writes a text to a file of its own and imports the policy that it defines."""

    def write_and_import(text: str) -> PolicyClass:
        file = folder / f"policy_{next(_numbers)}.py"
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
        found = [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and value.__module__ == file.stem
            and issubclass(value, Policy)
        ]
        assert len(found) == 1
        return found[0]

    return write_and_import


def changed(text: str, old: str, new: str) -> str:
    """``text`` with the one place ``old`` replaced."""
    assert text.count(old) == 1
    return text.replace(old, new)
