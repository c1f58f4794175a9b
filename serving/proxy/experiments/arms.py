"""Arms of a pool come, retire and come back while its experiments run; indices never shift."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from qbrix.bundle.source import foreign_code
from qbrix.errors import BundleError, Conflict, InvalidParameter, InvalidRequest, StateMismatch
from serving.proxy.documents.bodies import ArmPatch
from serving.proxy.experiments.pools import Pools
from serving.proxy.experiments.service import Experiments
from serving.storage.base import ArmRecord, Catalog, ExperimentRecord, PoolRecord

__all__ = ["Arms"]

_MAX_ARMS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Arms:
    """Changes a pool and lets every experiment on it follow."""

    catalog: Catalog
    pools: Pools
    experiments: Experiments

    async def change(
        self, tenant: str, pool_id: str, *, name: str | None, arms: Sequence[ArmPatch]
    ) -> PoolRecord:
        """Stored when this returns; cortex has usually made every experiment follow by then.

        Raises NotFound, InvalidRequest, or Conflict: the name is taken, or an experiment on the
        pool cannot get more arms.
        """
        before = await self.pools.get(tenant, pool_id)
        after = msgspec.structs.replace(
            before,
            name=before.name if name is None else name,
            arms=_changed(before.arms, arms),
            updated_ms=time.time_ns() // 1_000_000,
        )
        if (after.name, after.arms) == (before.name, before.arms):
            return before
        on_pool = await self.experiments.on_pool(tenant, pool_id)
        concerned = [view.record for view in on_pool]
        if len(after.arms) > len(before.arms):
            for record in concerned:
                await self._check_growth(record, before=len(before.arms), after=len(after.arms))
        controls = await self.catalog.change_pool(
            after, before=before, change=_change(before, after)
        )
        for record in concerned:
            await self.experiments.announce(record.id)
        shards = {record.id: record.shard for record in concerned}
        follow = self.experiments.follow
        await asyncio.gather(
            *(follow(one, shards[one.experiment]) for one in controls if one.experiment in shards)
        )
        return after

    async def _check_growth(self, record: ExperimentRecord, *, before: int, after: int) -> None:
        policy = await self.experiments.hyper_parameters.policy_of(record)
        try:
            with foreign_code("fit", doing=f"growing {record.policy}"):
                state = policy.init(n_arms=before, dim=record.dim)
                policy.grow(state, n_arms=after)
        except (StateMismatch, InvalidParameter, BundleError) as error:
            raise Conflict(
                f"experiment {record.id} ({record.name!r}) cannot have {after} arms: {error}"
            ) from None


def _changed(arms: tuple[ArmRecord, ...], patches: Sequence[ArmPatch]) -> tuple[ArmRecord, ...]:
    """The arms after the patches; those without an id are new and come last."""
    known = {arm.id: arm for arm in arms}
    added: list[ArmRecord] = []
    for patch in patches:
        if patch.id is None:
            added.append(_new(patch, index=len(arms) + len(added)))
        elif patch.id in known:
            known[patch.id] = _patched(known[patch.id], patch)
        else:
            raise InvalidRequest(f"arms: {patch.id!r} is no arm of this pool; leave out id to add")
    after = (*known.values(), *added)
    twice = [name for name, count in Counter(arm.name for arm in after).items() if count > 1]
    if twice:
        raise InvalidRequest(f"arm names must differ; more than once: {', '.join(twice[:5])}")
    if not any(arm.is_active for arm in after):
        raise InvalidRequest("every arm would be retired; at least one must be choosable")
    if len(after) > _MAX_ARMS:
        raise InvalidRequest(f"{len(after)} arms; a pool holds at most {_MAX_ARMS}")
    return after


def _new(patch: ArmPatch, *, index: int) -> ArmRecord:
    if patch.name is None:
        raise InvalidRequest("arms: a new arm needs a name; an old one is named by its id")
    _check_index(patch, index)
    return ArmRecord(
        id=uuid4().hex,
        name=patch.name,
        index=index,
        is_active=patch.is_active is not False,
        metadata=patch.metadata or {},
    )


def _patched(arm: ArmRecord, patch: ArmPatch) -> ArmRecord:
    _check_index(patch, arm.index)
    return msgspec.structs.replace(
        arm,
        name=arm.name if patch.name is None else patch.name,
        is_active=arm.is_active if patch.is_active is None else patch.is_active,
        metadata=arm.metadata if patch.metadata is None else patch.metadata,
    )


def _check_index(patch: ArmPatch, index: int) -> None:
    if patch.index not in (None, index):
        raise InvalidRequest(
            f"arms: {patch.name or patch.id!r} has index {index} for ever, not {patch.index}"
        )


def _change(before: PoolRecord, after: PoolRecord) -> dict[str, Any] | None:
    """What decides differently with these arms; None when only words have changed."""
    was, now = ([arm.is_active for arm in pool.arms] for pool in (before, after))
    if was == now:
        return None
    retired = [arm.index for arm in after.arms if not arm.is_active]
    return {"n_arms": len(after.arms), "retired": retired}
