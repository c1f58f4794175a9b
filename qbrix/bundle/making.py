"""A policy from its name and its hyper-parameters as JSON has them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from qbrix.errors import InvalidParameter
from qbrix.policies import policies
from qbrix.policies.base import Policy

__all__ = ["library_class", "make_policy"]


def library_class(identifier: str) -> type[Policy[Any, Any]]:
    """The catalogue's class for ``Name@version``, ``Name`` or an alias."""
    name, _, wanted = identifier.partition("@")
    found = policies.get(name)
    if wanted and found.identifier() != f"{found.__name__}@{wanted}":
        raise InvalidParameter(
            f"policy = {identifier!r}, but {found.identifier()} is installed here; "
            "install the version that has it, or use the one that is here"
        )
    return found


def make_policy(
    policy_class: type[Policy[Any, Any]], parameters: Mapping[str, Any]
) -> Policy[Any, Any]:
    """An instance with hyper-parameters from JSON; raises `InvalidParameter` naming a wrong one."""
    specs = {spec.name: spec for spec in policy_class.parameter_specs()}
    owner = policy_class.__name__
    has = ", ".join(specs) or "none"
    for name in parameters:
        if name not in specs:
            raise InvalidParameter(f"{owner} has no hyper-parameter {name!r}; it has: {has}")
    for name, spec in specs.items():
        if spec.required and name not in parameters:
            raise InvalidParameter(f"{owner} needs the hyper-parameter {name!r}; it has: {has}")
    given = {
        name: float(value) if specs[name].type is float and _fits(value) else value
        for name, value in parameters.items()
    }
    return policy_class(**given)


def _fits(value: object) -> bool:
    return type(value) is int and abs(value) <= sys.float_info.max
