"""``auto``: a portfolio of policies, whose learners the wire writes as a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["AUTO", "from_wire", "kept_portfolio", "to_wire"]

AUTO = "MetaBanditPolicy"
_BETWEEN = "; "
_FOR_LIFE = ("reward_type", "use_context", "learners")


def from_wire(params: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters with the list of learners as one text."""
    learners = params.get("learners")
    if not isinstance(learners, list) or not all(isinstance(one, str) for one in learners):
        return dict(params)
    return {**params, "learners": _BETWEEN.join(learners)}


def to_wire(policy: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Hyper-parameters as answers show them."""
    if policy != AUTO:
        return dict(parameters)
    return {**parameters, "learners": parameters["learners"].split(_BETWEEN)}


def kept_portfolio(
    policy: str, stored: Mapping[str, Any], params: Mapping[str, Any]
) -> dict[str, Any]:
    """The hyper-parameters of a change; what makes the portfolio stays where it is left out."""
    if policy != AUTO:
        return dict(params)
    return {**{name: stored[name] for name in _FOR_LIFE}, **from_wire(params)}
