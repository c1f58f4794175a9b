"""Loose values: google.protobuf.Struct and text ↔ what JSON would hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

from qbrix.errors import InvalidRequest

__all__ = ["as_text", "check_number", "parse", "read_struct", "read_text", "struct", "value"]

M = TypeVar("M", bound=Message)

_BEYOND_DOUBLES = 2**1023


def parse(kind: type[M], data: bytes) -> M:
    """The message; raises InvalidRequest for bytes that are none of its kind."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        name = kind.DESCRIPTOR.full_name
        raise InvalidRequest(f"the message cannot be read as {name}: {error}") from None


def check_number(number: float, *, name: str) -> float:
    """The number; raises InvalidRequest for NaN and infinities, which JSON cannot carry."""
    if not math.isfinite(number):
        raise InvalidRequest(f"{name} = {number}: expected a finite number")
    return number


def read_struct(message: Struct) -> dict[str, Any]:
    """A Struct as a dictionary; integral numbers are ints."""
    return {name: _read(item) for name, item in message.fields.items()}


def struct(values: Mapping[str, Any]) -> Struct:
    """A dictionary as a Struct."""
    return Struct(fields={name: value(item) for name, item in values.items()})


def value(item: Any) -> Value:
    """What JSON would hold, as a Value."""
    if item is None:
        return Value(null_value=NullValue.NULL_VALUE)
    if isinstance(item, bool):
        return Value(bool_value=item)
    if isinstance(item, float) or (isinstance(item, int) and abs(item) < _BEYOND_DOUBLES):
        return Value(number_value=item)
    if isinstance(item, int):
        return Value(string_value=str(item))
    if isinstance(item, str):
        return Value(string_value=item)
    if isinstance(item, Mapping):
        return Value(struct_value=struct(item))
    return Value(list_value=ListValue(values=[value(inner) for inner in item]))


def read_text(text: str) -> Any:
    """JSON, or the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def as_text(item: Any) -> str:
    """A text as it is; JSON for anything else, and for a text that would be read as such."""
    if isinstance(item, str) and read_text(item) == item:
        return item
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def _read(item: Value) -> Any:
    match item.WhichOneof("kind"):
        case "struct_value":
            return read_struct(item.struct_value)
        case "list_value":
            return [_read(inner) for inner in item.list_value.values]
        case "number_value":
            number = check_number(item.number_value, name="a number")
            return int(number) if number.is_integer() else number
        case "string_value":
            return item.string_value
        case "bool_value":
            return item.bool_value
        case _:
            return None
