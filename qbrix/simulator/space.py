"""Where to look for hyper-parameters: lists of values and ranges, and candidates from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, cast

import numpy as np

from qbrix.checks import ParameterSpec
from qbrix.errors import InvalidParameter, UnknownName
from qbrix.policies import Policy

__all__ = ["Space", "candidates_of"]

Space = Mapping[str, Sequence[Any] | tuple[float, float, Literal["log", "linear"]]]
"""Hyper-parameter → a list of values, or (low, high, "log" | "linear")."""


@dataclass(frozen=True, slots=True)
class Span:
    """An interval whose values are taken evenly, on a linear or a logarithmic scale."""

    low: float
    high: float
    logarithmic: bool
    whole: bool

    def at(self, share: float) -> float | int:
        """The value a share in [0, 1] of the way from low to high."""
        if self.logarithmic:
            value = math.exp((1.0 - share) * math.log(self.low) + share * math.log(self.high))
        else:
            value = (1.0 - share) * self.low + share * self.high
        inside = min(max(value, self.low), self.high)
        return round(inside) if self.whole else inside


def candidates_of(
    family: type[Policy[Any, Any]], space: Space, *, count: int, rng: np.random.Generator
) -> dict[str, Policy[Any, Any]]:
    """At most ``count`` different policies of the space, labelled by what distinguishes them.

    All combinations, where there are only lists and no more than ``count``; else each range is cut
    into as many even parts as there are candidates, and every part is taken once.
    """
    axes = _checked(family, space)
    combinations = _all(axes, count=count) or _spread(axes, count=count, rng=rng)
    found = {}
    for values in combinations:
        label = ", ".join(
            f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in values.items()
        )
        found[label] = family(**values)
    return found


def _all(axes: Mapping[str, list[Any] | Span], *, count: int) -> list[dict[str, Any]]:
    lists = [axis for axis in axes.values() if not isinstance(axis, Span)]
    if len(lists) < len(axes) or math.prod(len(values) for values in lists) > count:
        return []
    return [dict(zip(axes, values, strict=True)) for values in product(*lists)]


def _spread(
    axes: Mapping[str, list[Any] | Span], *, count: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """A Latin hypercube: one value from each of ``count`` even parts of every axis."""
    columns = {}
    for name, axis in axes.items():
        shares = (rng.permutation(count) + rng.random(count)) / count
        if isinstance(axis, Span):
            columns[name] = [axis.at(float(share)) for share in shares]
        else:
            columns[name] = [axis[int(share * len(axis))] for share in shares]
    return [{name: column[i] for name, column in columns.items()} for i in range(count)]


def _checked(family: Any, space: Any) -> dict[str, list[Any] | Span]:
    """The axes; raises the error that names the hyper-parameter and value that do not fit."""
    if not (isinstance(family, type) and issubclass(family, Policy)):
        raise InvalidParameter(
            f"family = {family!r}, expected a policy class, for example EpsilonPolicy"
        )
    if not isinstance(space, Mapping) or not space:
        raise InvalidParameter(
            f"space = {space!r}, expected hyper-parameters and where to look for them, "
            "for example {'eps': (0.001, 0.5, 'log')}"
        )
    specs = {spec.name: spec for spec in family.parameter_specs()}
    for name in space:
        if name not in specs:
            raise UnknownName(f"hyper-parameter of {family.__name__}", name, known=specs)
    absent = [name for name, spec in specs.items() if spec.required and name not in space]
    if absent:
        raise InvalidParameter(
            f"{family.__name__} needs {absent[0]}; add it to the space, a list of one value if it "
            "is settled"
        )
    return {name: _axis(family, specs[name], told) for name, told in space.items()}


def _axis(family: type[Policy[Any, Any]], spec: ParameterSpec, told: Any) -> list[Any] | Span:
    axis = _span(spec, told) if isinstance(told, tuple) else _values(spec, told)
    tried = [axis.at(0.0), axis.at(1.0)] if isinstance(axis, Span) else axis
    example = family.example()
    for value in tried:
        replace(cast(Any, example), **{spec.name: value})
    return axis


def _values(spec: ParameterSpec, told: Any) -> list[Any]:
    if not isinstance(told, Sequence) or isinstance(told, str) or not told:
        raise InvalidParameter(
            f"space[{spec.name!r}] = {told!r}, expected a list of values or (low, high, 'log') or "
            "(low, high, 'linear')"
        )
    return list(told)


def _span(spec: ParameterSpec, told: tuple[Any, ...]) -> Span:
    described = f"space[{spec.name!r}] = {told!r}"
    if len(told) != 3 or told[2] not in ("log", "linear") or spec.type not in (int, float):
        kind = "" if spec.type in (int, float) else ", for it is no number"
        wanted = "a list of values" if kind else "(low, high, 'log') or (low, high, 'linear')"
        raise InvalidParameter(f"{described}, expected {wanted}{kind}")
    low, high, scale = told
    real = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    if not real or not low < high or (scale == "log" and low <= 0.0):
        bound = "0 < low < high" if scale == "log" else "low < high"
        raise InvalidParameter(f"{described}, expected finite numbers with {bound}")
    return Span(low, high, scale == "log", spec.type is int)
