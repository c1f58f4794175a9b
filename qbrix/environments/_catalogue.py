"""The registry of environments, and the way back from a spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qbrix.environments.base import Environment
from qbrix.errors import InvalidParameter
from qbrix.registry import Registry

__all__ = ["environments", "from_spec"]

environments: Registry[Environment] = Registry(kind="environment", group="qbrix.environments")


def from_spec(spec: Mapping[str, Any]) -> Environment:
    """The environment that `Environment.spec` describes.

    Parameters
    ----------
    spec : mapping
        With ``id``, e.g. ``Bernoulli@1``, and ``parameters``; it may have been JSON meanwhile.

    Raises
    ------
    UnknownName
        If no environment of this name and version is registered.
    InvalidParameter
        If the parameters do not fit it, or name data that a spec does not hold.

    Examples
    --------
    >>> from qbrix.environments import Bernoulli, from_spec
    >>> from_spec(Bernoulli([0.9, 0.8]).spec())
    Bernoulli([0.9, 0.8])
    """
    if not _is_whole(spec):
        raise InvalidParameter(
            f"spec = {spec!r}, expected a mapping with 'id' and 'parameters' as Environment.spec() "
            "returns it"
        )
    found = environments.get(spec["id"])
    try:
        return found.from_parameters(spec["parameters"])
    except TypeError as error:
        raise InvalidParameter(
            f"the spec's parameters {sorted(spec['parameters'])} do not fit {spec['id']}: {error}"
        ) from error


def _is_whole(spec: object) -> bool:
    if not isinstance(spec, Mapping) or not {"id", "parameters"} <= set(spec):
        return False
    return isinstance(spec["parameters"], Mapping)
