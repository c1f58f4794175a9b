"""What a policy has learned: a frozen dataclass of arrays whose fields declare their shapes.

::

    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Counts(State):
        pulls: Array = array("K")
        window: Array = array("tau", "K")

Letters are resolved from the right, so leading axes (replications) come for free. A state has one
byte form: a magic word, a header that names every field, and the raw little-endian numbers. Its
digest is the SHA-256 of that form: two states are the same when their digests are.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from qbrix.checks import check_integer
from qbrix.errors import InvalidParameter, StateMismatch

__all__ = [
    "MAX_STATE_BYTES",
    "ArraySpec",
    "State",
    "array",
    "copy_state",
    "digest",
    "from_bytes",
    "grown",
    "leading_shape",
    "map_arrays",
    "resolve_sizes",
    "stack",
    "take",
    "to_bytes",
    "zeros",
]

S = TypeVar("S", bound="State")
AnyArray = NDArray[Any]

MAX_STATE_BYTES = 2**28  # a state is written, sent and prepared whole, at every version

_MAGIC = b"QBST\x01"
_METADATA_KEY = "qbrix.array"
_WORDS = {"K": "n_arms", "d": "dim"}


class State:
    """Base of every policy's state; subclasses are frozen dataclasses of `array` fields."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ArraySpec:
    """Declared shape (letters or fixed sizes) and dtype of one state field."""

    shape: tuple[str | int, ...]
    dtype: str


def array(*shape: str | int, dtype: str = "float64") -> Any:
    """Declare a state field, e.g. ``array("K", "d")``; dtype is float64, int64 or bool."""
    if dtype not in ("float64", "int64", "bool"):
        raise StateMismatch(f"state dtype {dtype!r} is not one of float64, int64, bool")
    return field(metadata={_METADATA_KEY: ArraySpec(shape, dtype)})


def array_specs(state_type: type[State]) -> dict[str, ArraySpec]:
    """Field name → declaration, in order of declaration."""
    specs = {}
    for item in fields(cast(Any, state_type)):
        if _METADATA_KEY not in item.metadata:
            raise StateMismatch(
                f"{state_type.__name__}.{item.name} declares no shape; write it as = array('K', …)"
            )
        specs[item.name] = item.metadata[_METADATA_KEY]
    return specs


def arrays_of(state: State) -> Iterator[tuple[str, AnyArray]]:
    """Name and array of every field, in order of declaration."""
    for item in fields(cast(Any, state)):
        yield item.name, getattr(state, item.name)


def map_arrays(function: Callable[[AnyArray], AnyArray], state: S) -> S:
    """A state of the same type with ``function`` applied to each array."""
    return type(state)(**{name: function(value) for name, value in arrays_of(state)})


def zeros(state_type: type[S], *, leading: tuple[int, ...] = (), **sizes: int) -> S:
    """A state of zeros, every letter of its declaration given by keyword.

    Raises
    ------
    InvalidParameter
        When a size is no whole number, there is no arm, or one state (without the leading axes)
        would exceed `MAX_STATE_BYTES`.
    """
    for letter, number in sizes.items():
        check_integer(number, name=_WORDS.get(letter, letter), least=1 if letter == "K" else 0)
    specs = array_specs(state_type)
    shapes = {name: _solid(spec, sizes, name=name) for name, spec in specs.items()}
    size = sum(prod(shapes[name]) * np.dtype(spec.dtype).itemsize for name, spec in specs.items())
    if size > MAX_STATE_BYTES:
        raise InvalidParameter(
            f"a {state_type.__name__} of {', '.join(f'{n} = {v}' for n, v in sizes.items())} takes "
            f"{size:,} bytes, at most {MAX_STATE_BYTES:,} are possible; choose smaller numbers"
        )
    made = {
        name: np.zeros(leading + shapes[name], dtype=spec.dtype) for name, spec in specs.items()
    }
    return state_type(**made)


def copy_state(state: S) -> S:
    """A deep copy: contiguous arrays that share no memory with the original's."""
    return map_arrays(lambda value: np.array(value, order="C"), state)


def take(state: S, index: Any) -> S:
    """Index the leading axes, e.g. one replication of a simulation."""
    return map_arrays(lambda value: value[index], state)


def stack(states: Sequence[S]) -> S:
    """Join states along a new leading axis, e.g. single runs into replications."""
    first = states[0]
    joined = {
        name: np.stack([getattr(state, name) for state in states]) for name, _ in arrays_of(first)
    }
    return type(first)(**joined)


def grown(state: S, fresh: S) -> S:
    """``fresh``, which has more arms, with everything that ``state`` has learned of the old ones.

    Raises
    ------
    StateMismatch
        When an array differs in anything but its axes K: its meaning depends on the number of arms.
    """
    made: dict[str, AnyArray] = {}
    for name, spec in array_specs(type(state)).items():
        old, new = getattr(state, name), getattr(fresh, name).copy()
        letters = [None] * (old.ndim - len(spec.shape)) + list(spec.shape)
        for letter, before, after in zip(letters, old.shape, new.shape, strict=True):
            if before != after and letter != "K":
                raise StateMismatch(
                    f"state.{name} has shape {old.shape}, with more arms {new.shape}: "
                    "this state cannot get more arms"
                )
        new[tuple(slice(size) for size in old.shape)] = old
        made[name] = new
    return type(state)(**made)


def resolve_sizes(state: State) -> dict[str, int]:
    """Letter → size, checked to agree over all fields; raises `StateMismatch`."""
    sizes: dict[str, int] = {}
    for name, spec in array_specs(type(state)).items():
        shape = getattr(state, name).shape
        if len(shape) < len(spec.shape):
            raise StateMismatch(f"state.{name} has shape {shape}, expected (..., {_show(spec)})")
        for letter, size in zip(spec.shape, shape[len(shape) - len(spec.shape) :], strict=True):
            expected = letter if isinstance(letter, int) else sizes.setdefault(letter, size)
            if expected != size:
                raise StateMismatch(
                    f"state.{name} has shape {shape}: {letter} = {size}, "
                    f"but {expected} in the other fields"
                )
    return sizes


def leading_shape(state: State) -> tuple[int, ...]:
    """The leading axes, which all fields share; raises `StateMismatch` when they do not."""
    shapes = {
        name: getattr(state, name).shape[: getattr(state, name).ndim - len(spec.shape)]
        for name, spec in array_specs(type(state)).items()
    }
    if len(set(shapes.values())) > 1:
        raise StateMismatch(f"leading axes differ between the fields of the state: {shapes}")
    return next(iter(shapes.values()), ())


def to_bytes(state: State) -> bytes:
    """The one byte form: magic, header length, JSON header, raw little-endian arrays."""
    parts: list[bytes] = []
    described = []
    for name, value in arrays_of(state):
        little = np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<"))
        parts.append(little.tobytes())
        described.append({"name": name, "dtype": str(value.dtype), "shape": list(value.shape)})
    header = json.dumps(
        {"state": type(state).__name__, "fields": described}, separators=(",", ":")
    ).encode()
    return b"".join([_MAGIC, struct.pack("<I", len(header)), header, *parts])


def from_bytes(state_type: type[S], data: bytes) -> S:
    """Read `to_bytes`; raises `StateMismatch` for another format, type, field, dtype or length."""
    prefix = len(_MAGIC) + 4
    if data[: len(_MAGIC)] != _MAGIC or len(data) < prefix:
        raise StateMismatch("these bytes are not a qbrix state of format 1")
    body = prefix + struct.unpack_from("<I", data, len(_MAGIC))[0]
    try:
        header = json.loads(data[prefix:body])
    except ValueError:
        raise StateMismatch("the header of the state bytes is damaged") from None
    _expect(header["state"], state_type.__name__, what="state type")
    specs = array_specs(state_type)
    _expect([item["name"] for item in header["fields"]], list(specs), what="state fields")
    read: dict[str, AnyArray] = {}
    for item in header["fields"]:
        _expect(item["dtype"], specs[item["name"]].dtype, what=f"dtype of {item['name']}")
        read[item["name"]], body = _read_array(data, item, offset=body)
    _expect(len(data), body, what="number of state bytes")
    state = state_type(**read)
    resolve_sizes(state)
    return state


def digest(state: State) -> str:
    """SHA-256 of `to_bytes`, 64 hex characters."""
    return hashlib.sha256(to_bytes(state)).hexdigest()


def _read_array(data: bytes, item: Mapping[str, Any], *, offset: int) -> tuple[AnyArray, int]:
    dtype = np.dtype(item["dtype"]).newbyteorder("<")
    count = int(np.prod(item["shape"], dtype=np.int64))
    end = offset + count * dtype.itemsize
    if end > len(data):
        raise StateMismatch(f"the state bytes end within the array {item['name']!r}")
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=offset)
    return flat.reshape(item["shape"]).astype(item["dtype"]), end


def _solid(spec: ArraySpec, sizes: Mapping[str, int], *, name: str) -> tuple[int, ...]:
    missing = [axis for axis in spec.shape if isinstance(axis, str) and axis not in sizes]
    if missing:
        raise StateMismatch(f"the size of {missing} is needed to make the state field {name!r}")
    return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in spec.shape)


def _show(spec: ArraySpec) -> str:
    return ", ".join(str(axis) for axis in spec.shape)


def _expect(got: object, wanted: object, *, what: str) -> None:
    if got != wanted:
        raise StateMismatch(f"{what} is {got!r}, expected {wanted!r}")
