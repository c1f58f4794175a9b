"""What a request may hold, whichever transport brings it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from qbrix.errors import InvalidRequest

__all__ = ["check_once", "check_plain", "decode_strictly", "sentences", "shallow"]

MAX_DEPTH = 32


def decode_strictly(body: bytes) -> Any:
    """JSON as values; raises InvalidRequest for what only looks like JSON, for NUL, for depth
    that no answer could show again, and for a key that comes twice.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body is not JSON: {error}") from None
    if b"\\u0000" in body:
        _check_texts(value)
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value)
    check_once(body)
    return value


def check_once(body: bytes) -> None:
    """Raise InvalidRequest where a key of a JSON object comes twice; the body must be JSON."""
    json.loads(body, object_pairs_hook=_once)


def check_plain(value: Any) -> Any:
    """The values of a message; raises InvalidRequest for NUL and depth, as of JSON."""
    _check_depth(value)
    _check_texts(value)
    return value


def sentences(errors: Iterable[Mapping[str, Any]]) -> str:
    """What is wrong with a body, field by field."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in errors
    )


def _once(pairs: list[tuple[str, Any]]) -> None:
    names: set[str] = set()
    for name, _ in pairs:
        if name in names:
            raise InvalidRequest(f"the body has the key {name!r} twice; send it once")
        names.add(name)


def _check_texts(value: Any) -> None:
    if _holds_nul(value):
        raise InvalidRequest("a text in the body holds the character NUL; leave it out")


def _check_depth(value: Any) -> None:
    if _is_deep(value):
        raise InvalidRequest(f"the body is nested more than {MAX_DEPTH} deep; make it flatter")


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def shallow(value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """The value with what lies deeper as JSON text: an earlier version let any depth in."""
    if not isinstance(value, dict | list) or not value:
        return value
    if depth == 0:
        return msgspec.json.encode(value).decode()
    if isinstance(value, dict):
        return {key: shallow(inner, depth=depth - 1) for key, inner in value.items()}
    return [shallow(inner, depth=depth - 1) for inner in value]


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))
