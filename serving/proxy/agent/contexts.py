"""What an experiment knows about a decision: a vector, or properties and the schema for them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qbrix.context import ContextSchema
from qbrix.errors import Conflict, InvalidParameter, InvalidRequest
from qbrix.policies import Policy
from qbrix.support import LARGEST
from serving.proxy.agent.messages import SelectContext
from serving.storage.base import ExperimentRecord

__all__ = [
    "MAX_DIM",
    "ContextShape",
    "encode_context",
    "kept_context",
    "new_context",
    "parted",
    "shape_of",
]

MAX_DIM = 1024

_KEYS = ("dim", "context_schema")


@dataclass(frozen=True, slots=True)
class ContextShape:
    """How wide contexts are, and how properties become one; 0 without context."""

    dim: int = 0
    schema: ContextSchema | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """As ``policy_params`` shows it."""
        shown: dict[str, Any] = {"dim": self.dim} if self.dim else {}
        if self.schema is not None:
            shown["context_schema"] = self.schema.to_json()
        return shown


def parted(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``policy_params`` says of the context, and the hyper-parameters."""
    given = {name: params[name] for name in _KEYS if name in params}
    return given, {name: value for name, value in params.items() if name not in _KEYS}


def new_context(policy: Policy[Any, Any], given: Mapping[str, Any]) -> ContextShape:
    """The shape that a new experiment asks for; raises InvalidParameter."""
    name = type(policy).__name__
    if not policy.capabilities.context:
        if given and policy.capabilities.category != "meta":
            raise InvalidParameter(f"{name} has no hyper-parameter {next(iter(given))!r}")
        return ContextShape()
    if "context_schema" in given:
        if "dim" in given:
            raise InvalidParameter(
                "policy_params has both dim and context_schema; leave dim out, it follows from the "
                "schema"
            )
        schema = ContextSchema.of(given["context_schema"])
        return ContextShape(schema.width, schema)
    dim = given.get("dim")
    if type(dim) is not int or not 1 <= dim <= MAX_DIM:
        raise InvalidParameter(
            f"policy_params.dim = {dim!r}: {name} needs an integer from 1 to {MAX_DIM}, "
            "or a context_schema"
        )
    return ContextShape(dim)


def kept_context(record: ExperimentRecord, params: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters of a change; raises Conflict where it would change the shape."""
    shape = shape_of(record)
    if not shape.dim:
        return dict(params)
    given, rest = parted(params)
    if "dim" in given and given["dim"] != shape.dim:
        raise Conflict(
            f"policy_params.dim = {given['dim']!r}, but experiment {record.id} has {shape.dim} for "
            "life; leave dim out, or create another experiment",
            code="CONTEXT_DIM_IMMUTABLE",
        )
    stored = None if shape.schema is None else shape.schema.to_json()
    if "context_schema" in given and given["context_schema"] != stored:
        raise Conflict(
            f"policy_params.context_schema differs from the one that experiment {record.id} has "
            "for life; leave it out, or create another experiment",
            code="CONTEXT_SCHEMA_IMMUTABLE",
        )
    return rest


def shape_of(record: ExperimentRecord) -> ContextShape:
    """The shape that a record stores."""
    described = record.context_schema
    schema = None if described is None else ContextSchema.of(described)
    return ContextShape(record.dim, schema)


def encode_context(context: SelectContext, *, shape: ContextShape) -> bytes:
    """The vector as raw little-endian float64; nothing for an experiment without context."""
    if not shape.dim:
        return b""
    if shape.schema is not None:
        if context.vector:
            raise InvalidRequest(
                "this experiment has a context schema and takes no vector; "
                f"send context.properties with {_names(shape.schema)}",
                code="INVALID_CONTEXT_VECTOR",
            )
        return _packed(shape.schema.encode(context.properties))
    if context.properties is not None:
        raise InvalidRequest(
            "this experiment has no context schema and takes no properties; "
            f"send context.vector with {shape.dim} numbers",
            code="INVALID_CONTEXT_PROPERTIES",
        )
    vector: Sequence[float] = context.vector or ()
    if len(vector) != shape.dim:
        raise InvalidRequest(
            f"context.vector has {len(vector)} numbers, the experiment needs {shape.dim} "
            "(policy_params.dim)",
            code="INVALID_CONTEXT_VECTOR",
        )
    if not all(-LARGEST <= number <= LARGEST for number in vector):
        raise InvalidRequest(
            f"context.vector holds a number beyond ±{LARGEST:g}, or none at all",
            code="INVALID_CONTEXT_VECTOR",
        )
    return _packed(vector)


def _names(schema: ContextSchema) -> str:
    return ", ".join(item.name for item in schema.features)


def _packed(vector: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(vector)}d", *vector)
