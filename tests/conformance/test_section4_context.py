"""Section 4 of the public API: what is known about who is served, on both transports."""

from __future__ import annotations

import struct
from base64 import b64decode
from typing import Any

import pytest

from tests.conformance.clients import Client, Json, refused
from tests.conformance.making import new_experiment
from tests.conformance.rest import Rest
from tests.waiting import until

COUNTRY = {"type": "categorical", "name": "country", "values": ["DE", "7", "true"]}
AGE = {"type": "numeric", "name": "age", "min": 20, "max": 60}
MEMBER = {"type": "boolean", "name": "member"}
SCHEMA = [COUNTRY, AGE, MEMBER]

# Properties, and the vector that section 4 makes of them: 1, DE, 7, true, other, age, member.
ENCODED: list[tuple[Json, list[float]]] = [
    ({"country": "DE", "age": 30, "member": True}, [1, 1, 0, 0, 0, 0.25, 1]),
    ({"country": 7, "age": 20, "member": False}, [1, 0, 1, 0, 0, 0, 0]),
    ({"country": True, "age": 60}, [1, 0, 0, 1, 0, 1, 0]),
    ({"country": "FR", "age": 30.5}, [1, 0, 0, 0, 1, 0.2625, 0]),
    ({"country": False, "age": 61}, [1, 0, 0, 0, 1, 1, 0]),
    ({"country": None, "age": -1e9, "member": None}, [1, 0, 0, 0, 1, 0, 0]),
    ({}, [1, 0, 0, 0, 1, 0.5, 0]),
]


def contextual(client: Client, **params: Any) -> str:
    """A contextual experiment."""
    return str(new_experiment(client, "LinTSPolicy", policy_params=params)["id"])


def logged(rest: Rest, experiment: str, count: int) -> dict[str, list[float]]:
    """Context id → the vector that was archived with the decision."""
    url = f"/api/v1/experiments/{experiment}/decisions"
    until(lambda: len(rest.ask("GET", url)["decisions"]) == count)
    rows = rest.ask("GET", url)["decisions"]
    raw = {row["context_id"]: b64decode(row["context"] or "") for row in rows}
    return {id: list(struct.unpack(f"<{len(data) // 8}d", data)) for id, data in raw.items()}


@pytest.mark.parametrize(
    ("schema", "width"),
    [([COUNTRY], 5), ([AGE], 2), ([MEMBER], 2), (SCHEMA, 7), ([{**COUNTRY, "values": ["x"]}], 3)],
)
def test_the_width_follows_from_the_schema(client: Client, schema: list[Json], width: int) -> None:
    made = new_experiment(client, "LinTSPolicy", policy_params={"context_schema": schema})
    assert made["policy_params"]["dim"] == width
    assert made["policy_params"]["context_schema"] == schema


def test_properties_become_the_vector_of_the_schema(client: Client, rest: Rest) -> None:
    experiment = contextual(client, context_schema=SCHEMA)
    for n, (properties, _) in enumerate(ENCODED):
        client.select(experiment, f"u{n}", properties=properties)
    client.select(experiment, "nothing")
    found = logged(rest, experiment, len(ENCODED) + 1)
    for n, (_, vector) in enumerate(ENCODED):
        assert found[f"u{n}"] == pytest.approx(vector, abs=1e-15)
    assert found["nothing"] == ENCODED[-1][1]


def test_a_vector_is_float64_all_the_way(client: Client, rest: Rest) -> None:
    experiment = contextual(client, dim=3)
    vector = [0.1, -1e-17, 123456789.123456789]
    client.select(experiment, "u", vector=vector)
    assert logged(rest, experiment, 1) == {"u": vector}


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"country": 1.5}, "country"),
        ({"country": ["DE"]}, "country"),
        ({"age": True}, "age"),
        ({"age": "30"}, "age"),
        ({"member": 1}, "member"),
        ({"member": "true"}, "member"),
        ({"colour": "red"}, "country"),
    ],
)
def test_what_the_schema_does_not_take_is_refused(
    client: Client, properties: Json, named: str
) -> None:
    experiment = contextual(client, context_schema=SCHEMA)
    with refused(400, "INVALID_CONTEXT_PROPERTIES") as caught:
        client.select(experiment, properties=properties)
    assert named in caught.value.detail


def test_an_undeclared_property_is_told_all_declared_ones(client: Client) -> None:
    experiment = contextual(client, context_schema=SCHEMA)
    with refused(400, "INVALID_CONTEXT_PROPERTIES") as caught:
        client.select(experiment, properties={"colour": "red"})
    assert all(name in caught.value.detail for name in ("colour", "country", "age", "member"))


def test_a_vector_of_another_width_is_told_both(client: Client) -> None:
    experiment = contextual(client, dim=3)
    for vector in ([], [1.0], [1.0] * 4):
        with refused(400, "INVALID_CONTEXT_VECTOR") as caught:
            client.select(experiment, vector=vector)
        assert str(len(vector)) in caught.value.detail
        assert "3" in caught.value.detail
    with refused(400, "INVALID_CONTEXT_VECTOR"):
        client.select(experiment)


def test_vector_and_properties_exclude_each_other(client: Client) -> None:
    with_schema, with_dim = contextual(client, context_schema=SCHEMA), contextual(client, dim=3)
    with refused(400, "INVALID_CONTEXT_VECTOR"):
        client.select(with_schema, vector=[1.0] * 7)
    with refused(400, "INVALID_CONTEXT_PROPERTIES"):
        client.select(with_dim, properties={"country": "DE"})
    for experiment in (with_schema, with_dim):
        with pytest.raises(Exception, match="INVALID_CONTEXT"):
            client.select(experiment, vector=[1.0] * 3, properties={"country": "DE"})


def test_a_policy_without_context_ignores_both(client: Client) -> None:
    experiment = new_experiment(client)["id"]
    assert client.select(experiment, vector=[1.0, 2.0])["request_id"]
    assert client.select(experiment, properties={"any": "thing"})["request_id"]


@pytest.mark.parametrize(
    "schema",
    [
        [],
        [COUNTRY, COUNTRY],
        [{"type": "colour", "name": "x"}],
        [{"type": "categorical", "name": "x", "values": []}],
        [{"type": "categorical", "name": "x", "values": [1]}],
        [{"type": "categorical", "name": "x", "values": ["a", "a"]}],
        [{"type": "categorical", "name": "x", "values": [str(n) for n in range(63)]}],
        [{"type": "numeric", "name": "x", "min": 1, "max": 1}],
        [{"type": "numeric", "name": "x", "min": 2, "max": 1}],
        [{"type": "numeric", "name": "x"}],
        [{"type": "boolean", "name": ""}],
        [{"type": "boolean"}],
        [{"type": "boolean", "name": "x", "colour": 1}],
        "boolean",
    ],
)
def test_a_schema_that_cannot_be_is_refused(client: Client, schema: Any) -> None:
    with refused(400, "INVALID_POLICY_PARAMS"):
        contextual(client, context_schema=schema)


def test_a_schema_is_at_most_64_wide(client: Client) -> None:
    widest = [{"type": "categorical", "name": "x", "values": [str(n) for n in range(62)]}]
    made = new_experiment(client, "LinTSPolicy", policy_params={"context_schema": widest})
    assert made["policy_params"]["dim"] == 64


def test_dim_and_schema_exclude_each_other(client: Client) -> None:
    with refused(400, "INVALID_POLICY_PARAMS"):
        contextual(client, dim=7, context_schema=SCHEMA)
    for dim in (0, -1, 1025, 2.5, "3"):
        with refused(400, "INVALID_POLICY_PARAMS"):
            contextual(client, dim=dim)


def test_the_context_has_an_id(rest: Rest) -> None:
    body = {"experiment_id": new_experiment(rest)["id"]}
    for context in ({}, {"id": None}, {"id": 7}, None):
        with refused(422, "VALIDATION_ERROR"):
            rest.ask("POST", "/api/v1/agent/select", {**body, "context": context})
