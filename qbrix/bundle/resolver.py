"""From a reference in a configuration to a policy with its hyper-parameters."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qbrix.errors import BundleError, InvalidParameter, UnknownName
from qbrix.ledger import PolicyRef
from qbrix.policies import policies
from qbrix.policies.base import Policy
from qbrix.state import State

if TYPE_CHECKING:
    from qbrix.bundle.format import Bundle

__all__ = ["BundleResolver", "make_policy"]


class BundleResolver:
    """The `qbrix.ledger.Resolver` over the catalogue and a collection of bundles.

    Parameters
    ----------
    bundles : Mapping[str, Bundle]
        By SHA-256. It is read at every look-up, so its owner may add to it.
    """

    def __init__(self, bundles: Mapping[str, Bundle] | None = None) -> None:
        self._bundles: Mapping[str, Bundle] = {} if bundles is None else bundles

    def policy(self, ref: PolicyRef) -> Policy[Any, Any]:
        """The policy with the hyper-parameters of ``ref``.

        Raises
        ------
        UnknownName
            No such policy, or no such bundle here.
        InvalidParameter
            Another version of the policy is installed, or a hyper-parameter does not fit.
        BundleError
            The bundle holds another policy, or its code cannot be loaded.
        """
        if ref.bundle is None:
            return make_policy(library_class(ref.name), ref.parameters)
        bundle = self._bundle(ref)
        return make_policy(bundle.policy_class(), ref.parameters)

    def bundle_state(self, ref: PolicyRef) -> State:
        """What the bundle's policy had learned, or its initial state."""
        bundle = self._bundle(ref)
        state = bundle.state()
        if state is not None:
            return state
        manifest = bundle.manifest
        initial: State = self.policy(ref).init(n_arms=manifest.n_arms, dim=manifest.dim)
        return initial

    def _bundle(self, ref: PolicyRef) -> Bundle:
        found = self._bundles.get(ref.bundle or "")
        if found is None:
            raise UnknownName("bundle", str(ref.bundle), known=self._bundles)
        if found.manifest.policy.id != ref.name:
            raise BundleError(
                "source",
                f"the bundle {found.sha256[:12]} holds {found.manifest.policy.id}, "
                f"the configuration asks for {ref.name}",
            )
        return found


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
