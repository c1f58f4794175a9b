"""The catalogue of environments: one file each, registered here."""

from __future__ import annotations

from qbrix.environments.base import Environment, Rounds
from qbrix.environments.bernoulli import Bernoulli
from qbrix.environments.classification import Classification
from qbrix.environments.linear import LinearContextual
from qbrix.environments.piecewise import PiecewiseStationary
from qbrix.registry import Registry

__all__ = [
    "Bernoulli",
    "Classification",
    "Environment",
    "LinearContextual",
    "PiecewiseStationary",
    "Rounds",
    "environments",
]

environments: Registry[Environment] = Registry(kind="environment", group="qbrix.environments")

for _environment in (Bernoulli, Classification, LinearContextual, PiecewiseStationary):
    environments.register(_environment)
