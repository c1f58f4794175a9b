"""A change of hyper-parameters: checked against the code that runs, before anybody is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qbrix.bundle.making import library_class, make_policy
from qbrix.errors import Conflict
from qbrix.ledger import PolicyRef
from qbrix.policies import Policy
from serving.loading import PolicyLoader
from serving.proxy.agent.contexts import kept_context
from serving.proxy.experiments.portfolio import kept_portfolio
from serving.storage.base import ExperimentRecord

__all__ = ["HyperParameters"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HyperParameters:
    """Knows the code of every experiment: the library's, or a promoted bundle's."""

    loader: PolicyLoader

    async def replaced(self, record: ExperimentRecord, params: dict[str, Any]) -> PolicyRef:
        """What decides after ``params`` took the place of the old ones.

        Raises InvalidParameter, or Conflict for what only a new experiment or a reset can change.
        """
        policy = await self._class_of(record)
        given = kept_portfolio(record.policy, record.parameters, kept_context(record, params))
        made = make_policy(policy, given)
        _refuse_structural(policy, make_policy(policy, record.parameters), made)
        return PolicyRef(
            name=policy.identifier(), parameters=made.parameters(), bundle=record.bundle
        )

    async def policy_of(self, record: ExperimentRecord) -> Policy[Any, Any]:
        """What decides, with its hyper-parameters."""
        return make_policy(await self._class_of(record), record.parameters)

    async def _class_of(self, record: ExperimentRecord) -> type[Policy[Any, Any]]:
        if record.bundle is None:
            return library_class(record.policy)
        return (await self.loader.bundle(record.bundle)).policy_class()


def _refuse_structural(
    policy: type[Policy[Any, Any]], before: Policy[Any, Any], after: Policy[Any, Any]
) -> None:
    for spec in policy.parameter_specs():
        old, new = getattr(before, spec.name), getattr(after, spec.name)
        if spec.structural and old != new:
            raise Conflict(
                f"policy_params.{spec.name} = {new!r}: what was learned depends on {old!r}; "
                "keep it, or create another experiment",
                code="STRUCTURAL_PARAM",
            )
