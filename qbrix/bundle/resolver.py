"""From a reference in a configuration to a policy with its hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qbrix.bundle.making import library_class, make_policy
from qbrix.errors import BundleError, UnknownName
from qbrix.ledger import PolicyRef
from qbrix.policies.base import Policy
from qbrix.state import State

if TYPE_CHECKING:
    from qbrix.bundle.format import Bundle

__all__ = ["BundleResolver"]


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
