"""Comparisons of a gate's rules: what is missing or cannot be compared matches nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["OPERATORS", "canonical", "matches"]

Comparison = Callable[[Any, Any], bool]

_ALIASES = {
    "eq": "equals",
    "==": "equals",
    "ne": "not_equals",
    "neq": "not_equals",
    "!=": "not_equals",
    "gt": "greater_than",
    ">": "greater_than",
    "lt": "less_than",
    "<": "less_than",
    "gte": "greater_or_equal",
    ">=": "greater_or_equal",
    "lte": "less_or_equal",
    "<=": "less_or_equal",
    "nin": "not_in",
}


def canonical(operator: str) -> str | None:
    """The operator's own name for any of its names; None for an unknown one."""
    name = _ALIASES.get(operator, operator)
    return name if name in OPERATORS else None


def matches(operator: str, value: Any, wanted: Any) -> bool:
    """Whether a value of the metadata fulfils ``operator wanted``; null fulfils nothing."""
    return value is not None and OPERATORS[operator](value, wanted)


def _equal(a: Any, b: Any) -> bool:
    a, b = _alike(a, b)
    return type(a) is type(b) and bool(a == b)


def _ordered(compare: Comparison) -> Comparison:
    def ordered(a: Any, b: Any) -> bool:
        a, b = _alike(a, b)
        comparable = type(a) is type(b) and isinstance(a, (int, float, str))
        return comparable and not isinstance(a, bool) and compare(a, b)

    return ordered


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return isinstance(whole, list) and any(_equal(item, part) for item in whole)


def _can_contain(whole: Any, part: Any) -> bool:
    return isinstance(whole, list) or (isinstance(whole, str) and isinstance(part, str))


def _in(value: Any, choices: Any) -> bool:
    return isinstance(choices, list) and any(_equal(value, choice) for choice in choices)


def _alike(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as numbers when one is a number and the other a number in text or another kind."""
    if _is_number(a) and (_is_number(b) or isinstance(b, str)):
        return _number(a), _number(b)
    if _is_number(b) and isinstance(a, str):
        return _number(a), _number(b)
    return a, b


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _number(value: Any) -> Any:
    """A float, or the value itself where it is none."""
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return value
    return number if math.isfinite(number) else value


OPERATORS: dict[str, Comparison] = {
    "equals": _equal,
    "not_equals": lambda a, b: not _equal(a, b),
    "greater_than": _ordered(lambda a, b: a > b),
    "less_than": _ordered(lambda a, b: a < b),
    "greater_or_equal": _ordered(lambda a, b: a >= b),
    "less_or_equal": _ordered(lambda a, b: a <= b),
    "contains": _contains,
    "not_contains": lambda a, b: _can_contain(a, b) and not _contains(a, b),
    "in": _in,
    "not_in": lambda a, b: isinstance(b, list) and not _in(a, b),
}
