"""Context schemas: from named properties of a request to the vector that a policy sees.

The same encoder runs in the notebook and in the proxy. A schema is an ordered list of features, as
the wire writes it::

    schema = ContextSchema.of([
        {"type": "categorical", "name": "device", "values": ["phone", "desktop"]},
        {"type": "numeric", "name": "age", "min": 18, "max": 90},
        {"type": "boolean", "name": "returning"},
    ])

The vector begins with the constant 1. A categorical feature follows as one number per value and one
for any other value, a numeric one as a number in [0, 1], a boolean one as 0 or 1.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from qbrix.errors import InvalidParameter, InvalidRequest
from qbrix.types import Array

__all__ = ["MAX_WIDTH", "Boolean", "Categorical", "ContextSchema", "Feature", "Numeric"]

MAX_WIDTH = 64
"""The widest vector that a schema may describe, the constant included."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature(ABC):
    """One declared property of a context."""

    name: str

    kind: ClassVar[str]

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Names of its numbers in the vector, in order."""

    @property
    @abstractmethod
    def absent(self) -> tuple[float, ...]:
        """Its numbers when the property is missing or null."""

    @abstractmethod
    def write(self, value: Any, vector: list[float], at: int) -> None:
        """Put its numbers for ``value`` into ``vector``, which holds `absent` from ``at`` on.

        Raises
        ------
        InvalidRequest
            When the value is of another type; nothing is converted in silence.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As the wire writes it."""

    def _refuse(self, value: Any, *, expected: str) -> InvalidRequest:
        shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:57]}…"
        return InvalidRequest(
            f"context.properties.{self.name} = {shown}: the {self.kind} property takes {expected}",
            code="INVALID_CONTEXT_PROPERTIES",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Categorical(Feature):
    """One number per declared value, and a last one for every other value.

    A string, an integer (as its digits) or a truth value (as ``true`` or ``false``) is looked up; a
    fraction is refused, since its text is not unique.
    """

    values: tuple[str, ...]

    kind = "categorical"

    @property
    def labels(self) -> tuple[str, ...]:
        """``name=value`` for every value, and ``name=other``."""
        return (*(f"{self.name}={value}" for value in self.values), f"{self.name}=other")

    @property
    def absent(self) -> tuple[float, ...]:
        """Another value than those declared."""
        return (*(0.0 for _ in self.values), 1.0)

    def write(self, value: Any, vector: list[float], at: int) -> None:
        """1 at the value's place."""
        if isinstance(value, bool):
            text = "true" if value else "false"
        elif isinstance(value, int):
            text = _digits(value)
        elif isinstance(value, str):
            text = value
        else:
            raise self._refuse(value, expected="a string, an integer or a truth value")
        if text in self.values:
            vector[at + len(self.values)] = 0.0
            vector[at + self.values.index(text)] = 1.0

    def to_json(self) -> dict[str, Any]:
        """Type, name and values."""
        return {"type": self.kind, "name": self.name, "values": list(self.values)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Numeric(Feature):
    """``(value - min) / (max - min)``, values outside counting as the nearest end."""

    min: float
    max: float

    kind = "numeric"

    @property
    def labels(self) -> tuple[str, ...]:
        """The name."""
        return (self.name,)

    @property
    def absent(self) -> tuple[float, ...]:
        """The middle."""
        return (0.5,)

    def write(self, value: Any, vector: list[float], at: int) -> None:
        """A number in [0, 1]."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._refuse(value, expected="a number")
        if isinstance(value, float) and not math.isfinite(value):
            raise self._refuse(value, expected="a finite number")
        inside = min(max(value, self.min), self.max)
        vector[at] = (inside - self.min) / (self.max - self.min)

    def to_json(self) -> dict[str, Any]:
        """Type, name and both ends."""
        return {"type": self.kind, "name": self.name, "min": self.min, "max": self.max}


@dataclass(frozen=True, kw_only=True, slots=True)
class Boolean(Feature):
    """1 for true, 0 for false or nothing."""

    kind = "boolean"

    @property
    def labels(self) -> tuple[str, ...]:
        """The name."""
        return (self.name,)

    @property
    def absent(self) -> tuple[float, ...]:
        """False."""
        return (0.0,)

    def write(self, value: Any, vector: list[float], at: int) -> None:
        """0 or 1."""
        if not isinstance(value, bool):
            raise self._refuse(value, expected="true or false")
        vector[at] = float(value)

    def to_json(self) -> dict[str, Any]:
        """Type and name."""
        return {"type": self.kind, "name": self.name}


class ContextSchema:
    """An ordered list of features and the vector that they make.

    Parameters
    ----------
    features : sequence of Feature
        At least one; names differ; the vector has at most `MAX_WIDTH` numbers.

    Examples
    --------
    >>> schema = ContextSchema.of([
    ...     {"type": "categorical", "name": "device", "values": ["phone", "desktop"]},
    ...     {"type": "numeric", "name": "age", "min": 18, "max": 90},
    ... ])
    >>> schema.labels
    ('constant', 'device=phone', 'device=desktop', 'device=other', 'age')
    >>> schema.encode({"device": "desktop", "age": 36})
    [1.0, 0.0, 1.0, 0.0, 0.25]
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.labels = ("constant", *(label for item in self.features for label in item.labels))
        _check_names([item.name for item in self.features])
        if self.width > MAX_WIDTH:
            raise InvalidParameter(
                f"context_schema makes vectors of {self.width} numbers, at most {MAX_WIDTH} are "
                "possible; declare fewer values or features"
            )
        self._empty = [1.0, *(number for item in self.features for number in item.absent)]
        self._places: dict[str, tuple[Feature, int]] = {}
        at = 1
        for item in self.features:
            self._places[item.name] = (item, at)
            at += len(item.labels)

    @property
    def width(self) -> int:
        """d, the constant included."""
        return len(self.labels)

    @classmethod
    def of(cls, described: Any) -> ContextSchema:
        """Read the form of the wire; raises `InvalidParameter` naming what does not fit."""
        if not isinstance(described, (list, tuple)) or not described:
            raise InvalidParameter(
                f"context_schema = {described!r}, expected a non-empty list of features"
            )
        return cls([_feature(item, at=index) for index, item in enumerate(described)])

    def to_json(self) -> list[dict[str, Any]]:
        """As the wire writes it; `of` reads it."""
        return [item.to_json() for item in self.features]

    def encode(self, properties: Mapping[str, Any] | None) -> list[float]:
        """The vector of one context; what is missing or None counts as its feature says.

        Raises
        ------
        InvalidRequest
            For a property that is not declared, or a value of the wrong type, by name.
        """
        vector = self._empty.copy()
        for name, value in (properties or {}).items():
            place = self._places.get(name)
            if place is None:
                raise InvalidRequest(
                    f"context.properties.{name} is not declared; "
                    f"the context schema has {', '.join(self._places)}",
                    code="INVALID_CONTEXT_PROPERTIES",
                )
            if value is not None:
                place[0].write(value, vector, place[1])
        return vector

    def encode_all(self, contexts: Iterable[Mapping[str, Any]]) -> Array:
        """One row per context, shape (n, d); for example ``frame.to_dict('records')``."""
        rows = [self.encode(properties) for properties in contexts]
        return np.array(rows, dtype=np.float64).reshape(-1, self.width)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContextSchema) and self.features == other.features

    def __hash__(self) -> int:
        return hash(self.features)

    def __repr__(self) -> str:
        return f"ContextSchema({', '.join(self.labels)})"


def _feature(described: Any, *, at: int) -> Feature:
    where = f"context_schema[{at}]"
    kinds = {item.kind: item for item in (Categorical, Numeric, Boolean)}
    if not isinstance(described, Mapping) or described.get("type") not in kinds:
        raise InvalidParameter(
            f"{where} = {described!r}, expected an object whose type is one of {', '.join(kinds)}"
        )
    wanted = {"categorical": {"values"}, "numeric": {"min", "max"}, "boolean": set()}
    kind = described["type"]
    keys = {"type", "name", *wanted[kind]}
    if set(described) != keys:
        raise InvalidParameter(
            f"{where} has {', '.join(map(str, described))}; "
            f"a {kind} feature has exactly {', '.join(sorted(keys))}"
        )
    name = described["name"]
    if not isinstance(name, str) or not name:
        raise InvalidParameter(f"{where}.name = {name!r}, expected a non-empty string")
    if kind == "categorical":
        return Categorical(name=name, values=_values(described["values"], where=where))
    if kind == "numeric":
        low, high = (_bound(described[key], where=f"{where}.{key}") for key in ("min", "max"))
        if not (low < high and math.isfinite(high - low)):
            raise InvalidParameter(f"{where} has min {low!r} and max {high!r}, expected min < max")
        return Numeric(name=name, min=low, max=high)
    return Boolean(name=name)


def _values(values: Any, *, where: str) -> tuple[str, ...]:
    good = isinstance(values, (list, tuple)) and all(isinstance(item, str) for item in values)
    if not good or not values or len(set(values)) < len(values):
        raise InvalidParameter(
            f"{where}.values = {values!r}, expected a non-empty list of different strings"
        )
    return tuple(values)


def _bound(value: Any, *, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParameter(f"{where} = {value!r}, expected a number")
    try:
        bound = float(value)
    except OverflowError:
        bound = math.inf
    if not math.isfinite(bound):
        raise InvalidParameter(f"{where} is beyond the range of numbers")
    return bound


def _digits(value: int) -> str:
    # Python refuses to write integers of thousands of digits; no declared value is that long.
    return str(value) if value.bit_length() < 4096 else ""


def _check_names(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidParameter(f"context_schema declares {', '.join(twice)} more than once")
    if not names:
        raise InvalidParameter("context_schema has no feature, expected at least one")
