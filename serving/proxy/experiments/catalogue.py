"""The library's policies as the wire lists them, and the check of what a caller asks for."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from qbrix.bundle.making import library_class
from qbrix.checks import ParameterSpec
from qbrix.errors import UnknownName
from qbrix.policies import Capabilities, Policy, policies
from qbrix.policies.catalogue import summary_of
from qbrix.support import RewardSupport, includes
from serving.proxy.agent.contexts import MAX_DIM
from serving.proxy.documents.answers import PolicyAnswer, PolicyParameter, WireType
from serving.proxy.experiments.portfolio import AUTO

__all__ = ["REWARD_TYPES", "list_policies", "names_policy", "requested_policy"]

REWARD_TYPES: tuple[RewardSupport, ...] = ("binary", "bounded", "continuous")
_WIRE_TYPES: dict[type, WireType] = {
    int: "integer",
    float: "number",
}  # the wire lists no others; all are accepted

_DIM: PolicyParameter = {
    "name": "dim",
    "type": "integer",
    "required": True,
    "default": None,
    "description": "number of features of a context",
    "constraints": {"gte": 1, "lte": MAX_DIM},
}


def list_policies(reward_type: str | None = None) -> list[PolicyAnswer]:
    """Every policy, or those that learn from rewards of a type."""
    listed = (_described(policy) for policy in policies)
    return [item for item in listed if reward_type is None or reward_type in item["reward_types"]]


def requested_policy(name: str) -> type[Policy[Any, Any]]:
    """The class that a caller names, a portfolio for ``auto``; raises UnknownName."""
    return library_class(name or AUTO)


def names_policy(word: str, policy: str) -> bool:
    """Whether a caller's word, such as ``auto``, is another one for this policy."""
    with suppress(UnknownName):
        return requested_policy(word).__name__ == policy
    return False


def _described(policy: type[Policy[Any, Any]]) -> PolicyAnswer:
    specs = [spec for spec in policy.parameter_specs() if spec.type in _WIRE_TYPES]
    params = [_described_parameter(spec) for spec in specs]
    contextual = policy.capabilities.context
    return {
        "name": policy.__name__,
        "category": policy.capabilities.category,
        "reward_types": _reward_types(policy.capabilities),
        "description": summary_of(policy),
        "user_params": [_DIM, *params] if contextual else params,
    }


def _reward_types(capabilities: Capabilities) -> list[RewardSupport]:
    own = capabilities.reward_types
    return [
        kind
        for kind in REWARD_TYPES
        if includes(capabilities.reward, kind) and (own is None or kind in own)
    ]


def _described_parameter(spec: ParameterSpec) -> PolicyParameter:
    return {
        "name": spec.name,
        "type": _WIRE_TYPES[spec.type],
        "required": spec.required,
        "default": spec.default,
        "description": spec.doc,
        "constraints": dict(spec.constraints),
    }
