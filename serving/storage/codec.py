"""Byte forms of what travels through Redis: one byte of format, then msgpack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from qbrix.errors import StateMismatch
from serving.storage.records import DecisionEvent, FeedbackEvent, StateRecord

__all__ = [
    "pack_decisions",
    "pack_feedback",
    "pack_state",
    "unpack_decisions",
    "unpack_feedback",
    "unpack_state",
]

T = TypeVar("T")

_FORMAT = b"\x01"

_encoder = msgspec.msgpack.Encoder()
_feedback = msgspec.msgpack.Decoder(list[FeedbackEvent])
_decisions = msgspec.msgpack.Decoder(list[DecisionEvent])
_state = msgspec.msgpack.Decoder(StateRecord)


def pack_feedback(events: Sequence[FeedbackEvent]) -> bytes:
    """Events that travel in one stream entry."""
    return _FORMAT + _encoder.encode(events)


def unpack_feedback(data: bytes) -> list[FeedbackEvent]:
    """Read `pack_feedback`; raises `StateMismatch`."""
    return _unpack(_feedback, data, what="feedback")


def pack_decisions(events: Sequence[DecisionEvent]) -> bytes:
    """Events that travel in one stream entry."""
    return _FORMAT + _encoder.encode(events)


def unpack_decisions(data: bytes) -> list[DecisionEvent]:
    """Read `pack_decisions`; raises `StateMismatch`."""
    return _unpack(_decisions, data, what="decisions")


def pack_state(state: StateRecord) -> bytes:
    """A published state."""
    return _FORMAT + _encoder.encode(state)


def unpack_state(data: bytes) -> StateRecord:
    """Read `pack_state`; raises `StateMismatch`."""
    return _unpack(_state, data, what="a state")


def _unpack(decoder: msgspec.msgpack.Decoder[T], data: bytes, *, what: str) -> T:
    if data[:1] != _FORMAT:
        raise StateMismatch(f"{what} in format {data[:1].hex() or 'nothing'}, expected 01")
    try:
        return decoder.decode(memoryview(data)[1:])
    except msgspec.MsgspecError as error:
        raise StateMismatch(f"damaged bytes of {what}: {error}") from None
