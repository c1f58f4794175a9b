"""From named properties to the vector, value by value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from qbrix.context import ContextSchema
from qbrix.errors import InvalidParameter, InvalidRequest

DEVICE = {"type": "categorical", "name": "device", "values": ["phone", "7", "true"]}
AGE = {"type": "numeric", "name": "age", "min": 20, "max": 60}
RETURNING = {"type": "boolean", "name": "returning"}
SCHEMA = ContextSchema.of([DEVICE, AGE, RETURNING])


def test_the_vector_begins_with_a_constant_and_follows_the_declared_order() -> None:
    assert SCHEMA.width == 1 + 4 + 1 + 1
    assert SCHEMA.labels == (
        "constant",
        "device=phone",
        "device=7",
        "device=true",
        "device=other",
        "age",
        "returning",
    )
    assert SCHEMA.encode({"returning": True, "age": 30, "device": "phone"}) == [
        *(1.0, 1.0, 0.0, 0.0, 0.0, 0.25, 1.0)
    ]


@pytest.mark.parametrize("properties", [None, {}, {"device": None, "age": None, "returning": None}])
def test_what_is_missing_is_other_the_middle_and_false(properties: Any) -> None:
    assert SCHEMA.encode(properties) == [1.0, 0.0, 0.0, 0.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("value", "place"),
    [("phone", 1), (7, 2), ("7", 2), (True, 3), ("true", 3), (False, 4), ("True", 4), ("tv", 4)],
)
def test_a_category_is_looked_up_by_its_text(value: Any, place: int) -> None:
    vector = SCHEMA.encode({"device": value})
    assert [index for index in range(1, 5) if vector[index]] == [place]


@pytest.mark.parametrize(
    ("value", "scaled"),
    [(20, 0.0), (60.0, 1.0), (50, 0.75), (-5, 0.0), (10**400, 1.0), (-(10**400), 0.0)],
)
def test_a_number_is_clamped_and_scaled(value: Any, scaled: float) -> None:
    assert SCHEMA.encode({"age": value})[5] == scaled


def test_an_integer_of_any_length_is_another_value() -> None:
    assert SCHEMA.encode({"device": 10**5000})[4] == 1.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device", 7.0),
        ("device", ["phone"]),
        ("device", {}),
        ("age", True),
        ("age", "30"),
        ("age", math.nan),
        ("age", math.inf),
        ("returning", 1),
        ("returning", "true"),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=rf"context.properties.{name} = ") as refused:
        SCHEMA.encode({name: value})
    assert refused.value.code == "INVALID_CONTEXT_PROPERTIES"


def test_an_undeclared_property_is_refused_naming_the_declared_ones() -> None:
    with pytest.raises(InvalidRequest, match=r"colour is not declared.*device, age, returning"):
        SCHEMA.encode({"colour": "red"})


def test_rows_of_a_frame_are_encoded_together() -> None:
    rows = SCHEMA.encode_all([{"age": 40}, {"returning": True}])
    np.testing.assert_array_equal(rows[:, [0, 5, 6]], [[1.0, 0.5, 0.0], [1.0, 0.5, 1.0]])
    assert SCHEMA.encode_all([]).shape == (0, 7)


def test_it_reads_what_it_writes() -> None:
    assert ContextSchema.of(SCHEMA.to_json()) == SCHEMA
    assert SCHEMA.to_json()[0] == DEVICE


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ([], "non-empty list"),
        ({}, "non-empty list"),
        ("device", "non-empty list"),
        ([{"type": "text", "name": "x"}], "one of categorical, numeric, boolean"),
        ([["categorical"]], "one of categorical"),
        ([{"type": "boolean"}], "exactly name, type"),
        ([{**RETURNING, "default": True}], "exactly name, type"),
        ([{**RETURNING, "name": ""}], "non-empty string"),
        ([{**DEVICE, "values": []}], "different strings"),
        ([{**DEVICE, "values": ["a", "a"]}], "different strings"),
        ([{**DEVICE, "values": [1]}], "different strings"),
        ([{**AGE, "max": 20}], "min < max"),
        ([{**AGE, "max": "60"}], "expected a number"),
        ([{**AGE, "max": math.nan}], "beyond the range"),
        ([{**AGE, "max": 10**400}], "beyond the range"),
        ([{**AGE, "min": -1e308, "max": 1e308}], "min < max"),
        ([AGE, RETURNING, AGE], "age more than once"),
        ([{**DEVICE, "values": [str(n) for n in range(63)]}], "65 numbers, at most 64"),
    ],
)
def test_a_schema_that_is_none_is_refused(described: Any, told: str) -> None:
    with pytest.raises(InvalidParameter, match=told):
        ContextSchema.of(described)
